/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - see options.h. Numbers are read strictly: what is not wholly a number in range is refused with the range,
 * and never clipped.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <lumaring/layout.h>

#include "output.h"
#include "value.h"

/* Long options without a short one: above any character. */
enum option_code {
	OPTION_CAMERA = 256,
	OPTION_STREAM,
	OPTION_RUNTIME_DIR,
	OPTION_WAIT,
	OPTION_JSON,
	OPTION_TIMEOUT,
	OPTION_LATEST,
	OPTION_OLDEST,
	OPTION_COPY,
	OPTION_FUTEX,
	OPTION_REGION,
	OPTION_PIXELS,
	OPTION_BIN,
	OPTION_FOLLOW,
	OPTION_Y4M,
	OPTION_Y4M_420,
	OPTION_RAW,
	OPTION_FORMAT,
	OPTION_ALL,
	OPTION_MORE,
	OPTION_FORCE,
	OPTION_LAST,
	OPTION_SECONDS,
	OPTION_BUFFER,
	OPTION_TIMES,
	OPTION_INTERVAL,
	OPTION_OUTPUT,
	OPTION_SET, /* and what follows: see options_set.h */
};

struct option_row {
	const char *name;     /* long name */
	const char *argument; /* NULL: takes none */
	const char *help;
	unsigned verbs;
	int code; /* the short option where it has one */
};

