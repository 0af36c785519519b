/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - see options.h. Long options are the table of config.c and five of the daemon's own. Streams on the
 * command line replace those of the file.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	OPTION_CONFIG = 1000,
	OPTION_CHECK,
	OPTION_BENCH,
	OPTION_VERSION,
	OPTION_HELP,
	OPTIONS_MAX = 40,
};

static void print_help(void)
{
	printf("Examples:\n"
	       "  lumaringd --source synthetic --size 2304x1296 --framerate 56\n"
	       "  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | lumaringd --source replay:-\n"
	       "  v4l2-ctl --stream-mmap --stream-to=- | lumaringd --source raw:- --size 640x480 --pixel-format YUYV\n"
	       "  lumaringd --source replay:clip.y4m --loop --stream main --stream ball=100,80,64,64,bin=2\n\n"
	       "Usage: lumaringd [OPTION]...\n"
	       "Copies the luma plane of a camera's frames into shared memory for many readers. Runs in the "
	       "foreground\n"
	       "until SIGTERM, SIGINT or SIGHUP.\n\n"
	       "  --config FILE              read settings from a JSON file first: the names below with _ for -\n");
	for (unsigned i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];
		int n = printf("  --%s%s%s", s->name, s->placeholder ? " " : "", s->placeholder ? s->placeholder : "");

		printf(n < 28 ? "%*s%s\n" : "\n%*s%s\n", n < 28 ? 29 - n : 29, "", s->help);
	}
	printf("  --check-config             check file and options, print what is wrong or \"ok\", and stop\n"
	       "  --bench-camera[=DEVICE]    measure copies out of the buffers of this board's cameras, and stop\n"
	       "  --version, --help\n\n"
	       "Exit codes: 0 stopped as asked, 1 the system refused something, 2 usage or configuration, 3 another\n"
	       "daemon serves this camera, 4 the source could not be opened or failed, 5 no room in shared memory.\n");
}

static void fill_table(struct option *table)
{
	static const struct option own[] = {
		{ "config", required_argument, NULL, OPTION_CONFIG },
		{ "check-config", no_argument, NULL, OPTION_CHECK },
		{ "bench-camera", optional_argument, NULL, OPTION_BENCH },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{ "help", no_argument, NULL, OPTION_HELP },
	};
	unsigned n = 0;

	for (; n < config_setting_count; n++)
		table[n] = (struct option){
			.name = config_settings[n].name,
			.has_arg = config_settings[n].argument == CONFIG_VALUE ? required_argument : no_argument,
			.val = (int)n,
		};
	memcpy(&table[n], own, sizeof(own));
}

/* First pass: what getopt accepts, --config, and what is done instead of serving. */
static int scan(int argc, char **argv, const struct option *table, const char **ret_file,
		enum options_action *ret_action, const char **ret_device, char *error, size_t error_bytes)
{
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		switch (c) {
		case OPTION_CONFIG:
			*ret_file = optarg;
			break;
		case OPTION_CHECK:
			*ret_action = OPTIONS_CHECK;
			break;
		case OPTION_BENCH:
			*ret_action = OPTIONS_BENCH;
			*ret_device = optarg;
			break;
		case OPTION_VERSION:
			printf("lumaringd %s\n", LUMARING_BUILD_VERSION);
			*ret_action = OPTIONS_STOP;
			return 0;
		case OPTION_HELP:
			print_help();
			*ret_action = OPTIONS_STOP;
			return 0;
		case ':':
			return snprintf(error, error_bytes, "%s needs a value: see lumaringd --help", argv[optind - 1]),
			       -EINVAL;
		case '?':
			return snprintf(error, error_bytes,
					"%s is not an option of lumaringd, or has a value it does not "
					"take: see lumaringd --help",
					argv[optind - 1]),
			       -EINVAL;
		}
	}
	if (*ret_device && !(*ret_device)[0])
		return snprintf(error, error_bytes,
				"--bench-camera= needs a device, as --bench-camera=/dev/video0; without = it measures "
				"each that is there"),
		       -EINVAL;
	if (optind < argc)
		return snprintf(error, error_bytes, "\"%s\" is not an option: see lumaringd --help", argv[optind]),
		       -EINVAL;
	return 0;
}

static int apply(int argc, char **argv, const struct option *table, struct config *config, char *error,
		 size_t error_bytes)
{
	bool streams_replaced = false;
	int c, r = 0;

	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		char what[64];

		if (c >= OPTION_CONFIG)
			continue;
		snprintf(what, sizeof(what), "--%s", config_settings[c].name);
		if (!strcmp(config_settings[c].name, "stream") && !streams_replaced) {
			streams_replaced = true;
			config->stream_count = 0;
		}
		r = config_settings[c].set(config, what, optarg, error, error_bytes);
	}
	return r;
}

int options_read(int argc, char **argv, struct config *config, enum options_action *ret_action, const char **ret_device,
		 char *error, size_t error_bytes)
{
	struct option table[OPTIONS_MAX] = { 0 };
	const char *file = NULL;
	int r;

	fill_table(table);
	*ret_action = OPTIONS_RUN;
	*ret_device = NULL;
	config_init(config);
	r = scan(argc, argv, table, &file, ret_action, ret_device, error, error_bytes);
	if (r < 0 || *ret_action == OPTIONS_STOP)
		return r;
	if (file)
		r = config_read_file(config, file, error, error_bytes);
	if (r == 0)
		r = apply(argc, argv, table, config, error, error_bytes);
	/* A benchmark has no sockets and no rings. */
	return r < 0 || *ret_action == OPTIONS_BENCH ? r : config_finish(config, error, error_bytes);
}
