/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - see device.h: from libcamera's thread to the capture thread, and buffers back to the camera. Nothing here
 * takes a lock, allocates or waits for a device, but that the owner waits for the reader to leave the gate.
 *
 * Completions lie in a ring with one writer, libcamera's thread, and one reader. Notes of the owner (a format, the
 * camera is gone) lie in another, each with the number of completions that were pushed before it: a note is written
 * only while the camera does not run, so that number stands, and the reader tells both in order.
 */
#include "source/device_private.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* How late a frame may come. */
#define LATE_NS (2 * NS_PER_SECOND)

/* More than that is no time that a frame takes, but a clock that was set or a machine that slept. */
#define DURATION_MAX_NS (60 * NS_PER_SECOND)

/* --- libcamera's thread --------------------------------------------------------------------------------------- */

static void push(struct device *device, const struct libcamera_completion *completion)
{
	unsigned number = device->numbers[completion->buffer];
	uint64_t head = device->head; /* nobody else writes it */
	/* Relaxed: the reader learns of it by Q1, the owner when the camera has been stopped. */
	uint64_t before = __atomic_fetch_or(&device->held, device_bit(number), __ATOMIC_RELAXED);

	assert(!(before & device_bit(number)));
	device->completions[head % DEVICE_COMPLETIONS] = *completion;
	device->completions[head % DEVICE_COMPLETIONS].buffer = number;
	if (completion->status != LIBCAMERA_CANCELLED)
		/* Relaxed: as in device_frames(). */
		__atomic_store_n(&device->frames, device->frames + 1, __ATOMIC_RELAXED);
	/* Q1 (release) pairs with Q2 in pushed(): the completion before the count. */
	__atomic_store_n(&device->head, head + 1, __ATOMIC_RELEASE);
	bell_ring(device->ready_fd);
}

void device_completed(void *owner, const struct libcamera_completion *completion)
{
	struct device *device = owner;

	/* M1 (acquire) pairs with M2 in device_camera.c. */
	switch ((enum device_mode)__atomic_load_n(&device->mode, __ATOMIC_ACQUIRE)) {
	case DEVICE_TRIES:
		/* T1 (release) pairs with T2 in device_try_capture(). */
		__atomic_store_n(&device->trial, (uint32_t)completion->status, __ATOMIC_RELEASE);
		bell_ring(device->trial_fd);
		break;
	case DEVICE_STOPS:
		if (completion->status != LIBCAMERA_CANCELLED)
			push(device, completion);
		break;
	case DEVICE_LISTENS:
		push(device, completion);
		break;
	}
}

/* --- the gate ------------------------------------------------------------------------------------------------- */
/*
 * No buffer is stranded, and none is queued twice. The reader says that it is inside (G1), then looks whether the gate
 * is open (G2); the owner opens or shuts it (G3), then looks whether the reader is inside (G4). All four are seq_cst,
 * so of a reader that found the gate shut the owner sees that it is inside, and waits until its buffer is in `idle`; a
 * reader that comes later finds the gate as it is now. Shut: when the owner is through, no request is being queued, nor
 * will be. Open: what came back before is in `idle`, taken by the owner; what comes later the reader queues itself.
 *
 * A buffer is held until the reader has looked at the gate (H2 comes after G2), so one that the owner finds free before
 * it opens the gate (H1 comes before G3) is not one that a reader at an open gate is about to queue.
 */

/* Reader. Is the gate open? */
static bool enter(struct device *device)
{
	/* G1 (seq_cst) pairs with G4 in await_reader(). */
	__atomic_store_n(&device->entered, true, __ATOMIC_SEQ_CST);
	/* G2 (seq_cst) pairs with G3 in device_shut_gate() and device_open_gate(). */
	return __atomic_load_n(&device->open, __ATOMIC_SEQ_CST);
}

static void leave(struct device *device)
{
	/* G5 (release) pairs with G4. */
	__atomic_store_n(&device->entered, false, __ATOMIC_RELEASE);
}

/* Reader, inside of an open gate. False: the camera does not take it. */
static bool queue(struct device *device, unsigned number)
{
	const struct wish *wish = wish_taken(&device->wishes);
	const struct libcamera_change change = {
		.controls = wish->controls,
		.frame_duration_min_ns = wish->frame_duration_min_ns,
		.frame_duration_max_ns = wish->frame_duration_max_ns,
	};

	if (device->indices[number] < 0 || libcamera_queue(device->camera, (unsigned)device->indices[number],
							   device->wish_due ? &change : NULL))
		return false;
	device->wish_due = false;
	return true;
}

