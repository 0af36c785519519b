/* SPDX-License-Identifier: BSD-2-Clause */
/* bench.c - see bench.h. Knows the daemon's program by its name, and that it has the option --bench-camera. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"
#include "program.h"

struct bench {
	bool camera, help;
	const char *size, *device;
};

static const struct option longs[] = {
	{ "camera", no_argument, NULL, 'c' },
	{ "size", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

void bench_print_options(FILE *file)
{
	fprintf(file, "      --camera             the camera's buffers; DEVICE, as /dev/video0, of this one only\n"
		      "      --size WxH           of the image (default: 2304x1296)\n"
		      "  -h, --help               this text\n");
}

static int refuse(const char *what)
{
	talk("bench: %s; 'lumaring help bench' has examples", what);
	return -EINVAL;
}

static int read_words(int argc, char **argv, struct bench *bench)
{
	int code;

	optind = 0;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (code == 'c')
			bench->camera = true;
		else if (code == 's')
			bench->size = optarg;
		else if (code == 'h')
			bench->help = true;
		else if (code == ':')
			return refuse("--size needs a value, as --size 1920x1080");
		else
			return refuse("it takes --camera, --size and --help, the first and the last without a value");
	}
	if (optind < argc)
		bench->device = argv[optind++];
	if (optind < argc)
		return refuse("one DEVICE is enough");
	if (bench->device && bench->device[0] != '/')
		return refuse("DEVICE is a path, as /dev/video0");
	return bench->camera || bench->help ? 0 : refuse("say what to measure, with --camera");
}

/* Where it may be; what is there and cannot be run is told rather than that it is not there. */
static int become_daemon(char *const *words)
{
	char path[PROGRAM_PATH_BYTES];
	int r = ENOENT;

	for (unsigned i = 0; program_daemon(i, path); i++) {
		execv(path, words);
		if (path[0] && errno != ENOENT)
			r = errno;
	}
	execvp(PROGRAM_DAEMON, words);
	if (errno != ENOENT)
		r = errno;
	if (r == ENOENT)
		talk("bench: " PROGRAM_DAEMON
		     ", which measures, is not there: not beside this program, not in " LUMARING_SBINDIR
		     ", not in PATH");
	else
		talk("bench: " PROGRAM_DAEMON ", which measures, cannot be run: %s", strerror(r));
	return CODE_FAILED;
}

int bench_run(int argc, char **argv, bool *ret_help)
{
	struct bench bench = { .camera = false };
	char name[] = PROGRAM_DAEMON, size_name[] = "--size", camera[PROGRAM_PATH_BYTES];
	char *words[] = { name, camera, NULL, NULL, NULL };

	if (read_words(argc, argv, &bench) < 0)
		return CODE_USAGE;
	*ret_help = bench.help;
	if (bench.help)
		return CODE_OK;
	if (snprintf(camera, sizeof(camera), "--bench-camera%s%s", bench.device ? "=" : "",
		     bench.device ? bench.device : "") >= (int)sizeof(camera))
		return refuse("DEVICE is too long"), CODE_USAGE;
	if (bench.size) {
		words[2] = size_name;
		words[3] = (char *)(uintptr_t)bench.size;
	}
	return become_daemon(words);
}
