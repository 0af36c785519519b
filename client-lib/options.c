/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - see options.h. Runs in lumaring_open() and lumaring_set_region(). Must never read beyond the size that a
 * caller's struct has.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNTIME_DIR "/run/lumaring"
#define FLAGS_KNOWN (LUMARING_COPY | LUMARING_PRIVATE | LUMARING_OLDEST | LUMARING_FUTEX)
#define FRAMES_MAX 4096u

int lr_options_copy(const struct lr_options_kind *kind, const void *given, void *known, struct lr_error *error)
{
	const unsigned char *bytes = given, *unset = (const unsigned char *)&kind->unset;
	const size_t word = sizeof(kind->unset);
	size_t size;

	memcpy(&size, given, sizeof(size));
	/* Fields are added in whole words, so that no release ends within a pointer. */
	if (size < kind->bytes_min || size % word != 0)
		return lr_text_fail(error, -EINVAL, "%s.size is %zu, accepted: a multiple of %zu from %zu: use %s",
				    kind->name, size, word, kind->bytes_min, kind->init);
	memcpy(known, given, size < kind->bytes ? size : kind->bytes);
	memcpy(known, &kind->bytes, sizeof(kind->bytes));
	for (size_t i = kind->bytes; i < size; i++)
		if (bytes[i] != unset[i % word])
			return lr_text_fail(error, -EINVAL,
					    "%s.size is %zu and byte %zu is set, but this library knows %zu bytes: "
					    "update it, or leave that as %s has it",
					    kind->name, size, i, kind->bytes, kind->init);
	return 0;
}

int lr_options_read(const struct lumaring_options *options, struct lumaring_options *ret_options,
		    struct lr_error *error)
{
	static const struct lr_options_kind kind = { "options", "LUMARING_OPTIONS_INIT", LR_OPTIONS_BYTES_MIN,
						     sizeof(*options), 0 };
	struct lumaring_options o = LUMARING_OPTIONS_INIT;
	const int r = options ? lr_options_copy(&kind, options, &o, error) : 0;

	*ret_options = o;
	return r;
}

int lr_options_check_region(const struct lumaring_region *region, struct lr_error *error)
{
	const uint32_t values[] = { region->x, region->y, region->width, region->height };
	static const char *const names[] = { "x", "y", "width", "height" };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i] > LUMARING_EXTENT_MAX)
			return lr_text_fail(error, -EINVAL, "region.%s is %u, accepted: 0 to %u", names[i], values[i],
					    LUMARING_EXTENT_MAX);
	return 0;
}

static int check_ranges(const struct lumaring_options *o, struct lr_error *error)
{
	const struct {
		const char *name;
		uint32_t value, min, max;
	} ranges[] = {
		{ "cursors", o->cursors, 0, LUMARING_CURSORS_MAX },
		{ "frames_max", o->frames_max, 1, FRAMES_MAX },
		{ "width_max", o->width_max, 0, LUMARING_EXTENT_MAX },
		{ "height_max", o->height_max, 0, LUMARING_EXTENT_MAX },
		{ "slots", o->slots, o->slots > 0 ? LUMARING_SLOTS_MIN : 0, LUMARING_SLOTS_MAX },
		{ "bin", o->bin, 0, 2 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
			return lr_text_fail(error, -EINVAL, "options.%s is %u, accepted: %u to %u", ranges[i].name,
					    ranges[i].value, ranges[i].min, ranges[i].max);
	if (o->flags & ~FLAGS_KNOWN)
		return lr_text_fail(error, -EINVAL, "options.flags is 0x%x, of which this library knows 0x%x", o->flags,
				    FLAGS_KNOWN);
	if (o->fourcc && o->fourcc != LUMARING_FORMAT_R8 && o->fourcc != LUMARING_FORMAT_R16)
		return lr_text_fail(error, -EINVAL,
				    "options.fourcc is 0x%08x, accepted: LUMARING_FORMAT_R8, LUMARING_FORMAT_R16, or 0 "
				    "for R8",
				    o->fourcc);
	if (o->timeout_ms < -1)
		return lr_text_fail(error, -EINVAL, "options.timeout_ms is %d, accepted: -1 (for ever) and up",
				    o->timeout_ms);
	return lr_options_check_region(&o->region, error);
}

static const char *environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] ? value : NULL;
}

