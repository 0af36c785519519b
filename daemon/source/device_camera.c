/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_camera.c - see device_private.h: what is done to the camera. Everything here is the owner's, under the lock.
 */
#include "source/device_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "source/holders.h"

/* How long the one frame of a trial may take; a camera whose frames take longer still has as long as two of them. */
#define TRIAL_MS 1000u

const char *device_name(const struct device *device)
{
	if (device->has_description)
		return device->description.identity.id;
	return device->which[0] ? device->which : "of this machine";
}

static void set_mode(struct device *device, enum device_mode mode)
{
	/* M2 (release) pairs with M1 in device_completed(). */
	__atomic_store_n(&device->mode, (uint32_t)mode, __ATOMIC_RELEASE);
}

/* --- rate ----------------------------------------------------------------------------------------------------- */

uint64_t device_longest_frame_ns(struct device *device)
{
	/* Relaxed: see note_newest(). */
	uint64_t newest_ns = __atomic_load_n(&device->duration_us, __ATOMIC_RELAXED) * NS_PER_US, longest_ns;
	struct source_controls controls;
	bool own;

	device_view(device);
	own = device_rate_is_own(device, &device->settings);
	longest_ns = device->settings.frame_duration_max_ns;
	device_controls(device, &controls);
	device_unview(device, 0);
	if (!own)
		return longest_ns;
	longest_ns = (uint64_t)controls.values[SOURCE_EXPOSURE_US] * NS_PER_US;
	return newest_ns > longest_ns ? newest_ns : longest_ns;
}

static uint32_t fixed_duration_us(const struct source_settings *settings)
{
	if (settings->frame_duration_min_ns != settings->frame_duration_max_ns)
		return 0;
	return (uint32_t)((settings->frame_duration_min_ns + NS_PER_US / 2) / NS_PER_US);
}

/* --- one capture, to find out what memory the driver takes ----------------------------------------------------- */

/* Somebody waits who wants no camera. */
static bool is_hurried(const struct device *device)
{
	/* F1 (acquire) and Y1 (acquire) pair with F2 in device_finish() and Y2 in owner_stop(). The bell comes after
	 * both stores, and is cleared before these loads: what rings later wakes the next poll(). */
	return __atomic_load_n(&device->finishing, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&device->hurried, __ATOMIC_ACQUIRE);
}

static uint64_t trial_ends_ns(const struct device *device)
{
	uint64_t patience_ns = 2 * device->description.frame_duration_min_ns, least_ns = TRIAL_MS * NS_PER_MS;

	return clock_monotonic_ns() + (patience_ns > least_ns ? patience_ns : least_ns);
}

/* -ENODEV, too, if nobody wants it any more: then nothing is remembered of it. */
static int await_trial(struct device *device)
{
	uint64_t ends_ns = trial_ends_ns(device), now_ns = clock_monotonic_ns();
	struct pollfd fd = { .fd = device->trial_fd, .events = POLLIN };

	/* Relaxed: the keeper's own. If it is not here, somebody else is, who needs no supervision. */
	if (__atomic_load_n(&device->back_by_ns, __ATOMIC_RELAXED))
		device_expect_back(device, ends_ns - now_ns);
	while ((now_ns = clock_monotonic_ns()) < ends_ns) {
		/* T2 (acquire) pairs with T1 in device_completed(). */
		uint32_t trial = __atomic_load_n(&device->trial, __ATOMIC_ACQUIRE);

		if (trial != DEVICE_NO_TRIAL)
			return trial == LIBCAMERA_CANCELLED ? -EIO : 0;
		if (is_hurried(device))
			return -ENODEV;
		poll(&fd, 1, (int)((ends_ns - now_ns) / NS_PER_MS + 1));
		bell_clear(device->trial_fd);
	}
	return libcamera_find_gone(device->camera) ? -ENODEV : -ETIMEDOUT;
}

int device_try_capture(void *owner)
{
	const struct libcamera_change as_it_is = { 0 };
	struct device *device = owner;
	int rc;

	/* Relaxed: set_mode() has the order. */
	__atomic_store_n(&device->trial, DEVICE_NO_TRIAL, __ATOMIC_RELAXED);
	set_mode(device, DEVICE_TRIES);
	rc = libcamera_start(device->camera, &as_it_is, NULL, 0);
	if (rc == 0)
		rc = libcamera_queue(device->camera, 0, NULL);
	if (rc == 0)
		rc = await_trial(device);
	libcamera_stop(device->camera);
	set_mode(device, DEVICE_STOPS);
	bell_clear(device->trial_fd);
	return rc;
}

