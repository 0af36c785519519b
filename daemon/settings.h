/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings.h - what may change while the daemon runs, as one value: how the source delivers frames, and all shared
 * streams. A change is made in a copy, checked whole, and only then tried (configure.h). Pure functions, main thread.
 */
#ifndef LUMARING_SETTINGS_H
#define LUMARING_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "source/source.h"
#include "stream.h"

struct settings {
	struct source_settings source;
	unsigned stream_count;
	struct stream_config streams[LIMIT_STREAMS]; /* completed */
};

/* What the source makes of something that was asked for. Durations in microseconds. */
struct adjustment {
	const char *field; /* "size.width", static storage */
	int64_t asked, got;
};

#define SETTINGS_ADJUSTMENTS_MAX 4u

/* Why a change is refused: one row for each error of the interface. */
enum fault_kind {
	FAULT_RANGE,          /* field, minimum, maximum, given */
	FAULT_FIELD,          /* field, reason */
	FAULT_UNSUPPORTED,    /* field, reason */
	FAULT_NO_STREAM,      /* name */
	FAULT_STREAM_EXISTS,  /* name */
	FAULT_STREAM_IN_USE,  /* name, clients */
	FAULT_ADJUSTED,       /* adjustments */
	FAULT_BUSY,           /* reason, retry_after_us */
	FAULT_NO_ROOM,        /* name, reason, needed, available */
	FAULT_SOURCE_REFUSED, /* step, reason, restored */
};

struct fault {
	enum fault_kind kind;
	int stream;     /* index of the stream that `field` is of, -1: none */
	char field[40]; /* "size.width"; of a stream "region.x" */
	char name[LUMARING_NAME_MAX + 1];
	char reason[512]; /* one sentence */
	int64_t minimum, maximum, given;
	unsigned clients;
	struct adjustment adjustments[SETTINGS_ADJUSTMENTS_MAX];
	unsigned adjustment_count;
	uint64_t retry_after_us, needed_bytes, available_bytes;
	enum source_step step;
	bool restored;
};

/* What is said of a stream; what is not stays, or has its default where there is none of that name. */
struct stream_wish {
	struct stream_config config;                       /* its name, and what is given */
	bool region, max_size, slots, format, bin, always; /* given */
};

/* Fill in a fault with its sentence; the error, -EINVAL, so that a refusal is one statement. */
int fault_field(struct fault *ret_fault, int stream, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* As the source says. */
void fault_from_source(struct fault *ret_fault, int error, const struct source_fault *fault);

/* Index of a stream, -1: there is none of that name. */
int settings_find(const struct settings *settings, const char *name);

/*
 * Changes of the list of streams: 0, or -EINVAL and a fault. All of them: those not named are removed, the others come
 * in the order of the wishes.
 */
int settings_set_streams(struct settings *settings, const struct stream_wish *wishes, unsigned wish_count,
			 struct fault *ret_fault);
int settings_add_stream(struct settings *settings, const struct stream_wish *wish, struct fault *ret_fault);
int settings_remove_stream(struct settings *settings, const char *name, struct fault *ret_fault);
int settings_set_region(struct settings *settings, const char *name, struct region region, struct fault *ret_fault);

/* Is each stream right by itself, and does it lie inside an image of the size in `settings`? 0, or -EINVAL. */
int settings_check(const struct settings *settings, struct fault *ret_fault);

/* Is the source to be stopped and started; is its rate to be changed? */
bool settings_differ_in_format(const struct source_settings *a, const struct source_settings *b);
bool settings_differ_in_rate(const struct source_settings *a, const struct source_settings *b);
bool settings_streams_equal(const struct stream_config *a, const struct stream_config *b);
bool settings_same_streams(const struct settings *a, const struct settings *b); /* all, in the same order */
bool settings_equal(const struct settings *a, const struct settings *b);

/* Where `got` is not what was asked for; 0 asks for nothing. How many, up to SETTINGS_ADJUSTMENTS_MAX. */
unsigned settings_adjustments(const struct source_settings *asked, const struct source_settings *got,
			      struct adjustment *ret_adjustments);

/*
 * A pace: so many a second in the long run, as many at once after a pause. *paid_ns is the time up to which it is paid
 * for, 0 at first. How long to wait before the next one, 0: now; and that it happens.
 */
uint64_t settings_pace_wait_ns(uint64_t paid_ns, uint64_t now_ns, unsigned rate);
void settings_pace_pay(uint64_t *paid_ns, uint64_t now_ns, unsigned rate);

/* Frames of a duration that would have fitted between two that are so far apart. */
uint64_t settings_gap_frames(uint64_t gap_us, uint64_t frame_duration_us);

#endif