static const struct option_row rows[] = {
	{ "camera", "NAME", "the daemon's camera (default: $LUMARING_CAMERA, else cam0)", VERB_ALL, OPTION_CAMERA },
	{ "stream", "NAME", "one of the camera's streams (default: main)", VERB_FRAMES | VERB_SET | VERB_VIEW,
	  OPTION_STREAM },
	{ "runtime-dir", "DIR", "where the daemon's sockets are (default: $LUMARING_RUNTIME_DIR, else /run/lumaring)",
	  VERB_ALL, OPTION_RUNTIME_DIR },
	{ "wait", "SECONDS", "wait so long for a daemon that is not there yet, or is busy (default: 2; doctor: 0)",
	  VERB_ALL, OPTION_WAIT },
	{ "help", NULL, "this text; after a verb, that verb's", VERB_ALL, 'h' },
	{ "version", NULL, "the version", VERB_ALL, 'V' },
	{ "json", NULL, "JSON for programs: an object a line, events too; or the daemon's object",
	  VERB_WATCH | VERB_STATUS | VERB_CONTROL | VERB_DOCTOR | VERB_TOP, OPTION_JSON },
	{ "latest", NULL, "only the newest frame each time, skip those between", VERB_WATCH, OPTION_LATEST },
	{ "y4m", NULL, "YUV4MPEG2, luma only (Cmono)", VERB_CAT, OPTION_Y4M },
	{ "y4m-420", NULL, "YUV4MPEG2 with neutral chroma (C420jpeg), for readers that know no Cmono",
	  VERB_CAT | VERB_RECORD, OPTION_Y4M_420 },
	{ "raw", NULL, "the rows of each frame, without padding or header", VERB_CAT, OPTION_RAW },
	{ "format", "png|pgm", "of the picture, where no name says it (default: pgm)", VERB_SNAP, OPTION_FORMAT },
	{ "last", "SECONDS", "of what the ring holds already, at most so much (default: all)", VERB_RECORD,
	  OPTION_LAST },
	{ "seconds", "SECONDS", "stop after so long; what was in the ring comes on top of it", VERB_RECORD,
	  OPTION_SECONDS },
	{ "times", "FILE.csv", "a line for each frame recorded: its number, sequence and times", VERB_RECORD,
	  OPTION_TIMES },
	{ "buffer", "MB", "memory for frames that wait for the disk (default: a quarter of what is free, up to 1024)",
	  VERB_RECORD, OPTION_BUFFER },
	{ "count", "N", "stop after N frames (top: screens)",
	  VERB_WATCH | VERB_CAT | VERB_RECORD | VERB_VIEW | VERB_TOP, 'n' },
	{ "timeout", "SECONDS",
	  "give up when nothing came for so long (default: watch, cat, record, view: never; snap: 5; others: 10)",
	  VERB_FRAMES | VERB_CONTROL | VERB_VIEW, OPTION_TIMEOUT },
	{ "region", "X,Y,W,H", "a private stream of these pixels (view: drawn as a frame); W or H 0: up to the edge",
	  VERB_FRAMES | VERB_VIEW, OPTION_REGION },
	{ "pixels", "R8|R16", "a private stream of these: 8 or 16 bits each (default: R8)", VERB_FRAMES,
	  OPTION_PIXELS },
	{ "bin", "1|2", "a private stream with so many by so many pixels averaged to one", VERB_FRAMES, OPTION_BIN },
	{ "oldest", NULL, "begin with the oldest frame in the ring, not with the next new one", VERB_WATCH | VERB_CAT,
	  OPTION_OLDEST },
	{ "copy", NULL, "copy frames out of the ring, pin none", VERB_FRAMES | VERB_VIEW, OPTION_COPY },
	{ "futex", NULL, "wait on a word in shared memory instead of the socket", VERB_FRAMES | VERB_VIEW,
	  OPTION_FUTEX },
	{ "follow", NULL, "when the stream is closed, wait for it to come back", VERB_WATCH | VERB_CAT | VERB_RECORD,
	  OPTION_FOLLOW },
	{ "all", NULL, "every client and private stream, however many", VERB_STATUS, OPTION_ALL },
	{ "width", "N", "size of the captured image, with --height", VERB_SET, OPTION_SET + SET_WIDTH },
	{ "height", "N", "the same, with --width", VERB_SET, OPTION_SET + SET_HEIGHT },
	{ "framerate", "F", "frames a second: 30, 29.97, 30000/1001, or SLOWEST-FASTEST; view: pictures (10)",
	  VERB_SET | VERB_VIEW, OPTION_SET + SET_FRAMERATE },
	{ "pixel-format", "NAME", "how the source delivers pixels: see capabilities", VERB_SET,
	  OPTION_SET + SET_PIXEL_FORMAT },
	{ "shutter", "US", "exposure time, microseconds, or 5ms: ends auto exposure", VERB_SET,
	  OPTION_SET + SET_SHUTTER },
	{ "gain", "X", "analogue gain: ends auto exposure", VERB_SET, OPTION_SET + SET_GAIN },
	{ "auto-exposure", "on|off", "of shutter and gain", VERB_SET, OPTION_SET + SET_AUTO_EXPOSURE },
	{ "ev", "X", "stops that auto exposure aims above its own idea, or below (-0.5)", VERB_SET,
	  OPTION_SET + SET_EV },
	{ "brightness", "X", "-1 to 1, 0 is none", VERB_SET, OPTION_SET + SET_BRIGHTNESS },
	{ "contrast", "X", "1 is none", VERB_SET, OPTION_SET + SET_CONTRAST },
	{ "sharpness", "X", "1 is none", VERB_SET, OPTION_SET + SET_SHARPNESS },
	{ "scaler-crop-x", "N", "part of the sensor that becomes the image, in its pixels; the others stay", VERB_SET,
	  OPTION_SET + SET_CROP_X },
	{ "scaler-crop-y", "N", "the same", VERB_SET, OPTION_SET + SET_CROP_Y },
	{ "scaler-crop-width", "N", "the same", VERB_SET, OPTION_SET + SET_CROP_WIDTH },
	{ "scaler-crop-height", "N", "the same", VERB_SET, OPTION_SET + SET_CROP_HEIGHT },
	{ "roi", "X,Y,W,H", "region of the stream, in pixels, or fractions of the image (0.25,0.25,0.5,0.5)", VERB_SET,
	  OPTION_SET + SET_ROI },
	{ "strict", NULL, "refuse what the source would not take exactly", VERB_SET, OPTION_SET + SET_STRICT },
	{ "dry-run", NULL, "change nothing, say what would be", VERB_SET, OPTION_SET + SET_DRY_RUN },
	{ "save", NULL, "also in the configuration, for the next start", VERB_SET | VERB_REGION | VERB_STREAMS,
	  OPTION_SET + SET_SAVE },
	{ "interval", "SECONDS", "from one screen to the next, 0.1 or more (default: 1)", VERB_TOP, OPTION_INTERVAL },
	{ "output", "FILE", "replace this file, as a whole (default: standard output)", VERB_METRICS, OPTION_OUTPUT },
	{ "force", NULL, "remove the stream also when it has clients: disconnect them", VERB_STREAMS, OPTION_FORCE },
	{ "more", NULL, "take many replies, a line each, until the last one or a signal", VERB_CALL, OPTION_MORE },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= 64, "options.given has a bit per row");

static const struct option_row *row_of(int code)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

static int parse_count(const char *text, uint64_t *ret_count)
{
	uint64_t count;

	if (value_whole(text, '\0', OPTIONS_COUNT_MAX, &count, NULL) < 0 || count == 0) {
		talk("--count (-n) is '%s'; it must be a whole number, 1 or more", text);
		return -EINVAL;
	}
	*ret_count = count;
	return 0;
}

static int parse_seconds(const char *name, const char *text, int *ret_ms)
{
	double seconds = -1;
	char *end = NULL;

	if (*text && strspn(text, "0123456789.") == strlen(text))
		seconds = strtod(text, &end);
	if (seconds < 0 || *end || end == text || seconds > OPTIONS_SECONDS_MAX) {
		talk("--%s is '%s'; it must be a number of seconds, 0 to %u, for example 2.5", name, text,
		     OPTIONS_SECONDS_MAX);
		return -EINVAL;
	}
	*ret_ms = (int)(seconds * 1000 + 0.5);
	return 0;
}