/* To the camera, or to `idle`. */
static void give_back(struct device *device, unsigned number)
{
	bool open = enter(device), queued;

	/* H2 (release) pairs with H1 in device_held(): we are done with the pixels. Before it is queued, since it may
	 * be complete, and held, at once. */
	__atomic_fetch_and(&device->held, ~device_bit(number), __ATOMIC_RELEASE);
	/* A camera that does nothing but cancel would have us turn in circles until it is started anew. */
	queued = open && device->cancelled <= DEVICE_CANCELLED_PER_BUFFER * device->camera_buffers &&
		 queue(device, number);
	if (!queued)
		/* Relaxed: G5 has the order. */
		__atomic_fetch_or(&device->idle, device_bit(number), __ATOMIC_RELAXED);
	leave(device);
	if (!queued)
		bell_ring(device->bell_fd); /* of an older configuration, perhaps: to be freed */
}

/* The camera delivers: it gets what it did not take before. */
static void give_back_idle(struct device *device)
{
	uint64_t idle, left = 0;

	/* Relaxed, here and below: G2 and G5 have the order, and each bit is taken by one of us and the owner alone. */
	if (!__atomic_load_n(&device->idle, __ATOMIC_RELAXED))
		return;
	if (enter(device)) {
		idle = __atomic_exchange_n(&device->idle, 0, __ATOMIC_RELAXED);
		for (unsigned number = 0; idle >> number; number++)
			if (idle & device_bit(number) && device->indices[number] >= 0 && !queue(device, number))
				left |= device_bit(number);
		__atomic_fetch_or(&device->idle, left, __ATOMIC_RELAXED);
	}
	leave(device);
}

/* The reader is inside for a few instructions, or for one request. */
static void await_reader(const struct device *device)
{
	/* G4 (seq_cst) pairs with G1 and G5 in give_back(). */
	while (__atomic_load_n(&device->entered, __ATOMIC_SEQ_CST))
		sched_yield();
}

void device_shut_gate(struct device *device)
{
	/* G3 (seq_cst) pairs with G2 in give_back(). */
	__atomic_store_n(&device->open, false, __ATOMIC_SEQ_CST);
	await_reader(device);
}

void device_open_gate(struct device *device, bool started)
{
	uint64_t mine = 0, idle;

	for (unsigned i = 0; i < device->camera_buffers; i++)
		mine |= device_bit(device->numbers[i]);
	/* Relaxed: between ourselves and a reader inside, for whom await_reader() waits. */
	if (started)
		__atomic_fetch_or(&device->idle, mine & ~device_held(device), __ATOMIC_RELAXED);
	/* G3, as above. */
	__atomic_store_n(&device->open, true, __ATOMIC_SEQ_CST);
	await_reader(device);
	idle = __atomic_exchange_n(&device->idle, 0, __ATOMIC_RELAXED) & mine;
	for (unsigned i = 0; i < device->camera_buffers; i++) {
		unsigned number = device->numbers[i];

		if (idle & device_bit(number) && libcamera_queue(device->camera, i, NULL))
			__atomic_fetch_or(&device->idle, device_bit(number), __ATOMIC_RELAXED);
	}
}

/* --- notes: owner --------------------------------------------------------------------------------------------- */

bool device_has_room(const struct device *device, unsigned notes)
{
	/* N3 (acquire) pairs with N4 in take_note(): a note is read before its place is written again. */
	uint64_t waiting = device->notes_head - __atomic_load_n(&device->notes_tail, __ATOMIC_ACQUIRE);

	return waiting + notes <= DEVICE_NOTES;
}

void device_post(struct device *device, struct device_note note)
{
	assert(device_has_room(device, 1));
	/* Acquire, as Q2: nothing is pushed any more. */
	note.after = __atomic_load_n(&device->head, __ATOMIC_ACQUIRE);
	device->notes[device->notes_head % DEVICE_NOTES] = note;
	/* N1 (release) pairs with N2 in next_note(). */
	__atomic_store_n(&device->notes_head, device->notes_head + 1, __ATOMIC_RELEASE);
	bell_ring(device->ready_fd);
}

/* --- reader --------------------------------------------------------------------------------------------------- */

