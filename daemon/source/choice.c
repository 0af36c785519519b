/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choice.c - see choice.h. Keeps no state and asks nobody: what a camera has is described to it, and the same
 * description and wish give the same answer always.
 */
#include "source/choice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The largest size that is taken unasked. */
#define UNASKED_WIDTH 1920u
#define UNASKED_HEIGHT 1080u

static void append(char *text, size_t text_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What does not fit is cut. */
static void append(char *text, size_t text_bytes, const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + used, text_bytes - used, format, arguments);
	va_end(arguments);
}

/* --- formats ------------------------------------------------------------------------------------------------ */

/*
 * libcamera's names, best first: fewest bytes for the same luma, and deeper pixels after those of 8 bits. libcamera
 * names packed pixels by the word that holds them, least significant byte first in memory, so the order of the colours
 * is the reverse of pixels.h where that goes by bytes. RGBX8888 and BGRX8888 have the unused byte first: none of ours.
 */
static const struct {
	const char *name;   /* libcamera's */
	const char *layout; /* ours */
} formats[] = {
	{ "R8", "R8" },
	{ "YUV420", "YUV420" },
	{ "NV12", "NV12" },
	{ "YVU420", "YVU420" },
	{ "NV21", "NV21" },
	{ "NV16", "NV16" },
	{ "NV61", "NV61" },
	{ "YUV422", "YUV422" },
	{ "YVU422", "YVU422" },
	{ "NV24", "NV24" },
	{ "NV42", "NV42" },
	{ "YUV444", "YUV444" },
	{ "YVU444", "YVU444" },
	{ "R10", "R10" },
	{ "R12", "R12" },
	{ "R16", "R16" },
	{ "R10_CSI2P", "R10_CSI2P" },
	{ "R12_CSI2P", "R12_CSI2P" },
	{ "YUYV", "YUYV" },
	{ "UYVY", "UYVY" },
	{ "YVYU", "YVYU" },
	{ "VYUY", "VYUY" },
	{ "BGR888", "RGB24" },
	{ "RGB888", "BGR24" },
	{ "XRGB8888", "XRGB8888" },
	{ "XBGR8888", "XBGR8888" },
	{ "ARGB8888", "XRGB8888" },
	{ "ABGR8888", "XBGR8888" },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* Place in the table, FORMATS: it has none. */
static size_t rank_of(const char *libcamera_name)
{
	size_t rank = 0;

	while (rank < FORMATS && strcmp(formats[rank].name, libcamera_name))
		rank++;
	return rank;
}

bool choice_layout(const char *libcamera_name, struct pixels_layout *ret_layout)
{
	size_t rank = rank_of(libcamera_name);

	return rank < FORMATS && pixels_find_layout(formats[rank].layout, ret_layout);
}

/* --- sizes -------------------------------------------------------------------------------------------------- */

static uint64_t area_of(struct libcamera_size size)
{
	return (uint64_t)size.width * size.height;
}

/* By area; of two alike the narrower one comes first. */
static bool is_smaller(struct libcamera_size a, struct libcamera_size b)
{
	return area_of(a) < area_of(b) || (area_of(a) == area_of(b) && a.width < b.width);
}

/* How well a size meets a wish, best first. */
enum fit { FIT_EXACT, FIT_LARGER, FIT_SMALLER };

static enum fit fit_of(struct libcamera_size size, struct libcamera_size wanted)
{
	if (size.width == wanted.width && size.height == wanted.height)
		return FIT_EXACT;
	return size.width >= wanted.width && size.height >= wanted.height ? FIT_LARGER : FIT_SMALLER;
}

/* Of `minimum`, `minimum` + step ... `maximum`: the least that is not below `wanted`, else the last. */
static uint32_t step_up(uint32_t minimum, uint32_t maximum, uint32_t step, uint32_t wanted)
{
	uint64_t value;

	step = step ? step : 1;
	if (wanted <= minimum || maximum <= minimum)
		return minimum;
	value = minimum + ((uint64_t)wanted - minimum + step - 1) / step * step;
	return value <= maximum ? (uint32_t)value : maximum - (maximum - minimum) % step;
}

/* The greatest that is not above `wanted`, else the first. */
static uint32_t step_down(uint32_t minimum, uint32_t maximum, uint32_t step, uint32_t wanted)
{
	uint32_t most = wanted < maximum ? wanted : maximum;

	step = step ? step : 1;
	return most > minimum ? most - (most - minimum) % step : minimum;
}

/* Unasked: the largest that is not larger than UNASKED_WIDTH x UNASKED_HEIGHT, else the smallest. */
static struct libcamera_size unasked_size(const struct libcamera_format *format)
{
	const struct libcamera_size *sizes = format->sizes, most = { UNASKED_WIDTH, UNASKED_HEIGHT };
	struct libcamera_size least = sizes[0], best = { 0, 0 };

	if (!format->size_count) {
		best.width = step_down(format->minimum.width, format->maximum.width, format->step.width, most.width);
		best.height =
			step_down(format->minimum.height, format->maximum.height, format->step.height, most.height);
		return fit_of(most, best) == FIT_SMALLER ? format->minimum : best;
	}
	for (unsigned i = 0; i < format->size_count; i++) {
		if (is_smaller(sizes[i], least))
			least = sizes[i];
		if (fit_of(most, sizes[i]) != FIT_SMALLER && is_smaller(best, sizes[i]))
			best = sizes[i];
	}
	return best.width ? best : least;
}

/* The nearest that is at least as large, else the largest; in a range, width and height each on their own. */
static struct libcamera_size size_near(const struct libcamera_format *format, struct libcamera_size wanted)
{
	struct libcamera_size best;

	if (!format->size_count) {
		best.width = step_up(format->minimum.width, format->maximum.width, format->step.width, wanted.width);
		best.height =
			step_up(format->minimum.height, format->maximum.height, format->step.height, wanted.height);
		return best;
	}
	best = format->sizes[0];
	for (unsigned i = 1; i < format->size_count; i++) {
		struct libcamera_size size = format->sizes[i];
		bool fits = fit_of(size, wanted) != FIT_SMALLER, best_fits = fit_of(best, wanted) != FIT_SMALLER;

		if (fits != best_fits ? fits : fits ? is_smaller(size, best) : is_smaller(best, size))
			best = size;
	}
	return best;
}

/* --- what to ask of the camera ------------------------------------------------------------------------------ */

struct candidate {
	const struct libcamera_format *format; /* NULL: there is none */
	struct pixels_layout layout;
	struct libcamera_size size;
	enum fit fit;
	size_t rank;
};

static struct candidate candidate_of(const struct libcamera_format *format, const struct source_settings *wanted)
{
	struct candidate candidate = { .format = format, .rank = rank_of(format->name) };
	struct libcamera_size size = { wanted->width, wanted->height };

	if (!choice_layout(format->name, &candidate.layout) ||
	    (wanted->layout.name && strcmp(wanted->layout.name, candidate.layout.name)))
		return (struct candidate){ .format = NULL };
	candidate.size = size.width && size.height ? size_near(format, size) : unasked_size(format);
	candidate.fit = size.width && size.height ? fit_of(candidate.size, size) : FIT_EXACT;
	return candidate;
}

/* Raw ones only if there is nothing else; what has the size before what is better otherwise. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
	if (!a->format || !b->format)
		return a->format != NULL;
	if (a->format->raw != b->format->raw)
		return !a->format->raw;
	return a->fit != b->fit ? a->fit < b->fit : a->rank < b->rank;
}

/* True: an earlier one is the same to whoever asks. */
static bool is_listed(const struct libcamera_description *description, unsigned at, const char *layout)
{
	struct pixels_layout other;

	for (unsigned i = 0; i < at; i++)
		if (description->formats[i].raw == description->formats[at].raw &&
		    choice_layout(description->formats[i].name, &other) && other.name == layout)
			return true;
	return false;
}

/* "YUV420, R8 (raw)": layouts by our names, or what else there is by libcamera's. */
static void list_formats(const struct libcamera_description *description, bool usable, char *text, size_t text_bytes)
{
	text[0] = '\0';
	for (unsigned i = 0; i < description->format_count; i++) {
		const struct libcamera_format *format = &description->formats[i];
		struct pixels_layout layout = { .name = format->name };

		if (choice_layout(format->name, &layout) != usable ||
		    (usable && is_listed(description, i, layout.name)))
			continue;
		append(text, text_bytes, "%s%s%s", text[0] ? ", " : "", layout.name,
		       usable && format->raw ? " (raw)" : "");
	}
}

static bool has_format(const struct libcamera_description *description, const char *libcamera_name)
{
	for (unsigned i = 0; i < description->format_count; i++)
		if (strcmp(description->formats[i].name, libcamera_name) == 0)
			return true;
	return false;
}

static int refuse(const struct libcamera_description *description, const struct source_settings *wanted,
		  struct source_fault *ret_fault)
{
	char list[160];

	list_formats(description, true, list, sizeof(list));
	if (list[0])
		return source_refuse(ret_fault, -ENOTSUP, "pixel_format", "the camera has no %s, only %s",
				     wanted->layout.name, list);
	list_formats(description, false, list, sizeof(list));
	if (has_format(description, "MJPEG"))
		return source_refuse(ret_fault, -ENOTSUP, "pixel_format",
				     "the camera delivers compressed pictures only (%s), which are not supported",
				     list);
	return source_refuse(ret_fault, -ENOTSUP, "pixel_format",
			     "the camera has no pixel format that luma can be taken from, it has %s",
			     list[0] ? list : "none at all");
}

int choice_make(const struct libcamera_description *description, const struct source_settings *wanted,
		struct libcamera_wish *ret_wish, struct pixels_layout *ret_layout, struct source_fault *ret_fault)
{
	struct candidate best = { .format = NULL };

	for (unsigned i = 0; i < description->format_count; i++) {
		struct candidate candidate = candidate_of(&description->formats[i], wanted);

		if (is_better(&candidate, &best))
			best = candidate;
	}
	if (!best.format)
		return refuse(description, wanted, ret_fault);
	*ret_wish = (struct libcamera_wish){
		.raw = best.format->raw,
		.width = best.size.width,
		.height = best.size.height,
		.full_range = true,
	};
	snprintf(ret_wish->format, sizeof(ret_wish->format), "%s", best.format->name);
	*ret_layout = best.layout;
	return 0;
}

/* --- which camera ------------------------------------------------------------------------------------------- */

/* `0 = "ID" (imx219, back), 1 = ...`, of those that `is_meant` says, or all. */
static void list_cameras(const struct source_identity *cameras, unsigned count,
			 bool (*is_meant)(const struct source_identity *camera, const char *which), const char *which,
			 char *text, size_t text_bytes)
{
	bool first = true;

	for (unsigned i = 0; i < count; i++) {
		const struct source_identity *camera = &cameras[i];
		bool both = camera->model[0] && camera->location[0];

		if (is_meant && !is_meant(camera, which))
			continue;
		append(text, text_bytes, "%s%u = \"%s\"", first ? "" : ", ", i, camera->id);
		if (camera->model[0] || camera->location[0])
			append(text, text_bytes, " (%s%s%s)", camera->model, both ? ", " : "", camera->location);
		first = false;
	}
}

static bool has_model(const struct source_identity *camera, const char *which)
{
	return strcasecmp(camera->model, which) == 0;
}

static bool has_location(const struct source_identity *camera, const char *which)
{
	return strcasecmp(camera->location, which) == 0;
}

static bool has_id(const struct source_identity *camera, const char *which)
{
	return strcmp(camera->id, which) == 0;
}

/* How many are meant; *ret_index is one of them. */
static unsigned count_meant(const struct source_identity *cameras, unsigned count,
			    bool (*is_meant)(const struct source_identity *camera, const char *which),
			    const char *which, unsigned *ret_index)
{
	unsigned meant = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!is_meant(&cameras[i], which))
			continue;
		meant++;
		*ret_index = i;
	}
	return meant;
}