static int parse_buffer(const char *text, uint64_t *ret_megabytes)
{
	uint64_t megabytes;

	if (value_whole(text, '\0', OPTIONS_BUFFER_MAX, &megabytes, NULL) < 0 || megabytes == 0) {
		talk("--buffer is '%s'; it must be a whole number of megabytes, 1 to %llu", text,
		     (unsigned long long)OPTIONS_BUFFER_MAX);
		return -EINVAL;
	}
	*ret_megabytes = megabytes;
	return 0;
}

static int parse_interval(const char *text, int *ret_ms)
{
	int ms = 0, r = parse_seconds("interval", text, &ms);

	if (r == 0 && ms < OPTIONS_INTERVAL_MIN_MS) {
		talk("--interval is '%s'; it must be 0.1 seconds or more", text);
		r = -EINVAL;
	}
	if (r == 0)
		*ret_ms = ms;
	return r;
}

static int parse_region(const char *text, struct lumaring_region *ret_region)
{
	uint64_t values[4];
	const char *at = text;

	for (unsigned i = 0; i < 4; i++) {
		if (value_whole(at, i < 3 ? ',' : '\0', UINT16_MAX, &values[i], &at) < 0) {
			talk("--region is '%s'; it must be X,Y,WIDTH,HEIGHT in pixels, each 0 to %u, for example "
			     "100,50,640,480",
			     text, UINT16_MAX);
			return -EINVAL;
		}
	}
	*ret_region = (struct lumaring_region){ (uint32_t)values[0], (uint32_t)values[1], (uint32_t)values[2],
						(uint32_t)values[3] };
	return 0;
}

static int parse_pixels(const char *text, uint32_t *ret_fourcc)
{
	if (strcasecmp(text, "R8") != 0 && strcasecmp(text, "R16") != 0) {
		talk("--pixels is '%s'; it must be R8 or R16", text);
		return -EINVAL;
	}
	*ret_fourcc = strcasecmp(text, "R8") == 0 ? LUMARING_FORMAT_R8 : LUMARING_FORMAT_R16;
	return 0;
}

static int parse_bin(const char *text, uint32_t *ret_bin)
{
	if (strcmp(text, "1") != 0 && strcmp(text, "2") != 0) {
		talk("--bin is '%s'; it must be 1 or 2", text);
		return -EINVAL;
	}
	*ret_bin = (uint32_t)(text[0] - '0');
	return 0;
}

static int set_format(struct options *options, enum cat_format format)
{
	if (options->format != CAT_NONE && options->format != format) {
		talk("--y4m, --y4m-420 and --raw exclude each other; give one");
		return -EINVAL;
	}
	options->format = format;
	return 0;
}

static int parse_picture(const char *text, enum snap_format *ret_format)
{
	if (strcmp(text, "png") != 0 && strcmp(text, "pgm") != 0) {
		talk("--format is '%s'; it must be png or pgm", text);
		return -EINVAL;
	}
	*ret_format = strcmp(text, "png") == 0 ? SNAP_PNG : SNAP_PGM;
	return 0;
}

static int set_option(struct options *options, int code, const char *value)
{
	switch (code) {
	case OPTION_CAMERA:
		options->camera = value;
		return 0;
	case OPTION_STREAM:
		options->stream = value;
		return 0;
	case OPTION_RUNTIME_DIR:
		options->runtime_dir = value;
		return 0;
	case OPTION_WAIT:
		return parse_seconds("wait", value, &options->wait_ms);
	case OPTION_TIMEOUT:
		return parse_seconds("timeout", value, &options->timeout_ms);
	case 'n':
		return parse_count(value, &options->count);
	case OPTION_LAST:
		return parse_seconds("last", value, &options->last_ms);
	case OPTION_SECONDS:
		return parse_seconds("seconds", value, &options->seconds_ms);
	case OPTION_BUFFER:
		return parse_buffer(value, &options->buffer_megabytes);
	case OPTION_TIMES:
		options->times = value;
		return 0;
	case OPTION_REGION:
		options->private = true;
		return parse_region(value, &options->region);
	case OPTION_PIXELS:
		options->private = true;
		return parse_pixels(value, &options->fourcc);
	case OPTION_BIN:
		options->private = true;
		return parse_bin(value, &options->bin);
	case OPTION_Y4M:
		return set_format(options, CAT_Y4M);
	case OPTION_Y4M_420:
		return set_format(options, CAT_Y4M_420);
	case OPTION_RAW:
		return set_format(options, CAT_RAW);
	case OPTION_FORMAT:
		return parse_picture(value, &options->picture);
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_LATEST:
		options->latest = true;
		return 0;
	case OPTION_OLDEST:
		options->oldest = true;
		return 0;
	case OPTION_COPY:
		options->copy = true;
		return 0;
	case OPTION_FUTEX:
		options->futex = true;
		return 0;
	case OPTION_FOLLOW:
		options->follow = true;
		return 0;
	case OPTION_ALL:
		options->all = true;
		return 0;
	case OPTION_INTERVAL:
		return parse_interval(value, &options->interval_ms);
	case OPTION_OUTPUT:
		options->output = value;
		return 0;
	case OPTION_MORE:
		options->more = true;
		return 0;
	case OPTION_FORCE:
		options->force = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	}
	return options_set(&options->set, (enum set_option)(code - OPTION_SET), value);
}

