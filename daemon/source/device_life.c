/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_life.c - the keeper: a thread that looks after the camera. It opens one that is missing or busy anew, finds
 * out that one is gone or stands still, starts what was to run, frees what the reader gave back, and writes down what
 * libcamera says.
 *
 * It has the lock for all of that, but not while a CameraManager is made, which takes up to seconds: the main thread
 * never waits for that. `library` is its own, so nobody misses it meanwhile.
 */
#include "source/device_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* So many looks for a camera that is busy go by until all cameras are looked for again. */
#define BUSY_LOOKS 5u

/* How often a running camera is looked at, of the time that it may stand still. */
#define LOOKS_PER_WAIT 4u

struct device_times device_times = {
	.retry_ns = 2 * NS_PER_SECOND,
	.stuck_ns = NS_PER_SECOND,
	.first_frame_ns = 3 * NS_PER_SECOND,
	.hang_ns = DEVICE_HANG_NS,
	.answer_ns = 2 * NS_PER_SECOND,
};

/* --- state ---------------------------------------------------------------------------------------------------- */

const char *device_state_name(enum device_state state)
{
	static const char *const names[] = { "absent", "ready", "running", "stuck" };

	return names[state];
}

/* It fails again and again, each time opened anew, which was said once: until a frame comes the rest is the same. */
static bool is_hopeless(const struct device *device)
{
	return device->is_hopeless && device->hopeless_frames == device_frames(device);
}

static void note_hopeless(struct device *device)
{
	device->is_hopeless = true;
	device->hopeless_frames = device_frames(device);
}

/* What a line about a new state is; that frames come, or come again, the capture thread tells. */
static enum log_event event_of_state(const struct device *device, enum device_state before, enum device_state state)
{
	switch (state) {
	case DEVICE_ABSENT:
		return device->restarts_in_row == DEVICE_RESTARTS_MAX ? LOG_EVENT_CAMERA_GIVEN_UP
								      : LOG_EVENT_CAMERA_LOST;
	case DEVICE_READY:
		return before == DEVICE_ABSENT ? LOG_EVENT_CAMERA_FOUND : LOG_EVENT_NONE;
	case DEVICE_STUCK:
		return LOG_EVENT_CAMERA_STUCK;
	case DEVICE_RUNNING:
		break;
	}
	return LOG_EVENT_NONE;
}

enum log_event device_event_of_trouble(enum device_trouble trouble)
{
	switch (trouble) {
	case DEVICE_NO_LIBRARY:
	case DEVICE_NO_CAMERA:
	case DEVICE_UNCLEAR:
		return LOG_EVENT_CAMERA_ABSENT;
	case DEVICE_BUSY:
		return LOG_EVENT_CAMERA_BUSY;
	case DEVICE_NO_TROUBLE:
	case DEVICE_NOT_ACQUIRED:
	case DEVICE_UNFIT:
	case DEVICE_NOT_CONFIGURED:
	case DEVICE_NO_BUFFERS:
	case DEVICE_NOT_STARTED:
		break;
	}
	return LOG_EVENT_CAMERA_FAILED;
}

void device_set_state(struct device *device, enum device_state state, const char *reason)
{
	const struct log_fields fields = { .event = event_of_state(device, device->state, state) };
	enum device_state before = device->state;

	device_view(device);
	device->state = state;
	snprintf(device->reason, sizeof(device->reason), "%s", reason);
	device_unview(device, 0);
	if (state != DEVICE_ABSENT)
		device->trouble = DEVICE_NO_TROUBLE;
	if (before != state && !is_hopeless(device))
		log_event(reason[0] ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, &fields, "camera %s: %s%s%s",
			  device_name(device), device_state_name(state), reason[0] ? ": " : "", reason);
}

/* It stays absent: say why, once. */
static void note_trouble(struct device *device, enum device_trouble trouble, int error, const char *text)
{
	const struct log_fields fields = { .event = device_event_of_trouble(trouble), .error = -error };

	device_view(device);
	snprintf(device->reason, sizeof(device->reason), "%s", text);
	device_unview(device, 0);
	if (device->trouble != trouble)
		log_event(LOG_LEVEL_WARNING, &fields, "camera %s: %s, retrying every %llu s", device_name(device), text,
			  (unsigned long long)(device->times.retry_ns / NS_PER_SECOND));
	device->trouble = trouble;
}

/* --- a camera that is there ----------------------------------------------------------------------------------- */

