/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cameras.c - `lumaringd --list-cameras`: what libcamera finds, written for people. Main thread, instead of a daemon;
 * no camera is acquired, so one that another program has is listed, too.
 */
#include "source/source.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifdef LUMARING_NO_LIBCAMERA

int source_list_cameras(FILE *out, char *text, size_t text_bytes)
{
	(void)out;
	snprintf(text, text_bytes, "this build of lumaringd has no libcamera, and knows no cameras");
	return -ENOTSUP;
}

#else

#include "source/choice.h"
#include "source/libcamera.h"

/* What goes wrong matters to who finds no camera here; what goes well is seen below. */
static void log_faults(enum log_level level, const char *line)
{
	if (level <= LOG_LEVEL_WARNING)
		log_line(level, "%s", line);
}

static void write_format(FILE *out, const struct libcamera_format *format)
{
	struct pixels_layout layout;

	fprintf(out, "   %-14s", format->name);
	if (format->size_count == 0)
		fprintf(out, " %ux%u to %ux%u", format->minimum.width, format->minimum.height, format->maximum.width,
			format->maximum.height);
	if (format->size_count == 0 && (format->step.width > 1 || format->step.height > 1))
		fprintf(out, " in steps of %ux%u", format->step.width, format->step.height);
	for (unsigned i = 0; i < format->size_count; i++)
		fprintf(out, " %ux%u", format->sizes[i].width, format->sizes[i].height);
	fprintf(out, "%s%s\n", format->raw ? ", raw" : "",
		choice_layout(format->name, &layout) ? "" : ", not supported");
}

static void write_camera(FILE *out, unsigned index, const struct source_identity *identity,
			 const struct libcamera_description *description)
{
	const char *model = identity->model, *location = identity->location;

	fprintf(out, "%u: %s\n", index, identity->id);
	if (model[0] || location[0])
		fprintf(out, "   %s%s%s\n", model, model[0] && location[0] ? ", " : "", location);
	for (unsigned i = 0; i < description->format_count; i++)
		write_format(out, &description->formats[i]);
	if (description->format_count == 0)
		fprintf(out, "   its formats cannot be told\n");
}

int source_list_cameras(FILE *out, char *text, size_t text_bytes)
{
	static struct libcamera_description description;
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	struct libcamera_library *library = NULL;
	int life_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;
	unsigned count = 0;

	libcamera_set_log(log_faults);
	r = life_fd < 0 ? -errno : libcamera_open(life_fd, &library, text, text_bytes);
	if (life_fd < 0)
		snprintf(text, text_bytes, "cannot look for cameras: %s", strerror(-r));
	if (r == 0)
		count = libcamera_list(library, cameras, SOURCE_CAMERAS_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (libcamera_look_at(library, cameras[i].id, &description) < 0)
			description.format_count = 0;
		write_camera(out, i, &cameras[i], &description);
	}
	if (r == 0 && count == 0) {
		snprintf(text, text_bytes,
			 "libcamera %s finds no camera: look at its cable and the system's configuration of cameras; "
			 "whether this user may open /dev/media* (root, or group video); and whether another program "
			 "has it",
			 libcamera_version());
		r = -ENODEV;
	}
	libcamera_close(library);
	libcamera_set_log(NULL);
	if (life_fd >= 0)
		close(life_fd);
	return r;
}

#endif