/* A number without a sign or a space that is below `count`. */
static bool is_index(const char *which, unsigned count, unsigned *ret_index)
{
	unsigned value = 0;

	if (!which[0] || strlen(which) > 4 || which[strspn(which, "0123456789")])
		return false;
	for (; *which; which++)
		value = value * 10 + (unsigned)(*which - '0');
	if (value < count)
		*ret_index = value;
	return value < count;
}

int choice_find_camera(const struct source_identity *cameras, unsigned count, const char *which, unsigned *ret_index,
		       char *text, size_t text_bytes)
{
	static bool (*const ways[])(const struct source_identity *camera, const char *which) = { has_model,
												 has_location };
	unsigned index = 0;

	if (!count) {
		snprintf(text, text_bytes, "libcamera finds no camera");
		return -ENODEV;
	}
	if (!which[0] || count_meant(cameras, count, has_id, which, &index) || is_index(which, count, &index)) {
		*ret_index = index;
		return 0;
	}
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned meant = count_meant(cameras, count, ways[i], which, &index);

		if (meant == 1)
			*ret_index = index;
		if (meant == 1)
			return 0;
		if (!meant)
			continue;
		snprintf(text, text_bytes, "\"%s\" means %u cameras, name one by its number or id: ", which, meant);
		list_cameras(cameras, count, ways[i], which, text, text_bytes);
		return -EINVAL;
	}
	snprintf(text, text_bytes, "there is no camera \"%s\", only ", which);
	list_cameras(cameras, count, NULL, which, text, text_bytes);
	return -ENODEV;
}

