/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * streams.c - `lumaring streams` and `lumaring region`: shared streams, which come, go and move while clients read.
 * Regions in fractions are made pixels of the image as it is then.
 */
#include "streams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <lumaring/layout.h>

#include "control.h"
#include "json.h"
#include "output.h"
#include "save.h"
#include "verbs.h"

/* --- regions ----------------------------------------------------------------------------------------------------- */

static int image_size(const struct options *options, struct lumaring_control *control, uint32_t *ret_width,
		      uint32_t *ret_height)
{
	const char *json;
	const cJSON *size;
	double width, height;
	cJSON *root;
	int code = control_call(options, control, "GetConfiguration", NULL, &json);

	if (code != CODE_OK)
		return code;
	root = cJSON_ParseWithOpts(json, NULL, true);
	size = json_get(json_get(root, "configuration"), "size");
	width = json_number(size, "width");
	height = json_number(size, "height");
	cJSON_Delete(root);
	if (width < 1 || height < 1 || width > UINT16_MAX || height > UINT16_MAX) {
		talk("the size of the image is not known yet: give the region in pixels");
		return CODE_REFUSED;
	}
	*ret_width = (uint32_t)width;
	*ret_height = (uint32_t)height;
	return CODE_OK;
}

static int to_pixels(const struct options *options, struct lumaring_control *control, const struct value_region *region,
		     struct lumaring_region *ret_region)
{
	uint32_t width = 0, height = 0;
	int code = region->fractions ? image_size(options, control, &width, &height) : CODE_OK;

	if (code != CODE_OK)
		return code;
	if (value_region_in(region, width, height, ret_region) == 0)
		return CODE_OK;
	talk("the region is less than a pixel of an image of %ux%u", width, height);
	return CODE_USAGE;
}

static int show_region(const char *stream, const struct lumaring_region *r)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%.32s: %ux%u at %u,%u\n", stream, r->width, r->height, r->x, r->y);

	return output_deliver(line, (size_t)n) < 0 ? CODE_FAILED : CODE_OK;
}

int streams_set_region(const struct options *options, struct lumaring_control *control, const char *stream,
		       const struct value_region *region)
{
	struct lumaring_region wanted, got;
	struct control_patience patience = { 0 };
	int r, code = to_pixels(options, control, region, &wanted);

	if (code != CODE_OK)
		return code;
	do
		r = lumaring_set_stream_region(control, stream, &wanted, control_timeout_ms(options), &got);
	while (control_again(options, control, r, &patience));
	if (r < 0)
		return control_failure(options, control, r);
	return options->json ? control_show_json(lumaring_control_reply(control)) : show_region(stream, &got);
}

int region_run(const struct options *options)
{
	const char *stream = options->operands[1], *text = options->operands[2];
	struct lumaring_control *control;
	struct value_region region;
	struct save save = { 0 };
	int code;

	if (!stream || !text) {
		talk("say which stream, and its region: lumaring region STREAM X,Y,WIDTH,HEIGHT");
		return CODE_USAGE;
	}
	if (value_region(text, &region, NULL) < 0) {
		talk("the region is '%s'; it must be X,Y,WIDTH,HEIGHT in pixels, each 0 to %u, or in fractions of the "
		     "image, such as 0.25,0.25,0.5,0.5",
		     text, UINT16_MAX);
		return CODE_USAGE;
	}
	code = control_open(options, &control);
	if (code != CODE_OK)
		return code;
	save_begin(&save, options, control);
	code = streams_set_region(options, control, stream, &region);
	if (code == CODE_OK && options->set.save)
		code = save_streams(&save, options, control);
	save_end(&save);
	lumaring_control_close(control);
	return code;
}

/* --- one stream in words ----------------------------------------------------------------------------------------- */

static int parse_slots(struct lumaring_stream *stream, const char *value)
{
	uint64_t slots;
	int r = value_whole(value, '\0', LUMARING_SLOTS_MAX, &slots, NULL);

	if (r < 0 || slots < LUMARING_SLOTS_MIN) {
		talk("slots is '%s'; it must be a whole number, %u to %u", value, LUMARING_SLOTS_MIN,
		     LUMARING_SLOTS_MAX);
		return -EINVAL;
	}
	stream->slots = (uint32_t)slots;
	return 0;
}

static int parse_max_size(struct lumaring_stream *stream, const char *value)
{
	uint64_t width, height;
	const char *end;

	if (value_whole(value, 'x', UINT16_MAX, &width, &end) < 0 ||
	    value_whole(end, '\0', UINT16_MAX, &height, NULL) < 0 || width == 0 || height == 0) {
		talk("max_size is '%s'; it must be WIDTHxHEIGHT in pixels, each 1 to %u", value, UINT16_MAX);
		return -EINVAL;
	}
	stream->width_max = (uint32_t)width;
	stream->height_max = (uint32_t)height;
	return 0;
}

static int parse_format(struct lumaring_stream *stream, const char *value)
{
	if (strcasecmp(value, "R8") != 0 && strcasecmp(value, "R16") != 0) {
		talk("format is '%s'; it must be R8 or R16", value);
		return -EINVAL;
	}
	stream->fourcc = strcasecmp(value, "R8") == 0 ? LUMARING_FORMAT_R8 : LUMARING_FORMAT_R16;
	return 0;
}

