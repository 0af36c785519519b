/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_libcamera.c - see fake_libcamera.h: one lock, one condition, one thread a library. */
#include "fake_libcamera.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

#define CAMERAS_MAX 4u
#define FRAME_NS (10 * NS_PER_MS)
#define PACE_NS NS_PER_MS

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "fake_libcamera: %s:%d: %s does not hold\n", __FILE__, __LINE__, #what);       \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct libcamera_library {
	pthread_t thread;
	int life_fd;
	uint64_t serial; /* it knows the cameras plugged before */
	bool closing;
	struct libcamera_library *next;
};

struct plugged {
	bool present, listed; /* there; to be seen for libraries that do not know of its end */
	uint64_t serial, gone_serial;
	bool told, gone_told;
	struct libcamera_description description;
	struct libcamera_camera *acquired;
};

struct memory {
	int fd;
	uint8_t *pixels; /* NULL: cannot be written */
	size_t bytes;
	bool cancels, queued;
};

struct libcamera_camera {
	struct libcamera_library *library;
	struct plugged *plugged;
	uint64_t serial; /* of what was plugged then */
	struct libcamera_listener listener;
	struct libcamera_configuration configuration;
	bool configured, running, gone, in_callback, cancel_all;
	struct memory memories[SOURCE_BUFFERS_MAX];
	unsigned memory_count;
	unsigned queue[SOURCE_BUFFERS_MAX], queue_count; /* oldest first */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct libcamera_library *libraries;
	struct plugged cameras[CAMERAS_MAX];
	struct libcamera_camera *camera; /* the acquired one */
	unsigned live, left;
	uint64_t serial;
	bool deaf;

	int failures[FAKE_CALLS];
	unsigned failing[FAKE_CALLS], counts[FAKE_CALLS], waiting[FAKE_CALLS];
	bool held[FAKE_CALLS];
	bool (*refuses)(int fd);
	bool (*cancels)(int fd);
	unsigned buffer_count;
	uint64_t duration_min_ns, duration_max_ns; /* 0: as the description says */

	enum fake_pace pace;
	uint32_t number; /* of the newest frame by pace */
	uint64_t next_ns;
	bool ordered; /* fake_complete() */
	struct libcamera_completion order;

	struct libcamera_wish wish;
	struct libcamera_change start_change, queue_change;
	unsigned queue_changes;
	void (*line)(enum log_level level, const char *text);
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&fake.lock);
}

static void unlock(void)
{
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
}

static void wait_change(void)
{
	pthread_cond_broadcast(&fake.changed);
	pthread_cond_wait(&fake.changed, &fake.lock);
}

/* Count a call; wait while it is held; 0, or the failure it has. */
static int enter(enum fake_call call, char *text, size_t text_bytes)
{
	fake.counts[call]++;
	fake.waiting[call]++;
	while (fake.held[call])
		wait_change();
	fake.waiting[call]--;
	if (!fake.failing[call])
		return 0;
	if (fake.failing[call] != UINT32_MAX)
		fake.failing[call]--;
	if (text)
		snprintf(text, text_bytes, "the fake says no");
	return fake.failures[call];
}

static int say(int rc, char *text, size_t text_bytes, const char *sentence)
{
	if (text)
		snprintf(text, text_bytes, "%s", sentence);
	return rc;
}

/* --- the library ---------------------------------------------------------------------------------------------- */

/* Complete one request; the lock is left meanwhile, as `completed` may queue. */
static void deliver(struct libcamera_camera *camera, unsigned at, struct libcamera_completion completion)
{
	unsigned buffer = camera->queue[at];
	struct memory *memory = &camera->memories[buffer];

	memmove(&camera->queue[at], &camera->queue[at + 1], (--camera->queue_count - at) * sizeof(camera->queue[0]));
	memory->queued = false;
	completion.buffer = buffer;
	if (memory->cancels)
		completion.status = LIBCAMERA_CANCELLED;
	if (memory->pixels && completion.status != LIBCAMERA_CANCELLED) {
		uint64_t number = completion.camera_sequence;

		memcpy(memory->pixels, &number, sizeof(number));
	}
	camera->in_callback = true;
	pthread_mutex_unlock(&fake.lock);
	camera->listener.completed(camera->listener.owner, &completion);
	pthread_mutex_lock(&fake.lock);
	camera->in_callback = false;
	pthread_cond_broadcast(&fake.changed);
}

