/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - lumaringd: reads its settings, takes the camera's lock and sockets, runs the main loop until a signal or
 * until the camera gives up. Signals are blocked in every thread and read by the main loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "bench/bench.h"
#include "camera.h"
#include "commands.h"
#include "config_load.h"
#include "exit.h"
#include "loop/loop.h"
#include "service.h"
#include "sockets.h"
#include "source/source.h"

#define RESTART_PAUSE_S 2 /* as long as is waited for room (fit.c) */

struct daemon {
	struct config config;
	struct loop *loop;
	struct loop_op signals;
	struct camera *camera;
	struct sockets sockets;
	bool has_terminal; /* whose end is meant by SIGHUP, if it is gone then */
	int argc;
	char **argv;
};

/* SIGHUP asks for the configuration to be read anew, unless it is the end of the terminal that we were started from. */
static void on_signal(struct loop_op *op, int result)
{
	struct daemon *daemon = op->owner;

	if (result < 0)
		return;
	if (result == SIGHUP && !(daemon->has_terminal && !process_has_terminal())) {
		camera_reload(daemon->camera);
		return;
	}
	log_event(LOG_LEVEL_INFO, &(struct log_fields){ .event = LOG_EVENT_STOPPING }, "stopping on %s",
		  strsignal(result));
	service_stopping();
	loop_stop(daemon->loop);
}

/* A terminal that closes is nothing to us when nohup(1) said so. */
static void block_signals(sigset_t *ret_set)
{
	struct sigaction hangup;

	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(ret_set, SIGHUP);
	sigprocmask(SIG_BLOCK, ret_set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Whoever started us may have closed some: else the first things we open would be written to as the log, and read as
 * footage. open() takes the lowest number that is free. */
static void fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return; /* no /dev/null: as it was */
}

/* A client costs a descriptor: take what the hard limit gives. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum exit_code set_up(struct daemon *daemon, char *text, size_t text_bytes)
{
	const struct reload_origin origin = { &daemon->config, daemon->argc, daemon->argv };
	struct sockets *sockets = &daemon->sockets;
	struct camera_sockets taken;
	enum exit_code code;
	sigset_t signals;
	int r;

	block_signals(&signals);
	raise_descriptor_limit();
	r = loop_create(daemon->config.io, &daemon->loop, text, text_bytes);
	if (r < 0)
		return EXIT_SYSTEM;
	if (text[0])
		log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_IO_FALLBACK }, "%s", text);
	daemon->signals = (struct loop_op){ .done = on_signal, .owner = daemon };
	r = loop_signal(daemon->loop, &daemon->signals, &signals);
	if (r < 0)
		return snprintf(text, text_bytes, "cannot read signals: %s", strerror(-r)), EXIT_SYSTEM;
	code = sockets_open(sockets, &daemon->config, text, text_bytes);
	if (code != EXIT_OK)
		return code;
	taken = (struct camera_sockets){ sockets->frames_fd, sockets->control_fd, sockets->group, sockets->group_name };
	return camera_create(&origin, daemon->loop, &taken, &daemon->camera, text, text_bytes);
}

/* Why it does not start. */
static enum log_event event_of_end(enum exit_code code)
{
	switch (code) {
	case EXIT_USAGE:
		return LOG_EVENT_REFUSED_SETTINGS;
	case EXIT_BUSY:
		return LOG_EVENT_REFUSED_LOCK;
	case EXIT_SOURCE:
		return LOG_EVENT_SOURCE_FAILED;
	case EXIT_ROOM:
		return LOG_EVENT_NO_ROOM;
	default:
		return LOG_EVENT_REFUSED_SYSTEM;
	}
}

static enum exit_code serve(struct daemon *daemon)
{
	int r;

	log_event(LOG_LEVEL_INFO, &(struct log_fields){ .event = LOG_EVENT_STARTED }, "serving %s at %s, loop %s",
		  daemon->config.camera, daemon->sockets.frames_path, loop_backend_name(daemon->loop));
	r = loop_run(daemon->loop);
	service_stopping();
	if (r == 0)
		return camera_exit_code(daemon->camera);
	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SYSTEM_FAILED, .error = -r },
		  "the main loop cannot wait: %s, stopping", strerror(-r));
	return EXIT_SYSTEM;
}

