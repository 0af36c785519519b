/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buffers_measure.c - see buffers_private.h: what it costs to read a frame, by doing it. Other work can only make it
 * slower: the best of some passes tells most. Owner's side, some milliseconds.
 */
#include "source/buffers_private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

#define PASSES_MIN 2u /* the first one maps pages */
#define PASSES_MAX 8u
#define BUDGET_NS (3 * NS_PER_MS) /* of more passes than the least */

/* Memory that is read no slower than this, in halves of the time that ordinary memory takes, is cached. */
#define CACHED_HALVES 3u

struct cost {
	uint64_t copy_ns;
	uint64_t all_ns; /* with what the kernel does before and after */
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One pass; false: it cannot be told. `memory` NULL: ordinary memory. */
static bool run_pass(const struct buffers *buffers, const struct dmabuf *memory, const uint8_t *image,
		     const struct source_format *format, struct cost *ret_cost)
{
	const struct buffers_config *config = &buffers->config;
	uint64_t began_ns = clock_monotonic_ns(), copy_ns;
	int begun = memory ? dmabuf_begin_read(memory) : -ENOTTY, r = 0;

	if (begun < 0 && begun != -ENOTTY)
		return false;
	ret_cost->all_ns = clock_monotonic_ns() - began_ns;
	copy_ns = config->copy_ns(config->copy_owner, image, format);
	began_ns = clock_monotonic_ns();
	if (begun == 0)
		r = dmabuf_end_read(memory);
	ret_cost->copy_ns = copy_ns;
	ret_cost->all_ns += copy_ns + (clock_monotonic_ns() - began_ns);
	return r == 0 && copy_ns > 0;
}

/* Zeros: it cannot be told. */
static struct cost measure(const struct buffers *buffers, const struct dmabuf *memory, const uint8_t *image,
			   const struct source_format *format, bool uncached)
{
	struct source_format how = *format;
	struct cost best = { UINT64_MAX, UINT64_MAX };
	uint64_t began_ns = clock_monotonic_ns();

	how.uncached = uncached;
	if (!buffers->config.copy_ns)
		return (struct cost){ 0, 0 };
	for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
		struct cost cost;

		if (pass >= PASSES_MIN && clock_monotonic_ns() - began_ns > BUDGET_NS)
			break;
		if (!run_pass(buffers, memory, image, &how, &cost))
			return (struct cost){ 0, 0 };
		best.copy_ns = least(best.copy_ns, cost.copy_ns);
		best.all_ns = least(best.all_ns, cost.all_ns);
	}
	return best;
}

uint64_t measure_heap(const struct buffers *buffers, const struct piece *piece, const struct source_format *format)
{
	return measure(buffers, &piece->memory, piece->memory.pixels + piece->offset, format, false).all_ns;
}

/* An image in ordinary memory, all of it there; 0: it cannot be told. */
static uint64_t measure_ordinary(const struct buffers *buffers, const struct source_format *format)
{
	size_t bytes = (size_t)format->stride * format->height;
	void *image = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t copy_ns;

	if (image == MAP_FAILED)
		return 0;
	memset(image, 0x55, bytes);
	copy_ns = measure(buffers, NULL, image, format, false).copy_ns;
	munmap(image, bytes);
	return copy_ns;
}

uint64_t measure_own(const struct buffers *buffers, const struct piece *piece, const struct source_format *format,
		     bool *ret_uncached)
{
	const uint8_t *image = piece->memory.pixels + piece->offset;
	struct cost cached = measure(buffers, &piece->memory, image, format, false);
	uint64_t ordinary_ns = measure_ordinary(buffers, format);

	*ret_uncached = !cached.copy_ns || !ordinary_ns || cached.copy_ns * 2 > ordinary_ns * CACHED_HALVES;
	return *ret_uncached ? measure(buffers, NULL, image, format, true).copy_ns : cached.all_ns;
}
