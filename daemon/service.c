/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - see service.h: what the service manager is told. It must never keep the daemon from working: whatever the
 * manager does not take is dropped.
 */
#include "service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define STATUS_BYTES 512

static bool is_ready; /* was told */

bool service_is_managed(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && socket[0];
}

/* Other words of the protocol begin on lines of their own. */
static const char *one_line(const char *status, char line[STATUS_BYTES])
{
	size_t length = strnlen(status, STATUS_BYTES - 1);

	for (size_t i = 0; i < length; i++)
		line[i] = (unsigned char)status[i] < ' ' ? ' ' : status[i];
	line[length] = '\0';
	return line;
}

void service_ready(const char *status)
{
	char line[STATUS_BYTES];

	is_ready = true;
	sd_notifyf(0, "STATUS=%s\nREADY=1", one_line(status, line));
}

void service_status(const char *status)
{
	char line[STATUS_BYTES];

	sd_notifyf(0, "STATUS=%s", one_line(status, line));
}

void service_extend_start(uint64_t ns)
{
	if (!is_ready)
		sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, ns / NS_PER_US);
}

void service_reloading(void)
{
	/* The time tells the manager which READY=1 belongs to it. */
	if (is_ready)
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_ns() / NS_PER_US);
}

void service_reloaded(void)
{
	if (is_ready)
		sd_notify(0, "READY=1");
}

void service_stopping(void)
{
	static bool told;

	if (!told)
		sd_notify(0, "STOPPING=1");
	told = true;
}

uint64_t service_watchdog_ns(void)
{
	uint64_t interval_us = 0;

	return sd_watchdog_enabled(0, &interval_us) > 0 ? interval_us * NS_PER_US : 0;
}

void service_pet(void)
{
	sd_notify(0, "WATCHDOG=1");
}
