/* SPDX-License-Identifier: BSD-2-Clause */
/* settings.c - see settings.h. Nothing here knows the camera: what is in force is read, never changed. */
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* --- faults --- */

int fault_field(struct fault *ret_fault, int stream, const char *field, const char *format, ...)
{
	va_list arguments;

	*ret_fault = (struct fault){ .kind = FAULT_FIELD, .stream = stream };
	snprintf(ret_fault->field, sizeof(ret_fault->field), "%s", field);
	va_start(arguments, format);
	vsnprintf(ret_fault->reason, sizeof(ret_fault->reason), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int fault_name(struct fault *ret_fault, enum fault_kind kind, const char *name)
{
	fault_field(ret_fault, -1, "", "there is %s stream \"%s\"", kind == FAULT_NO_STREAM ? "no" : "already a", name);
	ret_fault->kind = kind;
	snprintf(ret_fault->name, sizeof(ret_fault->name), "%s", name);
	return -EINVAL;
}

void fault_from_source(struct fault *ret_fault, int error, const struct source_fault *fault)
{
	fault_field(ret_fault, -1, fault->field, "%s", fault->text);
	if (error == -ERANGE)
		ret_fault->kind = FAULT_RANGE;
	else if (error == -ENOTSUP)
		ret_fault->kind = FAULT_UNSUPPORTED;
	ret_fault->minimum = fault->minimum;
	ret_fault->maximum = fault->maximum;
	ret_fault->given = fault->given;
}

static int out_of_range(struct fault *ret_fault, int stream, const char *field, int64_t minimum, int64_t maximum,
			int64_t given)
{
	fault_field(ret_fault, stream, field, "%lld is not in %lld..%lld", (long long)given, (long long)minimum,
		    (long long)maximum);
	ret_fault->kind = FAULT_RANGE;
	ret_fault->minimum = minimum;
	ret_fault->maximum = maximum;
	ret_fault->given = given;
	return -EINVAL;
}

/* --- the list of streams --- */

int settings_find(const struct settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->stream_count; i++)
		if (!strcmp(settings->streams[i].name, name))
			return (int)i;
	return -1;
}

/* What it was, with what is wished for put over it. */
static struct stream_config apply(const struct stream_config *before, const struct stream_wish *wish)
{
	struct stream_config config = { 0 };

	if (before)
		config = *before;
	memcpy(config.name, wish->config.name, sizeof(config.name));
	if (wish->region)
		config.region = wish->config.region;
	if (wish->max_size) {
		config.width_max = wish->config.width_max;
		config.height_max = wish->config.height_max;
	}
	if (wish->slots) {
		config.slot_count = wish->config.slot_count;
		config.slots_default = wish->config.slots_default;
	}
	if (wish->format)
		config.fourcc = wish->config.fourcc;
	if (wish->bin)
		config.bin = wish->config.bin;
	if (wish->always)
		config.always = wish->config.always;
	stream_config_complete(&config);
	return config;
}

static int too_many(struct fault *ret_fault, unsigned count)
{
	return fault_field(ret_fault, -1, "streams", "%u streams are more than the %u that a camera may have", count,
			   LIMIT_STREAMS);
}

int settings_set_streams(struct settings *settings, const struct stream_wish *wishes, unsigned wish_count,
			 struct fault *ret_fault)
{
	const struct settings before = *settings;

	if (wish_count > LIMIT_STREAMS)
		return too_many(ret_fault, wish_count);
	for (unsigned i = 0; i < wish_count; i++) {
		int old = settings_find(&before, wishes[i].config.name);

		settings->streams[i] = apply(old < 0 ? NULL : &before.streams[old], &wishes[i]);
	}
	settings->stream_count = wish_count;
	return 0;
}

int settings_add_stream(struct settings *settings, const struct stream_wish *wish, struct fault *ret_fault)
{
	if (settings_find(settings, wish->config.name) >= 0)
		return fault_name(ret_fault, FAULT_STREAM_EXISTS, wish->config.name);
	if (settings->stream_count == LIMIT_STREAMS)
		return too_many(ret_fault, settings->stream_count + 1);
	settings->streams[settings->stream_count++] = apply(NULL, wish);
	return 0;
}

int settings_remove_stream(struct settings *settings, const char *name, struct fault *ret_fault)
{
	int at = settings_find(settings, name);

	if (at < 0)
		return fault_name(ret_fault, FAULT_NO_STREAM, name);
	settings->stream_count--;
	memmove(&settings->streams[at], &settings->streams[at + 1],
		(settings->stream_count - (unsigned)at) * sizeof(settings->streams[0]));
	return 0;
}

int settings_set_region(struct settings *settings, const char *name, struct region region, struct fault *ret_fault)
{
	int at = settings_find(settings, name);

	if (at < 0)
		return fault_name(ret_fault, FAULT_NO_STREAM, name);
	settings->streams[at].region = region;
	return 0;
}

/* --- checking --- */

static int check_name(const struct settings *settings, int at, struct fault *ret_fault)
{
	const char *name = settings->streams[at].name;

	if (!name_valid(name))
		return fault_field(ret_fault, at, "name", "a stream's name is 1 to 32 of a-z, 0-9, _ and -");
	if (!strncmp(name, STREAM_PRIVATE_PREFIX, strlen(STREAM_PRIVATE_PREFIX)))
		return fault_field(ret_fault, at, "name",
				   "names that begin with \"%s\" are for clients' private streams",
				   STREAM_PRIVATE_PREFIX);
	if (settings_find(settings, name) != at)
		return fault_field(ret_fault, at, "name", "there are two streams \"%s\"", name);
	return 0;
}

static int check_numbers(const struct stream_config *config, int at, struct fault *ret_fault)
{
	if (config->slot_count < LUMARING_SLOTS_MIN || config->slot_count > LUMARING_SLOTS_MAX)
		return out_of_range(ret_fault, at, "slots", LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX, config->slot_count);
	if (config->bin < 1 || config->bin > 2)
		return out_of_range(ret_fault, at, "bin", 1, 2, config->bin);
	if (config->width_max > LUMARING_EXTENT_MAX)
		return out_of_range(ret_fault, at, "max_size.width", 1, LUMARING_EXTENT_MAX, config->width_max);
	if (config->height_max > LUMARING_EXTENT_MAX)
		return out_of_range(ret_fault, at, "max_size.height", 1, LUMARING_EXTENT_MAX, config->height_max);
	if (config->fourcc != LUMARING_FORMAT_R8 && config->fourcc != LUMARING_FORMAT_R16)
		return fault_field(ret_fault, at, "format", "the format of a stream is R8 or R16");
	return 0;
}

int settings_check(const struct settings *settings, struct fault *ret_fault)
{
	const struct source_settings *image = &settings->source;

	for (unsigned i = 0; i < settings->stream_count; i++) {
		const struct stream_config *config = &settings->streams[i];
		char text[256];
		int r = check_name(settings, (int)i, ret_fault);

		if (r == 0)
			r = check_numbers(config, (int)i, ret_fault);
		if (r == 0 && stream_check_region(config, false, image->width, image->height, text, sizeof(text)) < 0)
			r = fault_field(ret_fault, (int)i, "region", "%s", text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- comparing --- */

bool settings_differ_in_format(const struct source_settings *a, const struct source_settings *b)
{
	return a->width != b->width || a->height != b->height || !a->layout.name != !b->layout.name ||
	       a->layout.pixels != b->layout.pixels || a->layout.chroma != b->layout.chroma;
}

bool settings_differ_in_rate(const struct source_settings *a, const struct source_settings *b)
{
	return a->frame_duration_min_ns != b->frame_duration_min_ns ||
	       a->frame_duration_max_ns != b->frame_duration_max_ns;
}

bool settings_streams_equal(const struct stream_config *a, const struct stream_config *b)
{
	return !strcmp(a->name, b->name) && !memcmp(&a->region, &b->region, sizeof(a->region)) &&
	       a->width_max == b->width_max && a->height_max == b->height_max && a->slot_count == b->slot_count &&
	       a->fourcc == b->fourcc && a->bin == b->bin && a->always == b->always;
}

bool settings_same_streams(const struct settings *a, const struct settings *b)
{
	if (a->stream_count != b->stream_count)
		return false;
	for (unsigned i = 0; i < a->stream_count; i++)
		if (!settings_streams_equal(&a->streams[i], &b->streams[i]))
			return false;
	return true;
}

bool settings_equal(const struct settings *a, const struct settings *b)
{
	return !settings_differ_in_format(&a->source, &b->source) && !settings_differ_in_rate(&a->source, &b->source) &&
	       settings_same_streams(a, b);
}

static void compare(const char *field, uint64_t asked, uint64_t got, struct adjustment *adjustments, unsigned *count)
{
	if (asked && asked != got)
		adjustments[(*count)++] = (struct adjustment){ field, (int64_t)asked, (int64_t)got };
}

unsigned settings_adjustments(const struct source_settings *asked, const struct source_settings *got,
			      struct adjustment *ret_adjustments)
{
	unsigned count = 0;

	compare("size.width", asked->width, got->width, ret_adjustments, &count);
	compare("size.height", asked->height, got->height, ret_adjustments, &count);
	compare("frame_duration_us.minimum", asked->frame_duration_min_ns / NS_PER_US,
		got->frame_duration_min_ns / NS_PER_US, ret_adjustments, &count);
	compare("frame_duration_us.maximum", asked->frame_duration_max_ns / NS_PER_US,
		got->frame_duration_max_ns / NS_PER_US, ret_adjustments, &count);
	return count;
}

uint64_t settings_gap_frames(uint64_t gap_us, uint64_t frame_duration_us)
{
	uint64_t periods = (gap_us + frame_duration_us / 2) / frame_duration_us;

	return periods ? periods - 1 : 0;
}

uint64_t settings_pace_wait_ns(uint64_t paid_ns, uint64_t now_ns, unsigned rate)
{
	uint64_t ahead_ns = paid_ns > now_ns ? paid_ns - now_ns : 0, allowed_ns = NS_PER_SECOND / rate * (rate - 1);

	return ahead_ns > allowed_ns ? ahead_ns - allowed_ns : 0;
}

void settings_pace_pay(uint64_t *paid_ns, uint64_t now_ns, unsigned rate)
{
	*paid_ns = (*paid_ns > now_ns ? *paid_ns : now_ns) + NS_PER_SECOND / rate;
}