static uint64_t pushed(const struct device *device)
{
	/* Q2 (acquire) pairs with Q1 in push(). */
	return __atomic_load_n(&device->head, __ATOMIC_ACQUIRE);
}

/* The note that waits at this place, NULL: none. Looked at after pushed(): what was pushed after a note brings it. */
static const struct device_note *note_at(const struct device *device, uint64_t at)
{
	/* N2 (acquire) pairs with N1 in device_post(). */
	return at == __atomic_load_n(&device->notes_head, __ATOMIC_ACQUIRE) ? NULL : &device->notes[at % DEVICE_NOTES];
}

static void look_for_wish(struct device *device)
{
	const struct wish *wish;

	if (!wish_take(&device->wishes))
		return;
	wish = wish_taken(&device->wishes);
	device->wish_due = true;
	if (wish->frame_duration_min_ns || wish->frame_duration_max_ns)
		ledger_set_rate(&device->ledger, wish->frame_duration_min_ns, wish->frame_duration_max_ns);
}

/* True: it is an event. */
static bool take_note(struct device *device, const struct device_note *note, struct source_event *ret_event)
{
	bool is_event = note->kind == DEVICE_NOTE_EVENT;

	switch (note->kind) {
	case DEVICE_NOTE_EVENT:
		*ret_event = note->event;
		if (note->event.kind == SOURCE_FORMAT) {
			ret_event->format.sensor_clock = device->sensor_clock;
			device->read_format = ret_event->format;
		}
		break;
	case DEVICE_NOTE_RESTART:
		ledger_restart(&device->ledger);
		ledger_set_rate(&device->ledger, note->min_ns, note->max_ns);
		break;
	case DEVICE_NOTE_STOOD_STILL:
		ledger_stood_still(&device->ledger, note->now_ns);
		break;
	}
	device->sensor_ns = 0;
	device->cancelled = 0;
	/* N4 (release) pairs with N3 in device_has_room(). The bell is for a camera that waits for room. */
	__atomic_store_n(&device->notes_tail, device->notes_tail + 1, __ATOMIC_RELEASE);
	bell_ring(device->bell_fd);
	return is_event;
}

/* Bytes that luma takes up, with what is between the rows. */
static uint64_t luma_bytes(const struct source_format *format)
{
	if (!format->height)
		return 0;
	return (uint64_t)format->stride * (format->height - 1) + pixels_row_bytes(format->pixels, format->width);
}

static bool is_damaged(const struct device *device, const struct libcamera_completion *completion)
{
	return completion->status == LIBCAMERA_DAMAGED ||
	       (completion->bytes_used && completion->bytes_used < luma_bytes(&device->read_format));
}

/* Usable frames of the same format from the tail on. */
static unsigned count_behind(const struct device *device, uint64_t head)
{
	const struct device_note *note;
	unsigned count = 0;

	for (uint64_t at = device->notes_tail; (note = note_at(device, at)); at++)
		if (note->kind == DEVICE_NOTE_EVENT && note->event.kind == SOURCE_FORMAT && note->after < head)
			head = note->after;
	for (uint64_t at = device->tail; at < head; at++) {
		const struct libcamera_completion *completion = &device->completions[at % DEVICE_COMPLETIONS];

		count += completion->status == LIBCAMERA_FRAME && !is_damaged(device, completion);
	}
	return count;
}

/* The time since the frame before; where none is known, as frames are meant to be. */
static uint32_t duration_us(const struct device *device, const struct libcamera_completion *completion)
{
	uint64_t frames = 1 + (uint64_t)ledger_missing(&device->ledger);

	if (completion->frame_duration_us)
		return completion->frame_duration_us;
	if (!device->sensor_ns || completion->sensor_ns <= device->sensor_ns ||
	    completion->sensor_ns - device->sensor_ns > DURATION_MAX_NS)
		return device->read_format.frame_duration_us;
	return (uint32_t)((completion->sensor_ns - device->sensor_ns + frames * NS_PER_US / 2) / (frames * NS_PER_US));
}

/* Relaxed, all of them: words that stand alone, for people and for device_controls(). */
static void note_newest(struct device *device, const struct source_frame *frame)
{
	__atomic_store_n(&device->sensor_clock, frame->sensor_clock, __ATOMIC_RELAXED);
	if (frame->frame_duration_us)
		__atomic_store_n(&device->duration_us, frame->frame_duration_us, __ATOMIC_RELAXED);
	if (frame->exposure_us)
		__atomic_store_n(&device->exposure_us, frame->exposure_us, __ATOMIC_RELAXED);
	if (frame->analogue_gain_milli)
		__atomic_store_n(&device->analogue_gain_milli, frame->analogue_gain_milli, __ATOMIC_RELAXED);
}

