/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_owner.c - see device_private.h: the operations of the main thread. While there is no camera they change what
 * will be, and return at once.
 */
#include "source/device_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

static struct device *device_of(struct source *source)
{
	return (struct device *)source;
}

/* To look at a device that others change, its lock has to change as well. For what waits for no camera. */
static struct device *view(const struct source *source)
{
	struct device *device = (struct device *)(uintptr_t)source;

	device_view(device);
	return device;
}

/*
 * Become the owner. -EAGAIN with a sentence: the keeper is in the library, and has not come back in time. Then nobody
 * waits for the same turn of it again: many who ask would have the main thread stand still for too long, and a hang is
 * found out by the main thread. Tried again and again, since a time limit of a mutex goes by a clock that may be set.
 */
static int lock(struct device *device, char *text, size_t text_bytes)
{
	static const struct timespec pause = { .tv_nsec = (long)NS_PER_MS };
	const uint64_t ends_ns = clock_monotonic_ns() + device->times.answer_ns;
	/* Relaxed: a word that stands alone. */
	const uint64_t looks = __atomic_load_n(&device->looks, __ATOMIC_RELAXED);
	const bool waits = !device->has_waited || device->waited_looks != looks;

	while (pthread_mutex_trylock(&device->lock) != 0) {
		if (!waits || clock_monotonic_ns() >= ends_ns) {
			device->has_waited = true;
			device->waited_looks = looks;
			return snprintf(text, text_bytes,
					"the camera does not answer just now: libcamera has not come back from a call"),
			       -EAGAIN;
		}
		nanosleep(&pause, NULL);
	}
	device->has_waited = false;
	return 0;
}

static int unlock(struct device *device, int rc)
{
	pthread_mutex_unlock(&device->lock);
	return rc;
}

/* --- looking -------------------------------------------------------------------------------------------------- */

static void owner_capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	struct libcamera_description description;
	struct device *device = view(source);
	bool is_known = device->has_description;

	description = device->description;
	device_unview(device, 0);
	if (is_known)
		choice_capabilities(&description, ret_capabilities);
	ret_capabilities->resizes = true;
	ret_capabilities->paces = description.frame_duration_min_ns > 0;
}

static void owner_controls(const struct source *source, struct source_controls *ret_controls)
{
	struct device *device = view(source);

	device_controls(device, ret_controls);
	device_unview(device, 0);
}

static unsigned owner_cameras(const struct source *source, struct source_identity *ret_cameras, unsigned max)
{
	struct device *device = view(source);
	unsigned count = device->camera_count < max ? device->camera_count : max;

	memcpy(ret_cameras, device->cameras, count * sizeof(*ret_cameras));
	device_unview(device, 0);
	return count;
}

static bool is_hung(const struct device *device)
{
	/* Relaxed: a word that stands alone. */
	uint64_t back_by_ns = __atomic_load_n(&device->back_by_ns, __ATOMIC_RELAXED);

	return back_by_ns && clock_monotonic_ns() > back_by_ns;
}

static void owner_report(const struct source *source, struct source_report *ret_report)
{
	struct device *device = view(source);

	*ret_report = device->memory;
	snprintf(ret_report->library, sizeof(ret_report->library), "libcamera %s", libcamera_version());
	if (device->has_description)
		snprintf(ret_report->camera, sizeof(ret_report->camera), "%s", device->description.identity.id);
	snprintf(ret_report->state, sizeof(ret_report->state), "%s", device_state_name(device->state));
	snprintf(ret_report->state_reason, sizeof(ret_report->state_reason), "%s", device->reason);
	snprintf(ret_report->format, sizeof(ret_report->format), "%s", device->configuration.format);
	/* Relaxed: counts, and a word, that stand alone. */
	ret_report->completed = __atomic_load_n(&device->head, __ATOMIC_RELAXED);
	ret_report->sensor_clock = __atomic_load_n(&device->sensor_clock, __ATOMIC_RELAXED);
	ret_report->retry_ms = (uint32_t)(device->times.retry_ns / NS_PER_MS);
	ret_report->looks = __atomic_load_n(&device->looks, __ATOMIC_RELAXED);
	ret_report->hung = is_hung(device);
	ret_report->given_up = device->given_up;
	ret_report->restarts = device->restarts;
	ret_report->losses = device->losses;
	ret_report->callback_longest_ns = device->longest_ns;
	if (device->camera && libcamera_longest_ns(device->camera) > device->longest_ns)
		ret_report->callback_longest_ns = libcamera_longest_ns(device->camera);
	device_unview(device, 0);
}