/* --- configuration -------------------------------------------------------------------------------------------- */

static uint64_t numbers_in_use(const struct device *device)
{
	uint64_t mine = 0;

	for (unsigned i = 0; i < device->camera_buffers; i++)
		mine |= device_bit(device->numbers[i]);
	return mine;
}

void device_release_stale(struct device *device)
{
	uint64_t returned = device->stale & ~device_held(device);

	device->stale &= ~returned;
	if (returned)
		buffers_release_held(device->buffers, returned);
}

/* The gate is shut. `held`: what buffers.c was told; some may have come back since. */
static void take_numbers(struct device *device, const unsigned numbers[SOURCE_BUFFERS_MAX], unsigned count,
			 uint64_t held)
{
	device->camera_buffers = count;
	for (unsigned number = 0; number < SOURCE_BUFFERS_MAX; number++)
		device->indices[number] = -1;
	for (unsigned i = 0; i < count; i++) {
		device->numbers[i] = numbers[i];
		device->indices[numbers[i]] = (int)i;
	}
	device->stale = (device->stale | held) & ~numbers_in_use(device);
	if (device->stale & ~device_held(device))
		bell_ring(device->bell_fd);
}

static int prepare_buffers(struct device *device, const struct libcamera_configuration *configuration,
			   struct source_format *format, char *text, size_t text_bytes)
{
	struct source_report memory = { 0 };
	unsigned numbers[SOURCE_BUFFERS_MAX];
	uint64_t held;
	int rc;

	if (configuration->buffer_count > SOURCE_BUFFERS_MAX)
		return snprintf(text, text_bytes, "the camera wants %u capture buffers, at most %u are possible",
				configuration->buffer_count, SOURCE_BUFFERS_MAX),
		       -EINVAL;
	device_release_stale(device);
	held = device_held(device);
	rc = buffers_prepare(device->buffers, device->camera, configuration, format, held, numbers, &format->uncached,
			     text, text_bytes);
	if (rc == 0)
		take_numbers(device, numbers, configuration->buffer_count, held);
	buffers_report(device->buffers, &memory);
	device_view(device);
	device->memory = memory;
	return device_unview(device, rc);
}

static struct source_format format_of(const struct libcamera_configuration *configuration,
				      const struct pixels_layout *layout)
{
	return (struct source_format){
		.width = configuration->width,
		.height = configuration->height,
		.pixels = layout->pixels,
		.stride = configuration->stride,
		.luma_range = configuration->luma_range,
		.sensor_clock = LUMARING_CLOCK_UNKNOWN, /* the reader knows */
	};
}

int device_make_wish(const struct device *device, const struct source_settings *settings,
		     struct libcamera_wish *ret_wish, struct pixels_layout *ret_layout, struct source_fault *ret_fault)
{
	int rc = choice_make(&device->description, settings, ret_wish, ret_layout, ret_fault);

	if (rc)
		return rc;
	ret_wish->buffer_count = device->buffer_count;
	ret_wish->sensor_width = device->sensor_width;
	ret_wish->sensor_height = device->sensor_height;
	ret_wish->sensor_depth = device->sensor_depth;
	return 0;
}

/* Make a wish of the settings and have the camera configured. */
static int configure_pipeline(struct device *device, struct libcamera_configuration *ret_configuration,
			      struct pixels_layout *ret_layout, enum device_trouble *ret_trouble, char *text,
			      size_t text_bytes)
{
	struct source_settings settings;
	struct libcamera_wish wish;
	struct source_fault fault;
	int rc;

	device_view(device);
	settings = device->settings;
	device_unview(device, 0);
	rc = device_make_wish(device, &settings, &wish, ret_layout, &fault);

	*ret_trouble = DEVICE_UNFIT;
	if (rc)
		return snprintf(text, text_bytes, "%s", fault.text), rc;
	*ret_trouble = DEVICE_NOT_CONFIGURED;
	rc = libcamera_configure(device->camera, &wish, ret_configuration, text, text_bytes);
	if (rc == 0 && !choice_layout(ret_configuration->format, ret_layout))
		return snprintf(text, text_bytes, "the camera makes %s of it, which luma cannot be taken from",
				ret_configuration->format),
		       -ENOTSUP;
	return rc;
}