static struct libcamera_completion paced_frame(void)
{
	fake.number++;
	return (struct libcamera_completion){
		.status = LIBCAMERA_FRAME,
		.ready_ns = clock_monotonic_ns(),
		.sensor_ns = fake.number * FRAME_NS,
		.camera_sequence = fake.number,
	};
}

static bool is_unplugged(const struct libcamera_camera *camera)
{
	return !camera->plugged->present || camera->plugged->serial != camera->serial;
}

/* The next thing to do for the library's camera: true, something was done. */
static bool act(struct libcamera_camera *camera)
{
	if (camera->cancel_all) {
		while (camera->queue_count)
			deliver(camera, 0, (struct libcamera_completion){ .status = LIBCAMERA_CANCELLED });
		camera->cancel_all = false;
		return true;
	}
	if (!camera->running || camera->gone || is_unplugged(camera) || !camera->queue_count)
		return false;
	if (fake.ordered) {
		deliver(camera, 0, fake.order);
		fake.ordered = false;
		return true;
	}
	if (fake.pace == FAKE_MANUAL || (fake.pace == FAKE_PACED && clock_monotonic_ns() < fake.next_ns))
		return false;
	fake.next_ns = clock_monotonic_ns() + PACE_NS;
	deliver(camera, 0, paced_frame());
	return true;
}

static void *library_thread(void *argument)
{
	struct libcamera_library *library = argument;

	lock();
	while (!library->closing) {
		struct libcamera_camera *camera = fake.camera;

		if (camera && camera->library == library && act(camera)) {
			pthread_cond_broadcast(&fake.changed);
			continue;
		}
		if (fake.pace == FAKE_PACED) {
			struct timespec until;

			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += PACE_NS;
			if (until.tv_nsec >= (long)NS_PER_SECOND) {
				until.tv_nsec -= (long)NS_PER_SECOND;
				until.tv_sec++;
			}
			pthread_cond_timedwait(&fake.changed, &fake.lock, &until);
		} else {
			pthread_cond_wait(&fake.changed, &fake.lock);
		}
	}
	unlock();
	return NULL;
}

const char *libcamera_version(void)
{
	return "0.0.0-fake";
}

void libcamera_set_log(void (*line)(enum log_level level, const char *text))
{
	lock();
	fake.line = line;
	unlock();
}

int libcamera_open(int life_fd, struct libcamera_library **ret_library, char *text, size_t text_bytes)
{
	struct libcamera_library *library;
	int rc;

	lock();
	rc = enter(FAKE_OPEN, text, text_bytes);
	if (!rc) {
		must(!fake.libraries); /* one CameraManager a process */
		library = calloc(1, sizeof(*library));
		library->life_fd = life_fd;
		library->serial = fake.serial;
		library->next = fake.libraries;
		fake.libraries = library;
		fake.live++;
		pthread_create(&library->thread, NULL, library_thread, library);
		*ret_library = library;
	}
	unlock();
	return rc;
}

bool libcamera_is_told(void)
{
	bool deaf;

	lock();
	deaf = fake.deaf;
	unlock();
	return !deaf;
}

void libcamera_close(struct libcamera_library *library)
{
	if (!library)
		return;
	lock();
	must(!fake.camera || fake.camera->library != library);
	library->closing = true;
	for (struct libcamera_library **at = &fake.libraries; *at; at = &(*at)->next)
		if (*at == library) {
			*at = library->next;
			break;
		}
	fake.live--;
	unlock();
	pthread_join(library->thread, NULL);
	free(library);
}

static bool knows(const struct libcamera_library *library, const struct plugged *plugged)
{
	if (!plugged->serial || (plugged->serial > library->serial && !plugged->told))
		return false;
	return plugged->present || (plugged->gone_serial > library->serial && !plugged->gone_told);
}

static int by_id(const void *one, const void *other)
{
	return strcmp(((const struct source_identity *)one)->id, ((const struct source_identity *)other)->id);
}

unsigned libcamera_list(const struct libcamera_library *library, struct source_identity *ret_cameras, unsigned max)
{
	unsigned count = 0;

	lock();
	for (unsigned i = 0; i < CAMERAS_MAX && count < max; i++)
		if (knows(library, &fake.cameras[i]))
			ret_cameras[count++] = fake.cameras[i].description.identity;
	unlock();
	qsort(ret_cameras, count, sizeof(*ret_cameras), by_id);
	return count;
}

/* --- a camera ------------------------------------------------------------------------------------------------- */

