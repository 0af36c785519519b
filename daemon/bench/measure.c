/* SPDX-License-Identifier: BSD-2-Clause */
/* measure.c - see measure.h. */
#include "bench/measure.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "copy/frame.h"

#define BUDGET_NS (1200 * NS_PER_MS) /* back to back, for all rows of a memory */
#define SLICE_NS (6 * NS_PER_MS)     /* of one row, in its turn */
#define ROUNDS_MIN 3u
#define PACED_FRAMES 8u /* of each row */
#define REREAD_BYTES 4096u
#define REREADS 100u
#define SYNCS 32u

static volatile sig_atomic_t stopped;

void bench_stop(void)
{
	stopped = 1;
}

/* --- one frame ---------------------------------------------------------------------------------------------------- */

struct run {
	const struct bench_engine *engine;
	const struct bench_memory *memory;
	struct copy_conversion conversion;
	unsigned number; /* of the next frame */
};

/* As the daemon makes its stream `main`: 8 bits, unbinned, of a region or of all. */
static struct copy_conversion conversion_for(const struct bench_memory *memory)
{
	struct copy_conversion conversion;

	copy_conversion_init(&conversion, memory->layout.pixels, LUMARING_RANGE_FULL, memory->uncached,
			     LUMARING_FORMAT_R8, 1, copy_cpu());
	return conversion;
}

/* The part moves over the image from frame to frame, and the image from buffer to buffer. */
static struct copy_job job_for(const struct run *run, const struct bench_row *row)
{
	const struct bench_layout *layout = &run->memory->layout;
	unsigned number = run->number;

	return (struct copy_job){
		.conversion = &run->conversion,
		.image = run->memory->buffers[number % run->memory->count],
		.image_stride = layout->stride,
		.x = number * 97 % (layout->width - row->width + 1),
		.y = number * 61 % (layout->height - row->height + 1),
		.width = row->width,
		.height = row->height,
		.destination = run->engine->ring + number % BENCH_SLOTS * run->engine->slot_bytes,
		.destination_stride = ((size_t)row->width + 63) / 64 * 64,
	};
}

/* One frame; *ret_busy_ns is the CPU time of all threads. */
static int run_frame(struct run *run, const struct bench_row *row, uint64_t *ret_busy_ns)
{
	const struct dmabuf *buffer = &run->memory->dmabufs[run->number % run->memory->count];
	const struct copy_job job = job_for(run, row);
	struct copy_part part;
	struct copy_frame frame;
	struct copy_effort effort;
	uint64_t began_ns = clock_monotonic_ns();
	int r = run->memory->synchronised ? dmabuf_begin_read(buffer) : 0;

	if (r < 0)
		return r;
	copy_frame_begin(&frame, &part);
	copy_frame_add(&frame, &job);
	copy_frame_run(&frame, run->engine->pool, row->threads, &effort);
	r = run->memory->synchronised ? dmabuf_end_read(buffer) : 0;
	/* The rest is SYNC, which works and does not wait. */
	*ret_busy_ns = clock_monotonic_ns() - began_ns - effort.wall_ns + effort.busy_ns;
	run->number++;
	return r;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void add(struct bench_samples *samples, double value)
{
	if (samples->count < BENCH_SAMPLES_MAX)
		samples->values[samples->count++] = value;
}

/* As many frames as fit into a slice of time. */
static int run_slice(struct run *run, struct bench_row *row)
{
	uint64_t began_ns = clock_monotonic_ns(), now_ns, busy_ns;
	unsigned frames = 0;
	int r;

	do {
		r = stopped ? -ECANCELED : run_frame(run, row, &busy_ns);
		frames++;
		now_ns = clock_monotonic_ns();
	} while (r == 0 && now_ns - began_ns < SLICE_NS);
	if (r == 0)
		add(&row->wall_us, (double)(now_ns - began_ns) / frames / NS_PER_US);
	return r;
}

static int run_paced(struct run *run, struct bench_row *row, uint64_t *due_ns)
{
	uint64_t began_ns = clock_monotonic_ns(), busy_ns;
	struct timespec due;
	int r;

	/* What takes longer than a frame's time is late for its next turn. */
	*due_ns += NS_PER_SECOND / BENCH_FRAMERATE;
	if (*due_ns < began_ns)
		*due_ns = began_ns;
	due = (struct timespec){ (time_t)(*due_ns / NS_PER_SECOND), (long)(*due_ns % NS_PER_SECOND) };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL); /* a signal that ends it early stops us */
	if (stopped)
		return -ECANCELED;
	began_ns = clock_monotonic_ns();
	r = run_frame(run, row, &busy_ns);
	add(&row->paced_us, (double)(clock_monotonic_ns() - began_ns) / NS_PER_US);
	add(&row->paced_cpu_us, (double)busy_ns / NS_PER_US);
	return r;
}