static double rate_of(uint64_t duration_ns)
{
	return duration_ns ? (double)NS_PER_SECOND / (double)duration_ns : 0;
}

/* What was asked for is not what it can at this size. */
static void log_rate(const struct device *device, const struct source_settings *asked,
		     const struct source_settings *got)
{
	static const struct log_fields fields = { .event = LOG_EVENT_SETTING_NOT_MET };
	const struct libcamera_configuration *configuration = &device->configuration;

	if (!got->frame_duration_max_ns)
		log_event(LOG_LEVEL_WARNING, &fields,
			  "camera %s: it has a rate of its own, ignoring what was asked for", device_name(device));
	else if (asked->frame_duration_min_ns < got->frame_duration_min_ns)
		log_event(LOG_LEVEL_WARNING, &fields,
			  "camera %s: %.4g frames/s were asked for, at %ux%u it makes %.4g at most",
			  device_name(device), rate_of(asked->frame_duration_min_ns), configuration->width,
			  configuration->height, rate_of(got->frame_duration_min_ns));
	else
		log_event(LOG_LEVEL_WARNING, &fields,
			  "camera %s: %.4g frames/s were asked for, at %ux%u it makes %.4g at least",
			  device_name(device), rate_of(asked->frame_duration_max_ns), configuration->width,
			  configuration->height, rate_of(got->frame_duration_max_ns));
}

/*
 * Ranges are those of the configuration in force, NULL: of none yet. Then a pipeline tells limits of the rate that hold
 * for no size (30 frames/s at most on a Raspberry Pi), so they do not count. Returns the time that each frame takes, 0:
 * it may differ.
 */
static uint32_t describe(struct device *device, const struct libcamera_configuration *configuration)
{
	struct libcamera_description description;
	struct source_settings asked, got;
	bool own;

	libcamera_describe(device->camera, &description);
	device_view(device);
	own = device_rate_is_own(device, &device->settings);
	if (!configuration) {
		description.frame_duration_min_ns = device->description.frame_duration_min_ns;
		description.frame_duration_max_ns = device->description.frame_duration_max_ns;
	}
	device->description = description;
	device->has_description = true;
	if (configuration)
		device->configuration = *configuration;
	if (configuration && own)
		device->settings.frame_duration_min_ns = device->settings.frame_duration_max_ns = 0;
	asked = device->settings;
	device_fit_rate(device, &device->settings);
	got = device->settings;
	device_unview(device, 0);
	if ((asked.frame_duration_min_ns && asked.frame_duration_min_ns != got.frame_duration_min_ns) ||
	    (asked.frame_duration_max_ns && asked.frame_duration_max_ns != got.frame_duration_max_ns))
		log_rate(device, &asked, &got);
	return fixed_duration_us(&got);
}

int device_configure(struct device *device, enum device_trouble *ret_trouble, char *text, size_t text_bytes)
{
	struct libcamera_configuration configuration;
	struct pixels_layout layout;
	struct source_format format;
	int rc = configure_pipeline(device, &configuration, &layout, ret_trouble, text, text_bytes);

	if (rc)
		return rc;
	*ret_trouble = DEVICE_NO_BUFFERS;
	format = format_of(&configuration, &layout);
	rc = prepare_buffers(device, &configuration, &format, text, text_bytes);
	if (rc)
		return rc;
	device->format = format;
	device->format.frame_duration_us = describe(device, &configuration);
	*ret_trouble = DEVICE_NO_TROUBLE;
	return 0;
}

/* --- notes ---------------------------------------------------------------------------------------------------- */

/* How long a frame takes, and by which clock it is stamped, each frame tells itself. */
static bool same_format(const struct source_format *one, const struct source_format *other)
{
	return one->width == other->width && one->height == other->height && one->pixels == other->pixels &&
	       one->stride == other->stride && one->uncached == other->uncached && one->luma_range == other->luma_range;
}

static void announce(struct device *device)
{
	if (device->announced && same_format(&device->announced_format, &device->format))
		return;
	device_post(device, (struct device_note){
				    .kind = DEVICE_NOTE_EVENT,
				    .event = { .kind = SOURCE_FORMAT, .format = device->format },
			    });
	device->announced = true;
	device->announced_format = device->format;
}