static bool owner_is_live(const struct source *source)
{
	(void)source;
	return true;
}

/* --- settings ------------------------------------------------------------------------------------------------- */

/* What the camera that is there would make of it. */
static int validate(const struct device *device, const struct libcamera_wish *wish, struct source_settings *settings,
		    struct source_fault *ret_fault)
{
	struct libcamera_configuration configuration;
	char text[256] = "";
	int rc = libcamera_validate(device->camera, wish, &configuration, text, sizeof(text));

	if (rc == -ENODEV)
		return 0; /* gone meanwhile: as far as is known */
	if (rc)
		return source_refuse(ret_fault, rc, "", "%s", text);
	settings->width = configuration.width;
	settings->height = configuration.height;
	if (!choice_layout(configuration.format, &settings->layout))
		return source_refuse(ret_fault, -ENOTSUP, "pixel_format",
				     "the camera makes %s of it, which luma cannot be taken from",
				     configuration.format);
	return 0;
}

static bool is_in_force(const struct libcamera_configuration *now, const struct source_settings *settings)
{
	struct pixels_layout layout;

	return settings->width == now->width && settings->height == now->height &&
	       choice_layout(now->format, &layout) && layout.name == settings->layout.name;
}

/* The limits of the rate of another size it tells when it has that. Until then what was asked for stands; 0: its own.
 */
static void check_rate(const struct device *device, struct source_settings *settings)
{
	if (!device->description.frame_duration_min_ns || is_in_force(&device->configuration, settings))
		device_fit_rate(device, settings);
	else if (device_rate_is_own(device, settings))
		settings->frame_duration_min_ns = settings->frame_duration_max_ns = 0;
}

static int check_settings(const struct device *device, const struct source_settings *wanted,
			  struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	uint64_t min_ns = wanted->frame_duration_min_ns, max_ns = wanted->frame_duration_max_ns;
	struct source_settings settings = *wanted;
	struct libcamera_wish wish;
	int rc = 0;

	if (min_ns && max_ns && min_ns > max_ns)
		return source_refuse(
			ret_fault, -EINVAL, "frame_duration_us.minimum",
			"the shortest time from frame to frame, %llu us, is more than the longest, %llu us",
			(unsigned long long)(min_ns / NS_PER_US), (unsigned long long)(max_ns / NS_PER_US));
	if (device->has_description) {
		rc = device_make_wish(device, wanted, &wish, &settings.layout, ret_fault);
		if (rc)
			return rc;
		settings.width = wish.width;
		settings.height = wish.height;
		if (device->camera)
			rc = validate(device, &wish, &settings, ret_fault);
		if (rc == 0)
			check_rate(device, &settings);
	}
	if (rc == 0)
		*ret_settings = settings;
	return rc;
}

static int owner_check(const struct source *source, const struct source_settings *wanted,
		       struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	struct device *device = (struct device *)(uintptr_t)source;
	char text[128];
	int rc = lock(device, text, sizeof(text));

	if (rc)
		return source_refuse(ret_fault, rc, "", "%s", text);
	return unlock(device, check_settings(device, wanted, ret_settings, ret_fault));
}

static int owner_set_rate(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns,
			  char *text, size_t text_bytes)
{
	struct device *device = view(source);

	if (device_was_configured(device) && !device->description.frame_duration_min_ns &&
	    (frame_duration_min_ns || frame_duration_max_ns))
		return snprintf(text, text_bytes, "the camera %s has a rate of its own, which cannot be set",
				device_name(device)),
		       device_unview(device, -ENOTSUP);
	device->settings.frame_duration_min_ns = frame_duration_min_ns;
	device->settings.frame_duration_max_ns = frame_duration_max_ns;
	device_fit_rate(device, &device->settings);
	device->rate_changed = true;
	device_send_wish(device);
	return device_unview(device, 0);
}

static int owner_set_controls(struct source *source, const struct source_controls *wanted,
			      struct source_controls *ret_controls, struct source_fault *ret_fault)
{
	struct device *device = view(source);
	int rc = device_take_controls(device, wanted, ret_fault);

	if (rc == 0) {
		device_send_wish(device);
		device_controls(device, ret_controls);
	}
	return device_unview(device, rc);
}

/* --- stop, configure, start ----------------------------------------------------------------------------------- */

