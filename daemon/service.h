/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.h - what a service manager (service.c) and its journal (service_log.c) are told: nothing else speaks to
 * systemd. Outside of a service all of it does nothing. Thread-safe after service_log_init().
 */
#ifndef LUMARING_SERVICE_H
#define LUMARING_SERVICE_H

/*
 * When standard error is the journal's, log with fields from here on; else change nothing. Call before there are
 * other threads. `camera` stays the caller's and unchanged.
 */
void service_log_init(const char *camera);

void service_ready(void);     /* the camera is being served */
void service_reloading(void); /* the configuration is read anew; service_ready() ends it */
void service_stopping(void);  /* on the way out */

/* One line for `systemctl status`. */
void service_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