void device_fail_start(struct device *device, int error, const char *text)
{
	const struct log_fields fields = { .event = LOG_EVENT_CAMERA_FAILED, .error = -error };

	if (!is_hopeless(device))
		log_event(LOG_LEVEL_WARNING, &fields, "camera %s: %s, retrying every %llu s", device_name(device), text,
			  (unsigned long long)(device->times.retry_ns / NS_PER_SECOND));
	note_hopeless(device);
	device_lose(device, text);
	device->trouble = DEVICE_NOT_STARTED;
}

static void start_wanted(struct device *device)
{
	char text[256] = "";
	int rc = device_start(device, text, sizeof(text));

	if (rc && rc != -EAGAIN) /* the reader rings when it has fetched */
		device_fail_start(device, rc, text);
}

static uint64_t patience_ns(struct device *device)
{
	uint64_t long_ns = DEVICE_STUCK_FRAMES * device_longest_frame_ns(device);
	uint64_t least_ns =
		device_frames(device) == device->frames_started ? device->times.first_frame_ns : device->times.stuck_ns;

	return long_ns > least_ns ? long_ns : least_ns;
}

/* All buffers are held: the camera has nothing to fill. */
static bool has_no_request(const struct device *device)
{
	uint64_t mine = 0;

	for (unsigned i = 0; i < device->camera_buffers; i++)
		mine |= device_bit(device->numbers[i]);
	return !(mine & ~device_held(device));
}

/* Whoever hears of it starts the daemon anew, and says so. */
static void give_up(struct device *device, const char *reason)
{
	struct device_note note = { .kind = DEVICE_NOTE_EVENT, .event = { .kind = SOURCE_FAILED } };

	snprintf(note.event.text, sizeof(note.event.text), "camera %s: %s, also after %u restarts of the capture",
		 device_name(device), reason, DEVICE_RESTARTS_MAX);
	note_hopeless(device);
	device_lose(device, reason);
	device_view(device);
	device->given_up = true;
	device_unview(device, 0);
	device_post(device, note);
}

static void restart(struct device *device, uint64_t quiet_ns)
{
	char reason[128], text[256] = "";
	int rc;

	if (libcamera_find_gone(device->camera)) { /* whoever is to tell is late */
		device_lose(device, "it was unplugged");
		return;
	}
	snprintf(reason, sizeof(reason), "no frame came for %llu ms", (unsigned long long)(quiet_ns / NS_PER_MS));
	if (device->restarts_in_row == DEVICE_RESTARTS_MAX && device->gives_up) {
		give_up(device, reason);
		return;
	}
	if (device->restarts_in_row == DEVICE_RESTARTS_MAX) {
		device_lose(device, reason);
		note_hopeless(device);
		return;
	}
	device_set_state(device, DEVICE_STUCK, reason);
	rc = device_restart(device, text, sizeof(text));
	if (!rc || rc == -EAGAIN)
		return;
	if (device->gives_up && !libcamera_find_gone(device->camera) && ++device->restarts_failed == DEVICE_RESTARTS_MAX)
		give_up(device, text);
	else
		device_lose(device, text);
}

static void watch(struct device *device)
{
	uint64_t now_ns = clock_monotonic_ns(), frames = device_frames(device);

	if (frames != device->frames_seen) {
		device->frames_seen = frames;
		device->quiet_since_ns = now_ns;
		device->restarts_in_row = device->restarts_failed = 0;
		if (device->state == DEVICE_STUCK)
			device_set_state(device, DEVICE_RUNNING, "");
	}
	if (has_no_request(device))
		device->quiet_since_ns = now_ns;
	else if (now_ns - device->quiet_since_ns >= patience_ns(device))
		restart(device, now_ns - device->quiet_since_ns);
}

static bool is_gone(const struct device *device)
{
	return device->is_told ? libcamera_is_gone(device->camera) : libcamera_find_gone(device->camera);
}

static void look_after(struct device *device)
{
	device_release_stale(device);
	if (device->state == DEVICE_ABSENT)
		return;
	if (is_gone(device))
		device_lose(device, "it was unplugged");
	else if (device->state == DEVICE_READY && device_is_wanted(device))
		start_wanted(device);
	else if (device->state != DEVICE_READY)
		watch(device);
}

/* --- a camera that is not there ------------------------------------------------------------------------------- */

static bool is_finishing(const struct device *device)
{
	/* F1 (acquire) pairs with F2 in device_finish(). */
	return __atomic_load_n(&device->finishing, __ATOMIC_ACQUIRE);
}

/* Not under the lock. */
static int open_library(struct device *device, char *text, size_t text_bytes)
{
	libcamera_close(device->library);
	device->library = NULL;
	return libcamera_open(device->life_fd, &device->library, text, text_bytes);
}

