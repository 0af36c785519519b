/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.h - what a service manager (service.c) and its journal (service_log.c) are told: nothing else speaks to
 * systemd. Outside of a service all of it does nothing. The journal is told by any thread, after service_log_init();
 * the service manager by the main thread alone.
 */
#ifndef LUMARING_SERVICE_H
#define LUMARING_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When standard error is the journal's, log with fields from here on; else change nothing. Call before there are
 * other threads. `camera` stays the caller's and unchanged.
 */
void service_log_init(const char *camera);

/* Somebody who starts us anew when we end with an error wants to hear of us. */
bool service_is_managed(void);

/* All that was to be made is there; with it, the line for `systemctl status`. */
void service_ready(const char *status);
void service_status(const char *status); /* the line alone */

/* The start takes up to so long more: it goes on. */
void service_extend_start(uint64_t ns);

/* The configuration is read anew; and that is over, whatever came of it. As long as it was not ready it is not told of:
 * the end of it would count as ready. */
void service_reloading(void);
void service_reloaded(void);

void service_stopping(void); /* on the way out */

/* How often the manager wants a sign of life at least, 0: not at all; and that sign. */
uint64_t service_watchdog_ns(void);
void service_pet(void);

#endif