static struct plugged *find(const char *id)
{
	for (unsigned i = 0; i < CAMERAS_MAX; i++)
		if (fake.cameras[i].serial && strcmp(fake.cameras[i].description.identity.id, id) == 0)
			return &fake.cameras[i];
	return NULL;
}

int libcamera_acquire(struct libcamera_library *library, const char *id, const struct libcamera_listener *listener,
		      struct libcamera_camera **ret_camera, char *text, size_t text_bytes)
{
	struct plugged *plugged;
	struct libcamera_camera *camera;
	int rc;

	lock();
	rc = enter(FAKE_ACQUIRE, text, text_bytes);
	plugged = find(id);
	if (!rc && (!plugged || !plugged->present))
		rc = say(-ENODEV, text, text_bytes, "there is no such camera");
	if (!rc) {
		must(!fake.camera);
		camera = calloc(1, sizeof(*camera));
		camera->library = library;
		camera->plugged = plugged;
		camera->serial = plugged->serial;
		camera->listener = *listener;
		plugged->acquired = fake.camera = camera;
		fake.live++;
		*ret_camera = camera;
	}
	unlock();
	return rc;
}

static void forget(struct libcamera_camera *camera)
{
	for (unsigned i = 0; i < camera->memory_count; i++) {
		struct memory *memory = &camera->memories[i];

		if (memory->pixels)
			munmap(memory->pixels, memory->bytes);
		close(memory->fd);
		*memory = (struct memory){ 0 };
	}
	camera->memory_count = 0;
}

/* Cancelled in the library's thread, as the real one does. */
static void stop(struct libcamera_camera *camera)
{
	camera->running = false;
	if (fake.deaf && is_unplugged(camera)) {
		camera->gone = true;
		fake.left++;
	}
	if (!camera->gone) {
		camera->cancel_all = true;
		while (camera->cancel_all)
			wait_change();
	}
	while (camera->in_callback)
		wait_change();
	for (unsigned i = 0; i < camera->queue_count; i++)
		camera->memories[camera->queue[i]].queued = false;
	camera->queue_count = 0;
}

void libcamera_release(struct libcamera_camera *camera)
{
	if (!camera)
		return;
	lock();
	if (camera->running)
		stop(camera);
	forget(camera);
	must(camera == fake.camera);
	fake.camera = NULL;
	camera->plugged->acquired = NULL;
	fake.live--;
	unlock();
	free(camera);
}

bool libcamera_is_gone(const struct libcamera_camera *camera)
{
	bool gone;

	lock();
	gone = camera->gone;
	unlock();
	return gone;
}

bool libcamera_find_gone(struct libcamera_camera *camera)
{
	bool gone;

	lock();
	camera->gone = camera->gone || is_unplugged(camera);
	gone = camera->gone;
	unlock();
	return gone;
}

uint64_t libcamera_longest_ns(const struct libcamera_camera *camera)
{
	(void)camera;
	return 12345;
}

void libcamera_describe(const struct libcamera_camera *camera, struct libcamera_description *ret_description)
{
	lock();
	*ret_description = camera->plugged->description;
	unlock();
}

/* --- configuration -------------------------------------------------------------------------------------------- */

static bool is_luma_first(const char *format)
{
	return strncmp(format, "YU", 2) == 0 && strcmp(format, "YUYV") != 0;
}

/* Strides are never widths. */
static int make_configuration(const struct libcamera_wish *wish, struct libcamera_configuration *ret)
{
	uint32_t row_bytes = is_luma_first(wish->format) || strcmp(wish->format, "NV12") == 0 ? wish->width
			     : strcmp(wish->format, "R8") == 0                                ? wish->width
											      : 2 * wish->width;

	if (strcmp(wish->format, "MJPEG") == 0 || !wish->width || !wish->height)
		return -EINVAL;
	*ret = (struct libcamera_configuration){
		.width = wish->width,
		.height = wish->height,
		.stride = (row_bytes + 32 + 63) / 64 * 64,
		.buffer_count = fake.buffer_count ? fake.buffer_count : wish->buffer_count,
		.luma_range = wish->full_range ? LUMARING_RANGE_FULL : LUMARING_RANGE_LIMITED,
	};
	ret->frame_bytes = ret->stride * ret->height * 3 / 2;
	memcpy(ret->format, wish->format, sizeof(ret->format));
	return 0;
}