/* --- capabilities ------------------------------------------------------------------------------------------- */

static struct source_mode mode_of(struct libcamera_size minimum, struct libcamera_size maximum,
				  struct libcamera_size step)
{
	return (struct source_mode){
		.width_min = minimum.width,
		.height_min = minimum.height,
		.width_max = maximum.width,
		.height_max = maximum.height,
		.width_step = step.width ? step.width : 1,
		.height_step = step.height ? step.height : 1,
	};
}

/* By the largest size, then by what else there is: below 0, 0 or above 0. */
static int compare_modes(const struct source_mode *a, const struct source_mode *b)
{
	const uint64_t keys_a[] = { (uint64_t)a->width_max * a->height_max,
				    a->width_max,
				    a->width_min,
				    a->height_min,
				    a->width_step,
				    a->height_step };
	const uint64_t keys_b[] = { (uint64_t)b->width_max * b->height_max,
				    b->width_max,
				    b->width_min,
				    b->height_min,
				    b->width_step,
				    b->height_step };

	for (unsigned i = 0; i < sizeof(keys_a) / sizeof(keys_a[0]); i++)
		if (keys_a[i] != keys_b[i])
			return keys_a[i] < keys_b[i] ? -1 : 1;
	return 0;
}

/* The mode of these sizes, in its place from the smallest to the largest; NULL: it is smaller than all that fit. */
static struct source_mode *find_mode(struct source_capabilities *capabilities, const struct source_mode *mode)
{
	struct source_mode *modes = capabilities->modes;
	unsigned at = capabilities->mode_count;