/* A service manager starts the next one at once: what the system refused may be had in a while. A signal ends it. */
static void wait_for_better_times(void)
{
	const struct timespec a_while = { .tv_sec = RESTART_PAUSE_S };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	while (sigtimedwait(&set, NULL, &a_while) < 0 && errno == EINTR)
		; /* an io_uring that is taken down interrupts it */
}

static enum exit_code run(struct daemon *daemon)
{
	char text[512] = "";
	enum exit_code code = set_up(daemon, text, sizeof(text));
	bool served = code == EXIT_OK;

	if (served) {
		code = serve(daemon);
	} else {
		log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = event_of_end(code) }, "%s", text);
		service_status(text);
	}
	sockets_unlink(&daemon->sockets); /* first, so that nobody connects to a daemon that stops */
	camera_stop(daemon->camera);
	if (camera_hangs(daemon->camera))
		_exit(code); /* its thread cannot be waited for; what is left in names the next daemon takes away */
	loop_destroy(daemon->loop);
	camera_destroy(daemon->camera);
	sockets_close(&daemon->sockets);
	if (code == EXIT_SYSTEM && !served && service_is_managed())
		wait_for_better_times();
	if (served)
		log_event(LOG_LEVEL_INFO, &(struct log_fields){ .event = LOG_EVENT_STOPPED }, "stopped, exit code %d",
			  (int)code);
	return code;
}

/* Instead of a daemon. A signal that stops it ends the process in the end, as if nothing had been tidied up before. */
static enum exit_code run_benchmark(const struct config *config, const char *device)
{
	const struct bench_request request = { device, config->width, config->height };
	char text[512];
	int number = 0, r = bench_camera(&request, &number, text, sizeof(text));

	if (r == -ECANCELED) {
		signal(number, SIG_DFL);
		raise(number);
	}
	if (r < 0)
		fprintf(stderr, "lumaringd: %s\n", text);
	return r < 0 ? EXIT_SYSTEM : EXIT_OK;
}

static enum exit_code list_cameras(void)
{
	char text[512];
	int r = source_list_cameras(stdout, text, sizeof(text));

	if (r < 0)
		fprintf(stderr, "lumaringd: %s\n", text);
	else if (fflush(stdout) != 0)
		return log_error("cannot print the cameras: %s", strerror(errno)), EXIT_SYSTEM;
	return r < 0 ? EXIT_SOURCE : EXIT_OK;
}

/* To people who check it as FILE:LINE:COLUMN: ..., which editors understand; else to the log. */
static void tell_faults(const struct config_faults *faults, enum options_action action)
{
	const struct log_fields fields = { .event = LOG_EVENT_REFUSED_SETTINGS };

	for (unsigned i = 0; i < faults->count; i++)
		if (action == OPTIONS_CHECK)
			fprintf(stderr, "%s\n", faults->lines[i]);
		else
			log_event(LOG_LEVEL_ERROR, &fields, "%s", faults->lines[i]);
	if (faults->more)
		log_error("and %u fault%s more", faults->more, faults->more == 1 ? "" : "s");
}

static enum exit_code print_config(const struct config *config)
{
	char *text = config_text(config);
	bool good = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0;

	free(text);
	if (!good)
		log_error("cannot print the configuration: %s", strerror(errno));
	return good ? EXIT_OK : EXIT_SYSTEM;
}

int main(int argc, char **argv)
{
	static struct daemon daemon = { .sockets = { .lock_fd = -1, .frames_fd = -1, .control_fd = -1 } };
	struct config_faults faults = { 0 };
	struct options options;
	enum exit_code code;
	int r;

	fill_standard_descriptors();
	daemon.argc = argc;
	daemon.argv = argv;
	daemon.has_terminal = process_has_terminal();
	options_scan(argc, argv, &options, &faults);
	config_faults_clear(&faults); /* found again below */
	if (options.action == OPTIONS_STOP)
		return EXIT_OK;
	r = config_load(argc, argv, &daemon.config, &faults);
	if (options.action == OPTIONS_RUN)
		service_log_init(daemon.config.camera);
	tell_faults(&faults, options.action);
	config_faults_clear(&faults);
	if (r < 0)
		code = EXIT_USAGE;
	else if (options.action == OPTIONS_CHECK)
		code = print_config(&daemon.config);
	else if (options.action == OPTIONS_BENCH)
		code = run_benchmark(&daemon.config, options.device);
	else if (options.action == OPTIONS_LIST)
		code = list_cameras();
	else
		code = run(&daemon);
	config_clear(&daemon.config);
	return code;
}