int libcamera_validate(const struct libcamera_camera *camera, const struct libcamera_wish *wish,
		       struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes)
{
	int rc;

	lock();
	rc = enter(FAKE_VALIDATE, text, text_bytes);
	if (!rc && camera->gone)
		rc = say(-ENODEV, text, text_bytes, "the camera is gone");
	if (!rc && make_configuration(wish, ret_configuration))
		rc = say(-EINVAL, text, text_bytes, "nothing like it is possible");
	unlock();
	return rc;
}

int libcamera_configure(struct libcamera_camera *camera, const struct libcamera_wish *wish,
			struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes)
{
	int rc;

	lock();
	must(!camera->running);
	rc = enter(FAKE_CONFIGURE, text, text_bytes);
	if (!rc && camera->gone)
		rc = say(-ENODEV, text, text_bytes, "the camera is gone");
	forget(camera);
	if (!rc && make_configuration(wish, &camera->configuration))
		rc = say(-EINVAL, text, text_bytes, "nothing like it is possible");
	if (!rc) {
		camera->configured = true;
		if (fake.duration_min_ns) {
			camera->plugged->description.frame_duration_min_ns = fake.duration_min_ns;
			camera->plugged->description.frame_duration_max_ns = fake.duration_max_ns;
		}
		fake.wish = *wish;
		*ret_configuration = camera->configuration;
	}
	unlock();
	return rc;
}

/* --- buffers -------------------------------------------------------------------------------------------------- */

static void add_memory(struct libcamera_camera *camera, int fd, size_t offset, size_t bytes)
{
	struct memory *memory = &camera->memories[camera->memory_count++];
	void *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	memory->fd = fd;
	memory->bytes = bytes;
	memory->pixels = pixels == MAP_FAILED ? NULL : pixels;
}

int libcamera_import(struct libcamera_camera *camera, const struct libcamera_memory *memories, unsigned count,
		     char *text, size_t text_bytes)
{
	int rc;

	lock();
	must(!camera->running && camera->configured && count <= SOURCE_BUFFERS_MAX);
	rc = enter(FAKE_IMPORT, text, text_bytes);
	for (unsigned i = 0; !rc && i < count; i++)
		if (memories[i].bytes < camera->configuration.frame_bytes ||
		    (fake.refuses && fake.refuses(memories[i].fd)))
			rc = say(-EINVAL, text, text_bytes, "the memory is refused");
	if (!rc) {
		forget(camera);
		for (unsigned i = 0; i < count; i++) {
			bool cancels = fake.cancels && fake.cancels(memories[i].fd);

			add_memory(camera, dup(memories[i].fd), memories[i].offset, memories[i].bytes);
			camera->memories[i].cancels = cancels;
		}
	}
	unlock();
	return rc;
}

int libcamera_export(struct libcamera_camera *camera, struct libcamera_memory *ret_memories, unsigned max,
		     unsigned *ret_count, char *text, size_t text_bytes)
{
	int rc;

	lock();
	must(!camera->running && camera->configured);
	rc = enter(FAKE_EXPORT, text, text_bytes);
	if (!rc) {
		forget(camera);
		*ret_count = camera->configuration.buffer_count < max ? camera->configuration.buffer_count : max;
		for (unsigned i = 0; i < *ret_count; i++) {
			size_t bytes = (camera->configuration.frame_bytes + 4095) / 4096 * 4096;
			int fd = memfd_create("fake camera", MFD_CLOEXEC);

			must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
			add_memory(camera, fd, 0, bytes);
			ret_memories[i] = (struct libcamera_memory){ .fd = fd, .bytes = bytes };
		}
	}
	unlock();
	return rc;
}

void libcamera_forget(struct libcamera_camera *camera)
{
	lock();
	must(!camera->running);
	forget(camera);
	unlock();
}

/* --- capture -------------------------------------------------------------------------------------------------- */

int libcamera_start(struct libcamera_camera *camera, const struct libcamera_change *change, char *text,
		    size_t text_bytes)
{
	int rc;

	lock();
	must(!camera->running && camera->configured);
	rc = enter(FAKE_START, text, text_bytes);
	if (!rc && camera->gone)
		rc = say(-ENODEV, text, text_bytes, "the camera is gone");
	if (!rc) {
		camera->running = true;
		if (change)
			fake.start_change = *change;
	}
	unlock();
	return rc;
}

int libcamera_stop(struct libcamera_camera *camera)
{
	int rc;

	lock();
	must(!fake.waiting[FAKE_QUEUE]); /* the owner sees to it that it runs while a request is queued */
	rc = enter(FAKE_STOP, NULL, 0);
	if (!rc && camera->running)
		stop(camera);
	unlock();
	return rc;
}