static void make_frame(struct device *device, const struct libcamera_completion *completion,
		       const uint32_t lost[LUMARING_LOST_CAUSES], uint64_t head, struct source_event *ret_event)
{
	struct source_frame *frame = &ret_event->frame;

	*ret_event = (struct source_event){ .kind = SOURCE_FRAME };
	*frame = (struct source_frame){
		.image = buffers_pixels(device->buffers, completion->buffer),
		.buffer = completion->buffer,
		.behind = count_behind(device, head),
		.sensor_ns = completion->sensor_ns,
		.ready_ns = completion->ready_ns,
		.camera_sequence = completion->camera_sequence,
		.frame_duration_us = duration_us(device, completion),
		.exposure_us = completion->exposure_us,
		.analogue_gain_milli = completion->analogue_gain_milli,
		.sensor_clock = device->sensor_clock,
		.damaged = is_damaged(device, completion),
	};
	memcpy(frame->lost, lost, sizeof(frame->lost));
	if (completion->sensor_ns)
		frame->sensor_clock = ledger_note_clock(&device->ledger, completion->sensor_ns, clock_monotonic_ns(),
							clock_ns(CLOCK_BOOTTIME));
	/* A frame may come late, after the next ones; further back it is a clock that began anew. */
	if (completion->sensor_ns > device->sensor_ns || device->sensor_ns - completion->sensor_ns > LATE_NS)
		device->sensor_ns = completion->sensor_ns;
	note_newest(device, frame);
}

/* True: it is an event. What is none goes back to the camera at once. */
static bool take_completion(struct device *device, uint64_t head, struct source_event *ret_event)
{
	/* A copy: its place is free as soon as its buffer is given back. */
	const struct libcamera_completion completion = device->completions[device->tail++ % DEVICE_COMPLETIONS];
	uint32_t lost[LUMARING_LOST_CAUSES] = { 0 };

	ledger_note(&device->ledger, &completion, false, lost);
	if (completion.status == LIBCAMERA_CANCELLED) {
		device->cancelled++;
		device->wish_due = true; /* it may have gone with this one */
	} else {
		device->cancelled = 0;
		give_back_idle(device);
	}
	if (completion.status == LIBCAMERA_FRAME || completion.status == LIBCAMERA_DAMAGED) {
		make_frame(device, &completion, lost, head, ret_event);
		return true;
	}
	give_back(device, completion.buffer);
	return false;
}

static int take(struct device *device, struct source_event *ret_event)
{
	uint64_t head = pushed(device);

	look_for_wish(device);
	for (;;) {
		const struct device_note *note = note_at(device, device->notes_tail);

		if (note && note->after == device->tail) {
			if (take_note(device, note, ret_event))
				return 0;
		} else if (device->tail == head) {
			return -EAGAIN;
		} else if (take_completion(device, head, ret_event)) {
			return 0;
		}
	}
}

int device_fetch(struct source *source, struct source_event *ret_event)
{
	struct device *device = (struct device *)source;
	int rc = take(device, ret_event);

	if (rc != -EAGAIN)
		return rc;
	/* Clear, then look again: what was pushed before the clearing is seen here, and what comes after it has its own
	 * ring. What is found here may have lost its ring, so it is rung for once more. */
	bell_clear(device->ready_fd);
	rc = take(device, ret_event);
	if (rc == 0)
		bell_ring(device->ready_fd);
	return rc;
}

int device_fd(const struct source *source)
{
	return ((const struct device *)source)->ready_fd;
}

int device_begin_read(struct source *source, unsigned buffer)
{
	struct device *device = (struct device *)source;
	int rc = buffers_begin_read(device->buffers, buffer);

	if (rc == 0)
		device->reading |= device_bit(buffer);
	return rc;
}

void device_release(struct source *source, unsigned buffer)
{
	struct device *device = (struct device *)source;

	if (device->reading & device_bit(buffer))
		buffers_end_read(device->buffers, buffer);
	device->reading &= ~device_bit(buffer);
	look_for_wish(device);
	give_back(device, buffer);
}