static int parse_bin(struct lumaring_stream *stream, const char *value)
{
	if (strcmp(value, "1") != 0 && strcmp(value, "2") != 0) {
		talk("bin is '%s'; it must be 1 or 2", value);
		return -EINVAL;
	}
	stream->bin = (uint32_t)(value[0] - '0');
	return 0;
}

static int parse_always(struct lumaring_stream *stream, const char *value)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
		talk("always is '%s'; it must be true or false", value);
		return -EINVAL;
	}
	stream->always = strcmp(value, "true") == 0;
	return 0;
}

static int parse_key(struct lumaring_stream *stream, char *text, unsigned *seen)
{
	static const struct {
		const char *key;
		int (*parse)(struct lumaring_stream *stream, const char *value);
	} keys[] = {
		{ "slots", parse_slots }, { "max_size", parse_max_size }, { "format", parse_format },
		{ "bin", parse_bin },     { "always", parse_always },
	};
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	for (unsigned i = 0; value && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(text, keys[i].key) != 0)
			continue;
		if (*seen >> i & 1) {
			talk("%s stands there twice", text);
			return -EINVAL;
		}
		*seen |= 1u << i;
		return keys[i].parse(stream, value);
	}
	talk("'%s' is none of max_size=, slots=, format=, bin= and always=", text);
	return -EINVAL;
}

int streams_parse(const char *text, struct streams_spec *ret_spec)
{
	struct streams_spec *spec = ret_spec;
	unsigned seen = 0;
	const char *end;
	char *at, *key;
	int r = 0;

	*spec = (struct streams_spec){ .stream = LUMARING_STREAM_INIT };
	spec->stream.name = spec->text;
	if (snprintf(spec->text, sizeof(spec->text), "%s", text) >= (int)sizeof(spec->text)) {
		talk("'%.40s...' is longer than %zu characters", text, sizeof(spec->text) - 1);
		return -EINVAL;
	}
	at = spec->text + strcspn(spec->text, "=,");
	if (*at == '=') {
		*at++ = '\0';
		spec->has_region = true;
		if (value_region(at, &spec->region, &end) < 0 || (*end && *end != ',')) {
			talk("the region of '%s' is '%s'; it must be X,Y,WIDTH,HEIGHT in pixels, each 0 to %u, or in "
			     "fractions "
			     "of the image, such as 0.25,0.25,0.5,0.5",
			     spec->text, at, UINT16_MAX);
			return -EINVAL;
		}
		at += end - at;
	}
	if (!*at)
		return 0;
	*at++ = '\0';
	while (r == 0 && (key = strsep(&at, ",")))
		r = parse_key(&spec->stream, key, &seen);
	return r;
}

/* --- adding and removing ----------------------------------------------------------------------------------------- */

static int done(const struct options *options, struct lumaring_control *control)
{
	return options->json ? control_show_json(lumaring_control_reply(control)) : CODE_OK;
}

static int add(const struct options *options, struct lumaring_control *control, struct streams_spec *spec)
{
	struct control_patience patience = { 0 };
	int r, code = spec->has_region ? to_pixels(options, control, &spec->region, &spec->stream.region) : CODE_OK;

	if (code != CODE_OK)
		return code;
	do
		r = lumaring_add_stream(control, &spec->stream, control_timeout_ms(options));
	while (control_again(options, control, r, &patience));
	return r < 0 ? control_failure(options, control, r) : done(options, control);
}

static int remove_one(const struct options *options, struct lumaring_control *control, const char *name)
{
	const uint32_t flags = options->force ? LUMARING_FORCE : 0;
	struct control_patience patience = { 0 };
	int code, r;

	do
		r = lumaring_remove_stream(control, name, flags, control_timeout_ms(options));
	while (control_again(options, control, r, &patience));
	if (r == 0)
		return done(options, control);
	code = control_failure(options, control, r);
	if (r == -ENOTEMPTY)
		talk("--force disconnects them");
	return code;
}

int streams_run(const struct options *options)
{
	const char *what = options->operands[1], *text = options->operands[2];
	struct lumaring_control *control;
	struct save save = { 0 };
	struct streams_spec spec;
	bool adds;
	int code;

	if (!what && !options->set.save && !options->force)
		return streams_show(options);
	adds = what && strcmp(what, "add") == 0;
	if (!text || (!adds && strcmp(what, "remove") != 0) || (adds && options->force)) {
		talk("say 'streams', 'streams add NAME[=X,Y,W,H][,KEY=VALUE]...' or 'streams remove NAME [--force]'");
		return CODE_USAGE;
	}
	if (adds && streams_parse(text, &spec) < 0)
		return CODE_USAGE;
	code = control_open(options, &control);
	if (code != CODE_OK)
		return code;
	save_begin(&save, options, control);
	code = adds ? add(options, control, &spec) : remove_one(options, control, text);
	if (code == CODE_OK && options->set.save)
		code = save_streams(&save, options, control);
	save_end(&save);
	lumaring_control_close(control);
	return code;
}