int libcamera_queue(struct libcamera_camera *camera, unsigned buffer, const struct libcamera_change *change)
{
	int rc;

	lock();
	rc = enter(FAKE_QUEUE, NULL, 0);
	must(buffer < camera->memory_count && !camera->memories[buffer].queued);
	if (!rc)
		rc = camera->gone ? -ENODEV : camera->running ? 0 : -EACCES;
	if (!rc) {
		camera->memories[buffer].queued = true;
		camera->queue[camera->queue_count++] = buffer;
		if (change) {
			fake.queue_change = *change;
			fake.queue_changes++;
		}
	}
	unlock();
	return rc;
}

/* --- what the test says --------------------------------------------------------------------------------------- */

void fake_reset(void)
{
	lock();
	must(!fake.live);
	for (unsigned i = 0; i < CAMERAS_MAX; i++)
		fake.cameras[i] = (struct plugged){ 0 };
	fake.serial = 0;
	memset(fake.failing, 0, sizeof(fake.failing));
	memset(fake.counts, 0, sizeof(fake.counts));
	memset(fake.held, 0, sizeof(fake.held));
	fake.refuses = fake.cancels = NULL;
	fake.buffer_count = 0;
	fake.deaf = false;
	fake.left = 0;
	fake.duration_min_ns = fake.duration_max_ns = 0;
	fake.pace = FAKE_MANUAL;
	fake.number = 0;
	fake.ordered = false;
	fake.queue_changes = 0;
	fake.start_change = fake.queue_change = (struct libcamera_change){ 0 };
	unlock();
}

struct libcamera_description fake_description(const char *id)
{
	static const struct libcamera_size sizes[] = { { 320, 240 }, { 640, 480 }, { 1280, 800 } };
	struct libcamera_description description = {
		.format_count = 2,
		.controls = (1u << SOURCE_CONTROLS) - 1,
		.ranges = {
			[SOURCE_EXPOSURE_US] = { 10, 500000, 8000 },
			[SOURCE_ANALOGUE_GAIN_MILLI] = { 1000, 16000, 1000 },
			[SOURCE_AUTO_EXPOSURE] = { 0, 1, 1 },
			[SOURCE_EXPOSURE_VALUE_MILLI] = { -8000, 8000, 0 },
			[SOURCE_BRIGHTNESS_MILLI] = { -1000, 1000, 0 },
			[SOURCE_CONTRAST_MILLI] = { 0, 32000, 1000 },
			[SOURCE_SHARPNESS_MILLI] = { 0, 16000, 1000 },
			[SOURCE_SCALER_CROP_X] = { 0, 1272, 0 },
			[SOURCE_SCALER_CROP_Y] = { 0, 792, 0 },
			[SOURCE_SCALER_CROP_WIDTH] = { 8, 1280, 1280 },
			[SOURCE_SCALER_CROP_HEIGHT] = { 8, 800, 800 },
		},
		.frame_duration_min_ns = NS_PER_SECOND / 120,
		.frame_duration_max_ns = NS_PER_SECOND,
	};

	snprintf(description.identity.id, sizeof(description.identity.id), "%s", id);
	snprintf(description.identity.model, sizeof(description.identity.model), "fake");
	snprintf(description.identity.location, sizeof(description.identity.location), "external");
	for (unsigned i = 0; i < description.format_count; i++) {
		struct libcamera_format *format = &description.formats[i];

		snprintf(format->name, sizeof(format->name), "%s", i ? "MJPEG" : "YUV420");
		format->size_count = 3;
		memcpy(format->sizes, sizes, sizeof(sizes));
		format->minimum = sizes[0];
		format->maximum = sizes[2];
	}
	return description;
}

static void ring_libraries(void)
{
	uint64_t one = 1;

	for (const struct libcamera_library *library = fake.libraries; library; library = library->next)
		must(write(library->life_fd, &one, sizeof(one)) == sizeof(one));
}

void fake_plug(const struct libcamera_description *description, bool told)
{
	struct plugged *plugged;

	lock();
	plugged = find(description->identity.id);
	for (unsigned i = 0; !plugged && i < CAMERAS_MAX; i++)
		if (!fake.cameras[i].serial)
			plugged = &fake.cameras[i];
	told = told && !fake.deaf;
	must(plugged && !plugged->present);
	*plugged = (struct plugged){ .present = true,
				     .serial = ++fake.serial,
				     .told = told,
				     .description = *description,
				     .acquired = plugged->acquired };
	if (told)
		ring_libraries();
	unlock();
}