static int owner_stop(struct source *source, char *text, size_t text_bytes)
{
	struct device *device = device_of(source);
	int rc;

	/* Y2 (release) pairs with Y1 in is_hurried(). */
	__atomic_store_n(&device->hurried, true, __ATOMIC_RELEASE);
	bell_ring(device->trial_fd);
	rc = lock(device, text, text_bytes);
	__atomic_store_n(&device->hurried, false, __ATOMIC_RELEASE);
	if (rc)
		return rc;
	if (device->state == DEVICE_RUNNING || device->state == DEVICE_STUCK)
		rc = device_stop(device, text, text_bytes);
	if (rc == 0)
		device_set_wanted(device, false);
	return unlock(device, rc);
}

static struct source_settings put_settings(struct device *device, const struct source_settings *settings)
{
	struct source_settings before;

	device_view(device);
	before = device->settings;
	device->settings = *settings;
	device_unview(device, 0);
	return before;
}

/* Settings that failed have left the camera half configured: as it was, or away until the keeper has another look. */
static void restore(struct device *device, const struct source_settings *before)
{
	enum device_trouble trouble;
	char text[256] = "";

	put_settings(device, before);
	if (device_configure(device, &trouble, text, sizeof(text)))
		device_lose(device, text);
}

static int owner_configure(struct source *source, const struct source_settings *wanted, char *text, size_t text_bytes)
{
	struct device *device = device_of(source);
	struct source_settings before;
	enum device_trouble trouble;
	int rc = lock(device, text, text_bytes);

	if (rc)
		return rc;
	before = put_settings(device, wanted);
	if (device->state == DEVICE_READY)
		rc = device_configure(device, &trouble, text, text_bytes);
	if (rc == -ENODEV || (rc && libcamera_find_gone(device->camera))) {
		device_lose(device, "it was unplugged"); /* when it is there again */
		rc = 0;
	}
	if (rc)
		restore(device, &before);
	device_view(device);
	device_send_wish(device);
	device_unview(device, 0);
	bell_ring(device->bell_fd);
	return unlock(device, rc);
}

static int owner_start(struct source *source)
{
	struct device *device = device_of(source);
	char text[256] = "";
	int rc = 0;

	rc = lock(device, text, sizeof(text));
	device_set_wanted(device, true); /* not before: else the keeper could start it, and be told that it cannot be */
	if (rc) {                        /* then the keeper does it when it is back */
		bell_ring(device->bell_fd);
		return 0;
	}
	if (device->state == DEVICE_READY)
		rc = device_start(device, text, sizeof(text));
	if (rc == -EAGAIN || rc == -ENODEV || (rc && libcamera_find_gone(device->camera)))
		rc = 0;                   /* the keeper goes on */
	if (rc && !device->was_started) { /* so there is nothing to go back to */
		device_fail_start(device, rc, text);
		rc = 0;
	}
	if (rc) {
		device_set_wanted(device, false);
		log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_CAMERA_FAILED, .error = -rc },
			  "camera %s: it cannot be started: %s", device_name(device), text);
	}
	bell_ring(device->bell_fd);
	return unlock(device, rc);
}

/* --- making and unmaking -------------------------------------------------------------------------------------- */

static void owner_destroy(struct source *source)
{
	struct device *device = device_of(source);
	int fds[] = { device->ready_fd, device->life_fd, device->bell_fd, device->trial_fd };

	device_finish(device);
	if (device->state == DEVICE_RUNNING || device->state == DEVICE_STUCK)
		device_shut_gate(device);
	libcamera_release(device->camera);
	libcamera_close(device->library);
	device_log_listen(-1);
	device_log_drain(device->state == DEVICE_ABSENT);
	buffers_destroy(device->buffers);
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&device->view);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

static void take_config(struct device *device, const struct source_config *config)
{
	device->source.operations = &device_operations;
	snprintf(device->which, sizeof(device->which), "%s", config->path ? config->path : "");
	device->buffer_count = config->buffer_count ? config->buffer_count : SOURCE_BUFFERS;
	device->sensor_width = config->sensor_width;
	device->sensor_height = config->sensor_height;
	device->sensor_depth = config->sensor_depth;
	device->settings = config->settings;
	device->times = device_times;
	device->gives_up = config->gives_up;
	for (unsigned number = 0; number < SOURCE_BUFFERS_MAX; number++)
		device->indices[number] = -1;
}

static int open_descriptors(struct device *device, char *text, size_t text_bytes)
{
	int *const fds[] = { &device->ready_fd, &device->life_fd, &device->bell_fd, &device->trial_fd };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		*fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*fds[i] < 0)
			return snprintf(text, text_bytes, "no descriptors for the camera: %s", strerror(errno)), -errno;
	}
	return 0;
}