void device_post_lost(struct device *device)
{
	if (device->lost_told && device->lost_frames == device_frames(device))
		return;
	device_post(device, (struct device_note){ .kind = DEVICE_NOTE_EVENT, .event = { .kind = SOURCE_LOST } });
	device->lost_told = true;
	device->lost_frames = device_frames(device);
}

void device_count(struct device *device, uint64_t *count)
{
	device_view(device);
	(*count)++;
	device_unview(device, 0);
}

/* --- there and gone ------------------------------------------------------------------------------------------- */

void device_list(struct device *device)
{
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	unsigned count = libcamera_list(device->library, cameras, SOURCE_CAMERAS_MAX);

	device_view(device);
	memcpy(device->cameras, cameras, count * sizeof(*cameras));
	device->camera_count = count;
	device_unview(device, 0);
}

static bool find_id(const struct device *device, const char *id, unsigned *ret_index)
{
	for (unsigned i = 0; i < device->camera_count; i++)
		if (strcmp(device->cameras[i].id, id) == 0) {
			*ret_index = i;
			return true;
		}
	return false;
}

/* The one that was there before; or of its model and meant, at another place. */
static int find_camera(struct device *device, unsigned *ret_index, char *text, size_t text_bytes)
{
	const struct source_identity *before = &device->description.identity;
	int rc;

	device_list(device);
	if (device->has_description && find_id(device, before->id, ret_index))
		return 0;
	rc = choice_find_camera(device->cameras, device->camera_count, device->which, ret_index, text, text_bytes);
	if (rc == 0 && device->has_description && strcmp(device->cameras[*ret_index].model, before->model) != 0)
		return snprintf(text, text_bytes, "it is not there"), -ENODEV;
	return rc;
}

static enum device_trouble why_not_acquired(int rc, char *text, size_t text_bytes)
{
	char holders[160];

	if (rc == -ENODEV)
		return DEVICE_NO_CAMERA;
	if (rc != -EBUSY)
		return DEVICE_NOT_ACQUIRED;
	if (holders_find(NULL, holders, sizeof(holders)))
		snprintf(text, text_bytes, "another process has it; who has a camera open: %s", holders);
	else
		snprintf(text, text_bytes, "another process has it");
	return DEVICE_BUSY;
}

static void take_camera(struct device *device, struct libcamera_camera *camera)
{
	device_view(device);
	device->camera = camera;
	device_unview(device, 0);
}

static void release_camera(struct device *device)
{
	struct libcamera_camera *camera = device->camera;
	uint64_t held;

	libcamera_stop(camera);
	held = device_held(device);
	buffers_detach(device->buffers, held);
	device_view(device);
	device->longest_ns = libcamera_longest_ns(camera);
	device->camera = NULL;
	device_unview(device, 0);
	libcamera_release(camera);
	take_numbers(device, NULL, 0, held);
}

static int make_ready(struct device *device, const char *id, enum device_trouble *ret_trouble, char *text,
		      size_t text_bytes)
{
	const struct libcamera_listener listener = { .owner = device, .completed = device_completed };
	struct libcamera_camera *camera;
	int rc = libcamera_acquire(device->library, id, &listener, &camera, text, text_bytes);

	if (rc)
		return *ret_trouble = why_not_acquired(rc, text, text_bytes), rc;
	take_camera(device, camera);
	describe(device, NULL);
	rc = device_configure(device, ret_trouble, text, text_bytes);
	if (rc) {
		if (libcamera_find_gone(device->camera))
			*ret_trouble = DEVICE_NO_CAMERA;
		else if (rc == -EBUSY) /* by a program that uses the driver without libcamera */
			*ret_trouble = why_not_acquired(rc, text, text_bytes);
		release_camera(device);
		return is_hurried(device) ? -EAGAIN : rc;
	}
	device_view(device);
	device_fit_controls(device);
	device_unview(device, 0);
	device_set_state(device, DEVICE_READY, "");
	if (!device->announced)
		announce(device);
	return 0;
}

int device_acquire(struct device *device, enum device_trouble *ret_trouble, char *text, size_t text_bytes)
{
	unsigned index;
	int rc;

	if (!device_has_room(device, DEVICE_NOTES_OF_A_RUN))
		return snprintf(text, text_bytes, "the capture thread has not caught up"), -EAGAIN;
	rc = find_camera(device, &index, text, text_bytes);
	*ret_trouble = rc == -EINVAL ? DEVICE_UNCLEAR : DEVICE_NO_CAMERA;
	if (rc)
		return rc;
	return make_ready(device, device->cameras[index].id, ret_trouble, text, text_bytes);
}