static void try_camera(struct device *device)
{
	enum device_trouble trouble;
	char text[256] = "";
	int rc = device_acquire(device, &trouble, text, sizeof(text));

	if (rc == 0 && device_is_wanted(device))
		start_wanted(device);
	else if (rc && rc != -EAGAIN)
		note_trouble(device, trouble, rc, text);
}

/* A camera that is missing may be one that this CameraManager was not told of, so it is made anew. One that is busy is
 * not missing; but where nobody tells of cameras that come and go, one that is gone looks busy. */
static bool is_library_due(struct device *device)
{
	if (device->trouble != DEVICE_BUSY)
		return true;
	device->busy_looks = (device->busy_looks + 1) % BUSY_LOOKS;
	return device->busy_looks == 0;
}

/* Under the lock, which is left meanwhile. */
static void look_for(struct device *device, bool told)
{
	bool due = clock_monotonic_ns() >= device->retry_at_ns;
	char text[256] = "";
	int rc = 0;

	if (!told && !due)
		return;
	if (!device->library || (due && is_library_due(device))) {
		pthread_mutex_unlock(&device->lock);
		rc = open_library(device, text, sizeof(text));
		pthread_mutex_lock(&device->lock);
	}
	if (rc)
		note_trouble(device, DEVICE_NO_LIBRARY, rc, text);
	else if (!is_finishing(device))
		try_camera(device);
	device->retry_at_ns = clock_monotonic_ns() + device->times.retry_ns;
}

/* --- the thread ----------------------------------------------------------------------------------------------- */

static int timeout_ms(struct device *device)
{
	uint64_t now_ns = clock_monotonic_ns(), wait_ns = 0;

	switch (device->state) {
	case DEVICE_ABSENT:
		if (device->given_up)
			return -1;
		wait_ns = device->retry_at_ns > now_ns ? device->retry_at_ns - now_ns : 0;
		break;
	case DEVICE_READY:
		if (device->is_told)
			return -1;
		wait_ns = device->times.retry_ns;
		break;
	case DEVICE_RUNNING:
	case DEVICE_STUCK:
		wait_ns = patience_ns(device) / LOOKS_PER_WAIT;
		if (device_frames(device) == device->frames_started && wait_ns > DEVICE_FIRST_LOOKS_NS)
			wait_ns = DEVICE_FIRST_LOOKS_NS;
		break;
	}
	return (int)(wait_ns / NS_PER_MS + 1);
}

void device_expect_back(struct device *device, uint64_t more_ns)
{
	/* Relaxed: a word that stands alone. */
	__atomic_store_n(&device->back_by_ns, clock_monotonic_ns() + device->times.hang_ns + more_ns, __ATOMIC_RELAXED);
}

/* Under the lock, which is held as long as the camera takes. Returns: what libcamera says is repeated all the time. */
static bool take_turn(struct device *device, bool told)
{
	device_expect_back(device, 0);
	look_after(device);
	if (device->state == DEVICE_ABSENT && !device->given_up && !is_finishing(device))
		look_for(device, told);
	else if (told && device->library)
		device_list(device);
	/* Relaxed, both: words that stand alone. */
	__atomic_store_n(&device->looks, device->looks + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&device->back_by_ns, 0, __ATOMIC_RELAXED);
	return device->state == DEVICE_ABSENT || is_hopeless(device);
}

static void *keep(void *argument)
{
	struct device *device = argument;
	struct pollfd fds[] = {
		{ .fd = device->bell_fd, .events = POLLIN },
		{ .fd = device->life_fd, .events = POLLIN },
	};

	while (!is_finishing(device)) {
		int wait_ms;
		bool told, repeats;

		pthread_mutex_lock(&device->lock);
		wait_ms = timeout_ms(device);
		pthread_mutex_unlock(&device->lock);
		poll(fds, 2, wait_ms);
		bell_clear(device->bell_fd);
		told = bell_clear(device->life_fd);
		pthread_mutex_lock(&device->lock);
		repeats = take_turn(device, told);
		pthread_mutex_unlock(&device->lock);
		device_log_drain(repeats);
	}
	return NULL;
}

int device_launch(struct device *device)
{
	sigset_t all, before;
	int rc;

	/* The thread inherits the mask, so no signal can reach it, not even while it begins. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&device->keeper, NULL, keep, device);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return -rc;
	device->launched = true;
	pthread_setname_np(device->keeper, "camera");
	return 0;
}

void device_finish(struct device *device)
{
	if (!device->launched)
		return;
	/* F2 (release) pairs with F1 in is_finishing(). */
	__atomic_store_n(&device->finishing, true, __ATOMIC_RELEASE);
	bell_ring(device->trial_fd);
	bell_ring(device->bell_fd);
	pthread_join(device->keeper, NULL);
	device->launched = false;
}