static int add_operand(struct options *options, const char *text)
{
	for (unsigned i = 0; i < OPTIONS_OPERANDS; i++) {
		if (!options->operands[i]) {
			options->operands[i] = text;
			return 0;
		}
	}
	talk("'%s' is one word too many; 'lumaring --help' has examples", text);
	return -EINVAL;
}

/* getopt_long(3) answered '?' or ':'. A known code in optopt is an option whose value is missing or too much. */
static int refuse(int answer, char **argv)
{
	const struct option_row *row = row_of(optopt);

	if (row && answer == ':')
		talk("--%s needs a value: --%s %s", row->name, row->name, row->argument);
	else if (row)
		talk("--%s takes no value", row->name);
	else if (optopt > 0 && optopt < 256)
		talk("there is no option '-%c'; 'lumaring --help' lists them", optopt);
	else
		talk("there is no option '%s', or it is short for several; 'lumaring --help' lists them",
		     argv[optind - 1]);
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options options = { .wait_ms = 2000,
				   .timeout_ms = -1,
				   .last_ms = -1,
				   .seconds_ms = -1,
				   .interval_ms = 1000,
				   .set = SET_OPTIONS_INIT };
	struct option longs[ROWS + 1] = { { NULL, 0, NULL, 0 } };
	int code, r = 0;

	for (size_t i = 0; i < ROWS; i++)
		longs[i] = (struct option){ rows[i].name, rows[i].argument ? required_argument : no_argument, NULL,
					    rows[i].code };
	opterr = 0;
	/* '-': operands come in their order as code 1, so that options may stand on both sides of the verb, also under
	 * POSIXLY_CORRECT. ':': a missing value is told apart from an unknown option. */
	while (r == 0 && (code = getopt_long(argc, argv, "-:n:hV", longs, NULL)) != -1) {
		if (code == '?' || code == ':')
			return refuse(code, argv);
		if (code == 1) {
			r = add_operand(&options, optarg);
			continue;
		}
		options.given |= UINT64_C(1) << (row_of(code) - rows);
		r = set_option(&options, code, optarg);
	}
	while (r == 0 && optind < argc)
		r = add_operand(&options, argv[optind++]);
	if (r == 0)
		*ret_options = options;
	return r;
}

int options_check(const struct options *options, const char *verb, unsigned flag)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (!(options->given >> i & 1) || rows[i].verbs & flag)
			continue;
		talk("'%s' takes no --%s; 'lumaring help %s' lists its options", verb, rows[i].name, verb);
		return -EINVAL;
	}
	if (options->private && options->stream && flag != VERB_VIEW) {
		talk("--region, --pixels and --bin make a private stream and --stream names a shared one: leave one "
		     "out");
		return -EINVAL;
	}
	if (options->stream && flag == VERB_SET && !options->set.has_roi) {
		talk("--stream says whose region --roi is: give that as well");
		return -EINVAL;
	}
	if (options->latest && options->oldest) {
		talk("--latest and --oldest exclude each other; give one");
		return -EINVAL;
	}
	return 0;
}

bool options_has(const struct options *options, const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return options->given >> i & 1;
	return false;
}

const char *options_camera(const struct options *options)
{
	const char *variable = getenv("LUMARING_CAMERA");

	if (options->camera)
		return options->camera;
	return variable && variable[0] ? variable : "cam0";
}

void options_print(FILE *file, unsigned verbs)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct option_row *row = &rows[i];
		char text[64];

		if ((row->verbs & verbs) != verbs || (row->verbs == VERB_ALL && verbs != VERB_ALL))
			continue;
		snprintf(text, sizeof(text), "%s%c%s--%s%s%s", row->code < 256 ? "-" : " ",
			 row->code < 256 ? row->code : ' ', row->code < 256 ? ", " : "  ", row->name,
			 row->argument ? " " : "", row->argument ? row->argument : "");
		fprintf(file, "  %-25s %s\n", text, row->help);
	}
}
