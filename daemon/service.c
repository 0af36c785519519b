/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - see service.h: what the service manager is told. It must never keep the daemon from working: whatever the
 * manager does not take is dropped.
 */
#include "service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define STATUS_BYTES 512

void service_ready(void)
{
	sd_notify(0, "READY=1");
}

void service_reloading(void)
{
	/* The time tells the manager which READY=1 belongs to it. */
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_ns() / NS_PER_US);
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void service_status(const char *format, ...)
{
	char status[STATUS_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(status, sizeof(status), format, arguments);
	va_end(arguments);
	sd_notifyf(0, "STATUS=%s", status);
}