static int make_buffers(struct device *device, const struct source_config *config, char *text, size_t text_bytes)
{
	const struct buffers_config buffers = {
		.memory = config->memory,
		.copy_ns = config->copy_ns,
		.copy_owner = config->copy_owner,
		.try_capture = device_try_capture,
		.try_owner = device,
	};
	int rc = buffers_create(&buffers, &device->buffers);

	if (rc)
		snprintf(text, text_bytes, "no memory for the camera");
	return rc;
}

/* What was asked for is wrong for this camera, or names none: waiting would not help. */
static bool is_mistake(int rc, enum device_trouble trouble)
{
	return trouble == DEVICE_UNCLEAR || trouble == DEVICE_UNFIT || rc == -EINVAL || rc == -ENOTSUP;
}

/* What forbids it stays for the life of the process. */
static void look_who_tells(struct device *device)
{
	device->is_told = libcamera_is_told();
	if (!device->is_told)
		log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_NO_HOTPLUG },
			  "nobody tells of cameras that come and go (no netlink, or no udev): one that is missing is "
			  "looked for every %llu s",
			  (unsigned long long)(device->times.retry_ns / NS_PER_SECOND));
}

/* A camera that is not there yet, that somebody else has, or that the system refuses now is no error. */
static int try_once(struct device *device, char *text, size_t text_bytes)
{
	enum device_trouble trouble = DEVICE_NO_LIBRARY;
	int rc = libcamera_open(device->life_fd, &device->library, text, text_bytes);

	if (rc == 0)
		rc = device_acquire(device, &trouble, text, text_bytes);
	else if (rc != -ENODEV)
		return rc;
	if (rc == 0)
		return 0;
	if (is_mistake(rc, trouble))
		return rc;
	device->trouble = trouble;
	snprintf(device->reason, sizeof(device->reason), "%s", text);
	log_event(LOG_LEVEL_WARNING, &(struct log_fields){ .event = device_event_of_trouble(trouble), .error = -rc },
		  "camera %s: %s, retrying every %llu s", device_name(device), text,
		  (unsigned long long)(device->times.retry_ns / NS_PER_SECOND));
	device->retry_at_ns = clock_monotonic_ns() + device->times.retry_ns;
	device_post_lost(device);
	return 0;
}

static int prepare(struct device *device, const struct source_config *config, char *text, size_t text_bytes)
{
	struct source_settings settings;
	struct source_fault fault;
	int rc = open_descriptors(device, text, text_bytes);

	if (rc)
		return rc;
	if (device->buffer_count > SOURCE_BUFFERS_MAX)
		return snprintf(text, text_bytes, "%u capture buffers were asked for, 1..%u are possible",
				device->buffer_count, SOURCE_BUFFERS_MAX),
		       -EINVAL;
	rc = check_settings(device, &device->settings, &settings, &fault);
	if (rc)
		return snprintf(text, text_bytes, "%s", fault.text), rc;
	wish_init(&device->wishes, &(struct wish){ 0 });
	device_log_listen(device->bell_fd);
	look_who_tells(device);
	rc = make_buffers(device, config, text, text_bytes);
	if (rc == 0)
		rc = try_once(device, text, text_bytes);
	device_log_drain(true);
	if (rc)
		return rc;
	rc = device_launch(device);
	if (rc)
		snprintf(text, text_bytes, "cannot begin the camera's thread: %s", strerror(-rc));
	return rc;
}

static int owner_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	struct device *device = calloc(1, sizeof(*device));
	int rc;

	if (!device)
		return snprintf(text, text_bytes, "no memory for the camera"), -ENOMEM;
	device->ready_fd = device->life_fd = device->bell_fd = device->trial_fd = -1;
	pthread_mutex_init(&device->lock, NULL);
	pthread_mutex_init(&device->view, NULL);
	take_config(device, config);
	rc = prepare(device, config, text, text_bytes);
	if (rc) {
		owner_destroy(&device->source);
		return rc;
	}
	*ret_source = &device->source;
	return 0;
}

const struct source_operations device_operations = {
	.name = "libcamera",
	.open = owner_open,
	.capabilities = owner_capabilities,
	.check = owner_check,
	.set_rate = owner_set_rate,
	.set_controls = owner_set_controls,
	.controls = owner_controls,
	.start = owner_start,
	.stop = owner_stop,
	.configure = owner_configure,
	.fd = device_fd,
	.fetch = device_fetch,
	.begin_read = device_begin_read,
	.release = device_release,
	.is_live = owner_is_live,
	.report = owner_report,
	.cameras = owner_cameras,
	.destroy = owner_destroy,
};