void device_lose(struct device *device, const char *reason)
{
	bool ran = device->state == DEVICE_RUNNING || device->state == DEVICE_STUCK;
	bool gone = libcamera_find_gone(device->camera);

	if (ran) {
		device_shut_gate(device);
		set_mode(device, DEVICE_STOPS);
	}
	release_camera(device);
	if (gone)
		device->restarts_in_row = 0; /* they are not why */
	device->retry_at_ns = clock_monotonic_ns();
	/* A library that was not told that it is gone has no rest until it is closed: with the next look. */
	if (device->is_told || !gone)
		device->retry_at_ns += device->times.retry_ns;
	/* Whoever hears of it finds out why. Of one that is gone, everything fails for that reason. */
	device_set_state(device, DEVICE_ABSENT, gone ? "it was unplugged" : reason);
	if (ran || gone)
		device_count(device, &device->losses);
	device_post_lost(device);
}

/* --- start and stop ------------------------------------------------------------------------------------------- */

/* The camera is stopped, the gate shut. */
static int begin_capture(struct device *device, char *text, size_t text_bytes)
{
	struct libcamera_change change;
	int rc;

	device_view(device);
	device_send_wish(device);
	change = (struct libcamera_change){
		.controls = device->wishes.wished.controls,
		.frame_duration_min_ns = device->wishes.wished.frame_duration_min_ns,
		.frame_duration_max_ns = device->wishes.wished.frame_duration_max_ns,
	};
	device_unview(device, 0);
	set_mode(device, DEVICE_LISTENS);
	rc = libcamera_start(device->camera, &change, text, text_bytes);
	if (rc) {
		set_mode(device, DEVICE_STOPS);
		return rc;
	}
	device->frames_started = device->frames_seen = device_frames(device);
	device->quiet_since_ns = clock_monotonic_ns();
	device_open_gate(device, true);
	return 0;
}

int device_start(struct device *device, char *text, size_t text_bytes)
{
	struct device_note note = { .kind = DEVICE_NOTE_RESTART };
	int rc;

	if (!device_has_room(device, DEVICE_NOTES_OF_A_RUN))
		return snprintf(text, text_bytes, "the capture thread has not caught up"), -EAGAIN;
	announce(device);
	device_view(device);
	device->rate_changed = false;
	note.min_ns = device->settings.frame_duration_min_ns;
	note.max_ns = device->settings.frame_duration_max_ns;
	device_unview(device, 0);
	device_post(device, note);
	rc = begin_capture(device, text, text_bytes);
	if (rc)
		return rc;
	device->restarts_in_row = 0;
	device->was_started = true;
	device_set_state(device, DEVICE_RUNNING, "");
	return 0;
}

static int end_capture(struct device *device, char *text, size_t text_bytes)
{
	int rc;

	device_shut_gate(device);
	set_mode(device, DEVICE_STOPS);
	rc = libcamera_stop(device->camera);
	if (rc == 0 || libcamera_is_gone(device->camera))
		return 0;
	set_mode(device, DEVICE_LISTENS);
	device_open_gate(device, false);
	return snprintf(text, text_bytes, "the camera cannot be stopped: %s", strerror(-rc)), rc;
}

int device_stop(struct device *device, char *text, size_t text_bytes)
{
	int rc = end_capture(device, text, text_bytes);

	if (rc == 0)
		device_set_state(device, DEVICE_READY, "");
	return rc;
}

int device_restart(struct device *device, char *text, size_t text_bytes)
{
	int rc;

	if (!device_has_room(device, DEVICE_NOTES_OF_A_RUN))
		return snprintf(text, text_bytes, "the capture thread has not caught up"), -EAGAIN;
	rc = end_capture(device, text, text_bytes);
	if (rc)
		return rc;
	device_count(device, &device->restarts);
	device->restarts_in_row++;
	device_post(device, (struct device_note){ .kind = DEVICE_NOTE_STOOD_STILL, .now_ns = clock_monotonic_ns() });
	device_post_lost(device);
	return begin_capture(device, text, text_bytes);
}
