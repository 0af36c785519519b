/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h - what people write, on the command line and in the configuration: names and numbers with units.
 *
 * The parsers are strict: no space, no sign, nothing after the value, no overflow. `what` is the option or field that
 * the text belongs to. They return 0, or -EINVAL with one sentence in `error`, such as
 *     --size: "12x" is not WIDTHxHEIGHT, each 1 to 65535
 * Thread-safe.
 */
#ifndef LUMARING_NAMES_H
#define LUMARING_NAMES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region {
	uint32_t x, y, width, height; /* pixels of the captured image */
};

/* True for a name of a camera or a stream: [a-z0-9_-]{1,32} */
bool name_valid(const char *name);

/* "WxH", each 1 to 65535. */
int parse_size(const char *what, const char *text, uint32_t *ret_width, uint32_t *ret_height, char *error,
	       size_t error_bytes);

/* "X,Y,W,H", each 0 to 65535, W and H at least 1. */
int parse_region(const char *what, const char *text, struct region *ret_region, char *error, size_t error_bytes);

/*
 * Frames per second, above 0 and up to LIMIT_FRAMERATE, as the time of one frame rounded to the nearest nanosecond: a
 * decimal with up to 9 places ("30", "29.97"), a fraction ("30000/1001"), or two of them, the slower one first, between
 * which the rate may lie ("15-56"). One rate gives the same duration twice. Less than FRAMERATE_BYTES characters.
 */
#define FRAMERATE_BYTES 64u
int parse_framerates(const char *what, const char *text, uint64_t *ret_duration_min_ns, uint64_t *ret_duration_max_ns,
		     char *error, size_t error_bytes);

/* A number of bytes, min to max; a suffix k (or K), M or G multiplies by 1024, 1024^2 or 1024^3. */
int parse_bytes(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes, char *error,
		size_t error_bytes);

/* A list of CPUs as taskset(1) takes it: numbers and FIRST-LAST, with commas: "0,2-3". */
int parse_cpus(const char *what, const char *text, cpu_set_t *ret_cpus, char *error, size_t error_bytes);

/* A whole number, min to max; of the first, with a minus sign before it or not. */
int parse_integer(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret_value, char *error,
		  size_t error_bytes);
int parse_unsigned(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret_value, char *error,
		   size_t error_bytes);
int parse_u32(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *ret_value, char *error,
	      size_t error_bytes);

#endif