	while (at && compare_modes(mode, &modes[at - 1]) < 0)
		at--;
	if (at && compare_modes(mode, &modes[at - 1]) == 0)
		return &modes[at - 1];
	if (capabilities->mode_count < SOURCE_MODES_MAX) {
		memmove(&modes[at + 1], &modes[at], (capabilities->mode_count - at) * sizeof(modes[0]));
		capabilities->mode_count++;
	} else if (at == 0) {
		return NULL;
	} else {
		at--;
		memmove(&modes[0], &modes[1], at * sizeof(modes[0]));
	}
	modes[at] = *mode;
	return &modes[at];
}

static void add_mode(struct source_capabilities *capabilities, const struct source_mode *sizes, const char *layout)
{
	struct source_mode *mode = find_mode(capabilities, sizes);

	for (unsigned i = 0; mode && i < mode->format_count; i++)
		if (mode->formats[i] == layout)
			return;
	if (mode && mode->format_count < SOURCE_MODE_FORMATS_MAX)
		mode->formats[mode->format_count++] = layout;
}

static void add_format(struct source_capabilities *capabilities, const struct libcamera_format *format,
		       const char *layout)
{
	static const struct libcamera_size any = { 1, 1 };
	struct source_mode mode = mode_of(format->minimum, format->maximum, format->step);

	if (!format->size_count)
		add_mode(capabilities, &mode, layout);
	for (unsigned i = 0; i < format->size_count; i++) {
		mode = mode_of(format->sizes[i], format->sizes[i], any);
		add_mode(capabilities, &mode, layout);
	}
}

void choice_capabilities(const struct libcamera_description *description, struct source_capabilities *ret_capabilities)
{
	struct source_capabilities *capabilities = ret_capabilities;

	*capabilities = (struct source_capabilities){
		.controls = description->controls,
		.resizes = true,
		.paces = description->frame_duration_min_ns != 0,
	};
	memcpy(capabilities->id, description->identity.id, sizeof(capabilities->id));
	memcpy(capabilities->model, description->identity.model, sizeof(capabilities->model));
	memcpy(capabilities->ranges, description->ranges, sizeof(capabilities->ranges));
	/* Best formats first, whatever their order in the description. */
	for (size_t rank = 0; rank < FORMATS; rank++) {
		for (unsigned i = 0; i < description->format_count; i++) {
			struct pixels_layout layout;

			if (rank_of(description->formats[i].name) == rank &&
			    choice_layout(description->formats[i].name, &layout))
				add_format(capabilities, &description->formats[i], layout.name);
		}
	}
	for (unsigned i = 0; i < capabilities->mode_count; i++) {
		capabilities->modes[i].frame_duration_min_ns = description->frame_duration_min_ns;
		capabilities->modes[i].frame_duration_max_ns = description->frame_duration_max_ns;
	}
}
