/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c - see fakeuvc.h: commands, time, and the loop. */
#include "fakeuvc.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 20 /* how soon a command is seen */
#define CONNECT_MS 60000

static int timer = -1;

void fail(const char *what)
{
	fprintf(stderr, "fakeuvc: %s: %s\n", what, strerror(errno));
	exit(1);
}

void set_timer(void)
{
	static uint64_t now;
	uint64_t ns = camera.fps > 0 ? (uint64_t)(1e9 / camera.fps) : camera.interval * UINT64_C(100);
	struct timespec step = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	struct itimerspec when = { step, step };

	if (ns != now && timerfd_settime(timer, 0, &when, NULL) < 0)
		fail("timer");
	now = ns;
}

/* False: that is no command, or not one for now. */
static bool obey(const char *command, const char *socket_path)
{
	if (!strncmp(command, "formats ", 8))
		return !camera.plugged && uvc_take_formats(command + 8);
	if (!strcmp(command, "plug"))
		return camera.plugged || usb_plug(socket_path);
	if (!strncmp(command, "fps ", 4))
		camera.fps = atof(command + 4);
	else if (!strncmp(command, "skip ", 5))
		camera.skip += strtoull(command + 5, NULL, 10);
	else if (!strcmp(command, "pause") || !strcmp(command, "resume"))
		camera.paused = command[0] == 'p';
	else if (!strcmp(command, "error"))
		camera.error_next = true;
	else if (!strcmp(command, "short"))
		camera.short_next = true;
	else if (!strcmp(command, "unplug"))
		usb_unplug();
	else if (!strcmp(command, "quit"))
		exit(0);
	else
		return false;
	return true;
}

/* Whole lines since the last look. */
static void read_commands(int file, const char *socket_path)
{
	static char text[4096];
	static size_t have;
	ssize_t n = read(file, text + have, sizeof(text) - 1 - have);
	char *line = text, *end;

	if (n <= 0)
		return;
	have += (size_t)n;
	text[have] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		if (!obey(line, socket_path))
			fprintf(stderr, "fakeuvc: cannot obey \"%s\"\n", line);
		stats.commands++;
		set_timer();
		write_stats();
		line = end + 1;
	}
	have -= (size_t)(line - text);
	memmove(text, line, have);
}

static void await_qemu(const char *path)
{
	const struct timespec step = { 0, 100000000 };

	for (int ms = 0; !usb_plug(path); ms += 100) {
		if (ms >= CONNECT_MS)
			fail(path);
		nanosleep(&step, NULL);
	}
}

/* Until QEMU is gone. */
static void serve(const char *socket_path, int commands)
{
	for (;;) {
		struct pollfd ready[2] = {
			{ usb_descriptor(), (short)(POLLIN | (usb_wants_to_write() ? POLLOUT : 0)), 0 },
			{ timer, POLLIN, 0 },
		};
		uint64_t ticks;

		if (poll(ready, 2, POLL_MS) < 0 && errno != EINTR)
			fail("poll");
		if (ready[0].revents & (POLLIN | POLLHUP | POLLERR) && !usb_read())
			return;
		if (ready[1].revents && read(timer, &ticks, sizeof(ticks)) == sizeof(ticks))
			while (ticks-- > 0)
				camera_tick();
		read_commands(commands, socket_path);
		if (usb_wants_to_write() && !usb_write())
			return;
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: fakeuvc SOCKET COMMANDS STATS [--fps N] [--formats usual|mjpeg|mosaic]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "fps", required_argument, NULL, 'r' },
		{ "formats", required_argument, NULL, 'f' },
		{ 0 },
	};
	int c, commands;

	uvc_take_formats("usual");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			camera.fps = atof(optarg);
		else if (c != 'f' || !uvc_take_formats(optarg))
			return usage();
	}
	if (argc - optind != 3)
		return usage();
	commands = open(argv[optind + 1], O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (commands < 0 || timer < 0)
		fail(argv[optind + 1]);
	set_timer();
	camera_init(argv[optind + 2]);
	await_qemu(argv[optind]);
	serve(argv[optind], commands);
	return 0;
}
