/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - see options.h. Long options are the table of settings and some of the daemon's own. Streams on the
 * command line replace those of the files. May run again and again; main thread.
 */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config_load.h"
#include "source/libcamera.h"

#define OPTIONS_OWN 7

/* Beyond all characters, which getopt_long() has a meaning for. */
enum {
	OPTION_CONFIG = 1000,
	OPTION_CONFIG_DIR,
	OPTION_CHECK,
	OPTION_BENCH,
	OPTION_LIST,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_SETTING, /* and its index */
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
	       "until SIGTERM or SIGINT, or until its terminal is gone. SIGHUP reads the files below anew.\n\n"
	       "Settings are read from %s, then\n"
	       "CONFIG_DIR/CAMERA.json, CONFIG_DIR/CAMERA.json.d/NAME.json in order of names, then from the command "
	       "line.\n\n"
	       "  --config FILE              read this file instead: JSON, its keys the names below with _ for -\n"
	       "  --config-dir DIR           the CONFIG_DIR above (default $LUMARING_CONFIG_DIR, else %s)\n",
	       config_vendor_file, CONFIG_DIR_DEFAULT);
	for (unsigned i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];
		int n = printf("  --%s%s%s", s->name, s->placeholder ? " " : "", s->placeholder ? s->placeholder : "");

		printf(n < 28 ? "%*s%s\n" : "\n%*s%s\n", n < 28 ? 29 - n : 29, "", s->help);
	}
	printf("  --check-config             print all that is wrong, or else the settings that are in force, and "
	       "stop\n"
	       "  --bench-camera[=DEVICE]    measure copies out of the buffers of this board's cameras, and stop\n"
	       "  --list-cameras             print the cameras that libcamera finds, and stop\n"
	       "  --version, --help\n\n"
	       "Exit codes: 0 stopped as asked, 1 the system refused something, 2 usage or configuration, 3 another\n"
	       "daemon serves this camera, 4 the source could not be opened or failed, 5 no room in shared memory,\n"
	       "6 the camera hangs and is to be tried by a new process, which a service manager starts.\n");
}

static void fill_table(struct option table[CONFIG_SETTINGS_MAX + OPTIONS_OWN + 1])
{
	static const struct option own[] = {
		{ "config", required_argument, NULL, OPTION_CONFIG },
		{ "config-dir", required_argument, NULL, OPTION_CONFIG_DIR },
		{ "check-config", no_argument, NULL, OPTION_CHECK },
		{ "bench-camera", optional_argument, NULL, OPTION_BENCH },
		{ "list-cameras", no_argument, NULL, OPTION_LIST },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{ "help", no_argument, NULL, OPTION_HELP },
	};
	unsigned n = 0;

	static_assert(sizeof(own) / sizeof(own[0]) == OPTIONS_OWN, "the table has room for all");
	for (; n < config_setting_count; n++)
		table[n] = (struct option){
			.name = config_settings[n].name,
			.has_arg = config_settings[n].argument == CONFIG_FLAG ? no_argument : required_argument,
			.val = OPTION_SETTING + (int)n,
		};
	memcpy(&table[n], own, sizeof(own));
	table[n + OPTIONS_OWN] = (struct option){ 0 };
}

/* One option that is no setting of the table. */
static void scan_own(int option, struct options *options)
{
	switch (option) {
	case OPTION_CONFIG:
		options->file = optarg;
		break;
	case OPTION_CONFIG_DIR:
		options->config_dir = optarg;
		break;
	case OPTION_CHECK:
		options->action = OPTIONS_CHECK;
		break;
	case OPTION_BENCH:
		options->action = OPTIONS_BENCH;
		options->device = optarg;
		break;
	case OPTION_LIST:
		options->action = OPTIONS_LIST;
		break;
	case OPTION_VERSION:
#ifdef LUMARING_NO_LIBCAMERA
		printf("lumaringd %s\n", LUMARING_BUILD_VERSION);
#else
		printf("lumaringd %s (libcamera %s)\n", LUMARING_BUILD_VERSION, libcamera_version());
#endif
		options->action = OPTIONS_STOP;
		break;
	case OPTION_HELP:
		print_help();
		options->action = OPTIONS_STOP;
		break;
	}
}

void options_scan(int argc, char **argv, struct options *ret_options, struct config_faults *faults)
{
	struct option table[CONFIG_SETTINGS_MAX + OPTIONS_OWN + 1];
	struct options options = { .action = OPTIONS_RUN };
	int c;

	fill_table(table);
	optind = 0;
	opterr = 0;
	while (options.action != OPTIONS_STOP && (c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (c == ':')
			config_fault(faults, "%s needs a value: see lumaringd --help", argv[optind - 1]);
		else if (c == '?' && optopt > 0 && optopt < OPTION_CONFIG) /* a short one, perhaps among others */
			config_fault(faults, "-%c is not an option of lumaringd: see lumaringd --help", optopt);
		else if (c == '?')
			config_fault(faults,
				     "%s is not an option of lumaringd, or has a value it does not take: see lumaringd "
				     "--help",
				     argv[optind - 1]);
		else if (c < OPTION_SETTING)
			scan_own(c, &options);
		else if (&config_settings[c - OPTION_SETTING] == config_find("camera"))
			options.camera = optarg;
	}
	if (options.device && !options.device[0])
		config_fault(faults,
			     "--bench-camera= needs a device, as --bench-camera=/dev/video0; without = it measures "
			     "each that is there");
	if (options.action != OPTIONS_STOP)
		for (; optind < argc; optind++)
			config_fault(faults, "\"%s\" is not an option: see lumaringd --help", argv[optind]);
	*ret_options = options;
}

/* The first stream of the command line does away with those of the files. */
static void apply_setting(const struct config_setting *setting, const char *value, struct config *config,
			  struct config_faults *faults)
{
	struct config_place *place = &config->places[setting - config_settings];
	char what[64], error[PATHS_BYTES + 512];
	bool streams = setting->argument == CONFIG_STREAMS;
	int r;

	snprintf(what, sizeof(what), "--%s", setting->name);
	if (streams && place->by != CONFIG_BY_OPTION)
		config->stream_count = 0;
	r = setting->set(setting, config, what, setting->argument == CONFIG_FLAG ? "true" : value, error,
			 sizeof(error));
	if (r < 0)
		config_fault(faults, "%s", error);
	*place = (struct config_place){ .by = CONFIG_BY_OPTION, .faulty = r < 0 };
	if (streams && r == 0)
		config->stream_places[config->stream_count - 1] = *place;
}

void options_apply(int argc, char **argv, struct config *config, struct config_faults *faults)
{
	struct option table[CONFIG_SETTINGS_MAX + OPTIONS_OWN + 1];
	int c;

	fill_table(table);
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", table, NULL)) != -1)
		if (c >= OPTION_SETTING)
			apply_setting(&config_settings[c - OPTION_SETTING], optarg, config, faults);
}