void fake_unplug(const char *id, bool told)
{
	struct plugged *plugged;

	lock();
	plugged = find(id);
	must(plugged && plugged->present);
	plugged->present = false;
	plugged->gone_serial = ++fake.serial;
	plugged->gone_told = told;
	told = told && !fake.deaf;
	if (plugged->acquired && !fake.deaf)
		plugged->acquired->gone = true;
	if (told || (plugged->acquired && !fake.deaf))
		ring_libraries();
	unlock();
}

void fake_set_deaf(void)
{
	lock();
	fake.deaf = true;
	unlock();
}

void fake_fail(enum fake_call call, int rc, unsigned times)
{
	lock();
	fake.failures[call] = rc;
	fake.failing[call] = times;
	unlock();
}

void fake_hold(enum fake_call call, bool held)
{
	lock();
	fake.held[call] = held;
	unlock();
}

void fake_await_held(enum fake_call call)
{
	lock();
	while (!fake.held[call] || !fake.waiting[call])
		wait_change();
	unlock();
}

void fake_refuse_memory(bool (*refuses)(int fd), bool (*cancels)(int fd))
{
	lock();
	fake.refuses = refuses;
	fake.cancels = cancels;
	unlock();
}

void fake_set_buffer_count(unsigned count)
{
	lock();
	fake.buffer_count = count;
	unlock();
}

void fake_set_durations(uint64_t min_ns, uint64_t max_ns)
{
	lock();
	fake.duration_min_ns = min_ns;
	fake.duration_max_ns = max_ns;
	unlock();
}

void fake_set_pace(enum fake_pace pace)
{
	lock();
	fake.pace = pace;
	while (fake.camera && fake.camera->in_callback)
		wait_change();
	unlock();
}

unsigned fake_complete(const struct libcamera_completion *completion)
{
	unsigned buffer;

	lock();
	while (!fake.camera || !fake.camera->running || !fake.camera->queue_count || fake.ordered)
		wait_change();
	buffer = fake.camera->queue[0];
	fake.order = *completion;
	fake.ordered = true;
	while (fake.ordered)
		wait_change();
	unlock();
	return buffer;
}

unsigned fake_frame(uint32_t number)
{
	return fake_complete(&(struct libcamera_completion){
		.status = LIBCAMERA_FRAME,
		.ready_ns = clock_monotonic_ns(),
		.sensor_ns = number * FRAME_NS,
		.camera_sequence = number,
	});
}

unsigned fake_count(enum fake_call call)
{
	unsigned count;

	lock();
	count = fake.counts[call];
	unlock();
	return count;
}

void fake_await(enum fake_call call, unsigned count)
{
	lock();
	while (fake.counts[call] < count)
		wait_change();
	unlock();
}

unsigned fake_queued(void)
{
	unsigned count;

	lock();
	count = fake.camera ? fake.camera->queue_count : 0;
	unlock();
	return count;
}

void fake_await_queued(unsigned count)
{
	lock();
	while (!fake.camera || fake.camera->queue_count < count)
		wait_change();
	unlock();
}

bool fake_is_running(void)
{
	bool running;

	lock();
	running = fake.camera && fake.camera->running;
	unlock();
	return running;
}

unsigned fake_live(void)
{
	unsigned live;

	lock();
	live = fake.live;
	unlock();
	return live;
}

unsigned fake_left(void)
{
	unsigned left;

	lock();
	left = fake.left;
	unlock();
	return left;
}

struct libcamera_wish fake_wish(void)
{
	struct libcamera_wish wish;

	lock();
	wish = fake.wish;
	unlock();
	return wish;
}

struct libcamera_change fake_start_change(void)
{
	struct libcamera_change change;

	lock();
	change = fake.start_change;
	unlock();
	return change;
}

bool fake_queue_change(struct libcamera_change *ret_change)
{
	bool any;

	lock();
	any = fake.queue_changes > 0;
	*ret_change = fake.queue_change;
	unlock();
	return any;
}

unsigned fake_queue_changes(void)
{
	unsigned count;

	lock();
	count = fake.queue_changes;
	unlock();
	return count;
}

void fake_log(enum log_level level, const char *text)
{
	void (*line)(enum log_level level, const char *text);

	lock();
	line = fake.line;
	unlock();
	if (line)
		line(level, text);
}