int bench_measure(const struct bench_engine *engine, const struct bench_memory *memory, struct bench_row *rows,
		  unsigned row_count)
{
	struct run run = { .engine = engine, .memory = memory, .conversion = conversion_for(memory) };
	uint64_t began_ns = clock_monotonic_ns(), due_ns;
	int r = 0;

	for (unsigned round = 0; r == 0 && round < BENCH_SAMPLES_MAX; round++) {
		if (round >= ROUNDS_MIN && clock_monotonic_ns() - began_ns > BUDGET_NS)
			break;
		for (unsigned i = 0; r == 0 && i < row_count; i++)
			r = run_slice(&run, &rows[i]);
	}
	due_ns = clock_monotonic_ns();
	for (unsigned round = 0; r == 0 && round < PACED_FRAMES; round++)
		for (unsigned i = 0; r == 0 && i < row_count; i++)
			r = run_paced(&run, &rows[i], &due_ns);
	return r;
}

unsigned bench_rows(const struct bench_layout *layout, unsigned threads, struct bench_row rows[BENCH_ROWS_MAX])
{
	const uint32_t sizes[BENCH_PARTS][2] = { { layout->width, layout->height }, { 640, 480 }, { 64, 64 } };
	unsigned count = 0;

	for (unsigned part = 0; part < BENCH_PARTS; part++) {
		if (part > 0 && (sizes[part][0] >= layout->width || sizes[part][1] >= layout->height))
			continue;
		for (unsigned n = 1; n <= threads; n++)
			rows[count++] = (struct bench_row){
				.width = sizes[part][0],
				.height = sizes[part][1],
				.threads = n,
			};
	}
	return count;
}

/* --- the memory itself -------------------------------------------------------------------------------------------- */

static double reread_once_mbs(const volatile uint64_t *words)
{
	uint64_t began_ns = clock_monotonic_ns(), took_ns, bytes = 0;

	do {
		for (size_t i = 0; i < REREAD_BYTES / sizeof(*words); i++)
			(void)words[i];
		bytes += REREAD_BYTES;
		took_ns = clock_monotonic_ns() - began_ns;
	} while (took_ns < NS_PER_MS / 2);
	return (double)bytes / 1e6 / ((double)took_ns / 1e9);
}

/* Other work, and a CPU that was just asleep, can only make it slower: the best of many tries tells most. */
double bench_reread_mbs(const uint8_t *pixels)
{
	double best = 0;

	for (unsigned i = 0; i < REREADS; i++) {
		double mbs = reread_once_mbs((const volatile uint64_t *)(const volatile void *)pixels);

		best = mbs > best ? mbs : best;
	}
	return best;
}

int bench_measure_sync(const struct bench_memory *memory, struct bench_samples *ret_us)
{
	struct bench_samples samples = { .count = 0 };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SYNCS; i++) {
		const struct dmabuf *buffer = &memory->dmabufs[i % memory->count];
		uint64_t began_ns = clock_monotonic_ns();

		r = dmabuf_begin_read(buffer);
		if (r == 0)
			r = dmabuf_end_read(buffer);
		add(&samples, (double)(clock_monotonic_ns() - began_ns) / NS_PER_US);
	}
	if (r == 0)
		*ret_us = samples;
	return r;
}

void bench_kernel_names(const struct bench_memory *memory, char *text, size_t text_bytes)
{
	const struct copy_conversion conversion = conversion_for(memory);
	const struct bench_layout *layout = &memory->layout;

	copy_conversion_text(&conversion, (uint64_t)layout->width * layout->height >= COPY_STREAMING_BYTES, text,
			     text_bytes);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(struct bench_samples *samples, unsigned percent)
{
	if (!samples->count)
		return 0;
	qsort(samples->values, samples->count, sizeof(samples->values[0]), compare);
	return samples->values[((samples->count - 1) * percent + 50) / 100];
}

/* --- what copies -------------------------------------------------------------------------------------------------- */

/* Shared memory as a ring's, all of it there before anything is measured. */
static int make_ring(struct bench_engine *engine)
{
	size_t bytes = BENCH_SLOTS * engine->slot_bytes;
	int fd = memfd_create("lumaring-bench", MFD_CLOEXEC), r;
	void *ring;

	if (fd < 0)
		return -errno;
	ring = ftruncate(fd, (off_t)bytes) < 0 ? MAP_FAILED
					       : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r = ring == MAP_FAILED ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	memory_hide(ring, bytes);
	memset(ring, 0, bytes);
	engine->ring = ring;
	return 0;
}

int bench_engine_init(struct bench_engine *engine, unsigned threads, size_t slot_bytes, char *text, size_t text_bytes)
{
	const struct copy_pool_config config = {
		.threads = threads,
		.scratch_bytes = COPY_SCRATCH_BYTES,
		.policy = COPY_POLICY_INHERITED,
	};
	int r;

	*engine = (struct bench_engine){ .threads = threads, .slot_bytes = slot_bytes };
	r = make_ring(engine);
	if (r < 0)
		return snprintf(text, text_bytes, "no memory to copy to: %s", strerror(-r)), r;
	r = copy_pool_create(&config, &engine->pool, text, text_bytes);
	if (r < 0)
		bench_engine_finish(engine);
	return r;
}

void bench_engine_finish(struct bench_engine *engine)
{
	copy_pool_destroy(engine->pool);
	if (engine->ring)
		munmap(engine->ring, BENCH_SLOTS * engine->slot_bytes);
	memset(engine, 0, sizeof(*engine));
}