/* "DIRECTORY/CAMERA/frames"; -EINVAL: longer than an address of a socket may be. */
static int set_address(struct lr_settings *s, const char *directory, const char *below, struct lr_error *error)
{
	int n = snprintf(s->address.sun_path, sizeof(s->address.sun_path), "%s%s/%s/frames", directory, below,
			 s->camera);

	s->address.sun_family = AF_UNIX;
	if (n < 0 || (size_t)n >= sizeof(s->address.sun_path))
		return lr_text_fail(
			error, -EINVAL,
			"the path of the frame socket below the runtime directory \"%.60s...\" has %d bytes, "
			"accepted: up to %zu: choose a shorter directory",
			directory, n, sizeof(s->address.sun_path) - 1);
	return 0;
}

static int find_socket(struct lr_settings *s, const char *runtime_dir, struct lr_error *error)
{
	const char *xdg = environment("XDG_RUNTIME_DIR");
	int r;

	if (!runtime_dir)
		runtime_dir = environment("LUMARING_RUNTIME_DIR");
	if (runtime_dir)
		return set_address(s, runtime_dir, "", error);
	r = set_address(s, RUNTIME_DIR, "", error);
	if (r < 0 || !xdg || access(s->address.sun_path, F_OK) == 0)
		return r;
	return set_address(s, xdg, "/lumaring", error);
}

static int set_name(char target[LUMARING_NAME_MAX + 1], const char *name, const char *what, struct lr_error *error)
{
	if (lr_text_check_name(name, strlen(name)) < 0)
		return lr_text_fail(error, -EINVAL,
				    "the %s's name \"%.40s\" is not 1 to %u of the characters a-z 0-9 _ -", what, name,
				    LUMARING_NAME_MAX);
	memcpy(target, name, strlen(name) + 1);
	return 0;
}

int lr_options_settle(const char *camera, const char *stream, const struct lumaring_options *options,
		      struct lr_settings *ret_settings, struct lr_error *error)
{
	struct lr_settings s = {
		.flags = options->flags,
		.cursors = options->flags & LUMARING_COPY ? 0 : options->cursors,
		.frames_max = options->frames_max,
		.slots = options->slots,
		.timeout_ms = options->timeout_ms,
		.region_first = options->region,
		.region = options->region,
		.width_max = options->width_max,
		.height_max = options->height_max,
		.fourcc = options->fourcc,
		.bin = options->bin,
	};
	int r = check_ranges(options, error);

	if (!camera)
		camera = environment("LUMARING_CAMERA");
	if (r == 0)
		r = set_name(s.camera, camera ? camera : "cam0", "camera", error);
	if (r == 0 && !(s.flags & LUMARING_PRIVATE))
		r = set_name(s.stream, stream ? stream : "main", "stream", error);
	if (r == 0)
		r = find_socket(&s, options->runtime_dir, error);
	if (r == 0)
		*ret_settings = s;
	return r;
}

int lr_options_control(const struct lr_settings *settings, struct sockaddr_un *ret_address, struct lr_error *error)
{
	const char *frames = settings->address.sun_path, *name = strrchr(frames, '/') + 1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%.*scontrol", (int)(name - frames), frames);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return lr_text_fail(
			error, -EINVAL,
			"the path of the control socket has %d bytes, accepted: up to %zu: choose a shorter "
			"runtime directory",
			n, sizeof(address.sun_path) - 1);
	*ret_address = address;
	return 0;
}
