/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the tool `lumaring`: the table of verbs, help, and the dispatch. Uses the public library and nothing else of
 * lumaring; only bench.c starts the daemon's program. Data goes to standard output, talk to standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "options.h"
#include "output.h"
#include "stop.h"
#include "verbs.h"

struct verb {
	const char *name;
	const char *operand; /* "" or what follows the verb, at most so many words: */
	unsigned operands;
	const char *help; /* one line */
	const char *examples;
	int (*run)(const struct options *options); /* NULL: the verb has words of its own, see bench.h */
	unsigned flag;
};

static const struct verb verbs[] = {
	{ "watch", "", 0, "a line for every frame and event",
	  "  lumaring watch                             a line for every frame\n"
	  "  lumaring watch --json -n 100 | jq .missed  figures for programs\n"
	  "  lumaring watch --latest --timeout 1        newest frames only, until the camera stops\n",
	  watch_run, VERB_WATCH },
	{ "snap", "FILE.png", 1, "the next frame as a picture, PNG or PGM by its name (- for standard output)",
	  "  lumaring snap now.png                      a picture\n"
	  "  lumaring snap --region 100,50,640,480 --format png - > part.png\n",
	  snap_run, VERB_SNAP },
	{ "cat", "", 0, "every frame in order to standard output, as video",
	  "  lumaring cat --y4m | ffplay -              see the camera\n"
	  "  lumaring cat --y4m-420 | ffmpeg -i - camera.mp4\n"
	  "  lumaring cat --raw -n 100 > luma.raw       100 frames, width times height bytes each\n",
	  cat_run, VERB_CAT },
	{ "record", "FILE.y4m", 1, "what the ring holds already, then every frame, to a file (- for standard output)",
	  "  lumaring record garden.y4m                 until Ctrl-C, with a line that tells how it goes\n"
	  "  lumaring record event.y4m --last 5 --seconds 10   from 5 s before now to 10 s after\n",
	  record_run, VERB_RECORD },
	{ "view", "", 0, "the picture, live on this terminal; one as text where the output is none",
	  "  lumaring view                              what does the camera see? q ends it\n"
	  "  lumaring view --region 100,80,64,64 --framerate 5   with a frame around these pixels\n",
	  view_run, VERB_VIEW },
	{ "status", "", 0, "what the daemon does, and for whom: streams, losses, times, clients",
	  "  lumaring status                            tables\n"
	  "  lumaring status --json | jq .streams       for programs\n",
	  status_run, VERB_STATUS },
	{ "top", "", 0, "what the daemon does, live: rates, times, losses, clients and who is behind; q quits",
	  "  lumaring top                               who drops frames, and why?\n"
	  "  lumaring top --interval 10 | tee -a log    a table each 10 s\n",
	  top_run, VERB_TOP },
	{ "metrics", "", 0, "the daemon's figures for Prometheus, as text or as a file for node_exporter",
	  "  lumaring metrics                           figures of this moment\n"
	  "  lumaring metrics --output /var/lib/prometheus/node-exporter/lumaring.prom\n",
	  metrics_run, VERB_METRICS },
	{ "get", "[WHAT]", 1, "size, rate, streams, exposure as they are; or one of them",
	  "  lumaring get                               tables\n"
	  "  lumaring get framerate                     one value\n",
	  get_run, VERB_GET },
	{ "set", "", 0, "change size, rate, format, exposure while it runs",
	  "  lumaring set --width 1280 --height 720 --framerate 30\n"
	  "  lumaring set --shutter 5000 --gain 2 --save   and keep it for the next start\n"
	  "  lumaring set --framerate 15-56             as fast as the light allows\n",
	  set_run, VERB_SET },
	{ "region", "STREAM X,Y,W,H", 2, "move the region of a shared stream, in pixels or fractions",
	  "  lumaring region ball 100,80,64,64\n"
	  "  lumaring region main 0.25,0.25,0.5,0.5     the middle\n",
	  region_run, VERB_REGION },
	{ "streams", "[add|remove NAME]", 2, "the shared streams; a new one, as lumaringd's --stream; without one",
	  "  lumaring streams add ball=100,80,64,64,format=R16\n"
	  "  lumaring streams remove ball\n",
	  streams_run, VERB_STREAMS },
	{ "clients", "", 0, "who is connected", "  lumaring clients                           who reads\n", clients_run,
	  VERB_CLIENTS },
	{ "capabilities", "", 0, "what the camera can: sizes, rates, formats, controls",
	  "  lumaring capabilities                      what set takes\n", capabilities_run, VERB_CAPABILITIES },
	{ "reload", "", 0, "read the daemon's configuration files anew",
	  "  lumaring reload                            what changed, and what needs a restart\n", reload_run,
	  VERB_RELOAD },
	{ "call", "METHOD [JSON]", 2, "any method of the control socket",
	  "  lumaring call GetMetrics | jq .metrics     for a monitoring system\n"
	  "  lumaring call Watch --more                 a line for each change\n",
	  call_run, VERB_CALL },
	{ "doctor", "", 0, "what is wrong on this machine, and what to do about it; works without a daemon",
	  "  lumaring doctor                            why is there no frame?\n"
	  "  sudo lumaring doctor --camera cam1         sees more\n",
	  doctor_run, VERB_DOCTOR },
	{ "bench", "--camera", 0, "what copying out of this board's camera buffers costs, to paste into a report",
	  "  lumaring bench --camera > report.md        takes some seconds; no camera is started or disturbed\n", NULL,
	  0 },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const char codes_text[] =
	"Exit codes:\n"
	"  0  all that was asked for was done; or the stream was closed after some frames; or the\n"
	"     reader of the output went away; or 'watch', 'record', 'view', 'top' or 'call --more' was\n"
	"     stopped by SIGINT or SIGTERM\n"
	"  1  failed to read or write; or a change was made, but could not be saved, or will\n"
	"     not be in force after a restart\n"
	"  2  wrong usage, or a name, region or value out of range\n"
	"  3  no daemon serves this camera\n"
	"  4  refused: no permission, no such stream, not with this source, a limit, a daemon that is\n"
	"     too old\n"
	"  5  closed before the first frame, or camera lost before a picture, or the size of the\n"
	"     frames changed under 'cat' or 'record'\n"
	"  6  no frame, or no answer of the daemon, in time\n"
	"  7  'doctor' found a problem\n"
	"  128 + N  stopped by signal N\n"
	"'bench' ends as lumaringd does, whose work it is: 0, 1 or 2.\n";

/* Text that did not get out is a failure like any other, except that a pager may have been closed. */
static int finish(void)
{
	if (fflush(stdout) == 0 || errno == EPIPE)
		return CODE_OK;
	talk("cannot write to standard output: %s", strerror(errno));
	return CODE_FAILED;
}

static void print_verb(const char *name, const char *operand, const char *help)
{
	char usage[64];

	snprintf(usage, sizeof(usage), "%s %s", name, operand);
	printf("  %-25s %s\n", usage, help);
}

static int print_help(void)
{
	printf("Examples:\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("%s", verbs[i].examples);
	printf("\nUsage: lumaring VERB [OPTION]...\n\nVerbs:\n");
	for (size_t i = 0; i < VERBS; i++)
		print_verb(verbs[i].name, verbs[i].operand, verbs[i].help);
	print_verb("help", "VERB", "the options of a verb");
	printf("\nOptions for every verb but bench, before or after it:\n");
	options_print(stdout, VERB_ALL);
	printf("\nOptions for watch, snap, cat and record, most also for view:\n");
	options_print(stdout, VERB_FRAMES);
	printf("\nOptions for the verbs from get to call:\n");
	options_print(stdout, VERB_CONTROL);
	printf("\n%s\nlumaring(1) has the whole manual.\n", codes_text);
	return finish();
}

static int print_verb_help(const struct verb *verb)
{
	printf("Examples:\n%s\nUsage: lumaring %s%s%s [OPTION]...\n", verb->examples, verb->name,
	       verb->operand[0] ? " " : "", verb->operand);
	printf("%c%s.\n\nOptions:\n", verb->help[0] - 'a' + 'A', verb->help + 1);
	if (verb->run) {
		options_print(stdout, verb->flag);
		printf("\nOptions for every verb but bench:\n");
		options_print(stdout, VERB_ALL);
	} else {
		bench_print_options(stdout);
	}
	printf("\n%s", codes_text);
	return finish();
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	talk("there is no verb '%s', only watch, snap, cat, record, view, status, top, metrics, get, set, region, "
	     "streams, "
	     "clients, "
	     "capabilities, "
	     "reload, "
	     "call, doctor, bench and help; 'lumaring --help' has examples",
	     name);
	return NULL;
}

static int help_run(const char *name)
{
	const struct verb *verb;

	if (!name)
		return print_help();
	verb = verb_find(name);
	return verb ? print_verb_help(verb) : CODE_USAGE;
}

static int dispatch(const struct options *options)
{
	const char *name = options->operands[0];
	const struct verb *verb;

	verb = verb_find(name);
	if (!verb)
		return CODE_USAGE;
	if (options->help)
		return print_verb_help(verb);
	if (!verb->run) {
		talk("'%s' comes before its options: lumaring %s %s", name, name, verb->operand);
		return CODE_USAGE;
	}
	if (options_check(options, verb->name, verb->flag) < 0)
		return CODE_USAGE;
	for (unsigned i = verb->operands + 1; i < OPTIONS_OPERANDS; i++) {
		if (!options->operands[i])
			continue;
		talk("'%s' takes no '%s'; 'lumaring help %s' lists its options", name, options->operands[i], name);
		return CODE_USAGE;
	}
	return verb->run(options);
}

/* A descriptor that the caller closed would be taken by a socket, and our output would go there: keep its place, with
 * something that fails when it is used. */
static void keep_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(CODE_FAILED);
}

static int run_bench(int argc, char **argv)
{
	bool help = false;
	int code = bench_run(argc, argv, &help);

	if (!help)
		return code;
	stop_install(); /* not before, since the daemon's program would inherit what is ignored */
	return print_verb_help(verb_find(argv[0]));
}

int main(int argc, char **argv)
{
	struct options options;

	keep_descriptors();
	if (argc > 1 && strcmp(argv[1], "bench") == 0)
		return run_bench(argc - 1, argv + 1);
	if (options_parse(argc, argv, &options) < 0)
		return CODE_USAGE;
	stop_install();
	if (options.version) {
		printf("lumaring %s\n", lumaring_version());
		return finish();
	}
	if (options.operands[0] && strcmp(options.operands[0], "help") == 0)
		return help_run(options.operands[1]);
	if (options.operands[0])
		return dispatch(&options);
	if (options.help)
		return print_help();
	talk("say what to do: watch, snap, cat, record, view, status, top, metrics, get, set, region, streams, "
	     "clients, "
	     "capabilities, "
	     "reload, "
	     "call, doctor, bench or "
	     "help; 'lumaring --help' has examples");
	return CODE_USAGE;
}
