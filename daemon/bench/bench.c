/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - see bench.h: which memory there is, in which order it is measured, and the report. What is measured of one
 * memory is in measure.c.
 */
#include "bench/bench.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/memory.h"
#include "bench/v4l2.h"
#include "copy/kernel.h"

#define WIDTH 2304u
#define HEIGHT 1296u
#define NODES_MAX 3u    /* that are measured, each of another driver */
#define DEVICES_MAX 64u /* that are looked at */
#define UNCACHED 3.0    /* times slower than plain memory, read again and again */

struct bench {
	struct bench_layout layout; /* what to measure where nobody says something else */
	unsigned threads;
	double plain_mbs; /* read again and again */
	struct v4l2_node nodes[NODES_MAX];
	unsigned node_count;
	FILE *notes; /* for below the table */
	char *text;
	size_t text_bytes;
};

static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
	signal_number = number;
	bench_stop();
}

/* All that users end it by, the pipe of the report and the terminal included: cameras get their formats back. */
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct sigaction hangup;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void print_table_head(void)
{
	printf("| %-13s | %-9s | threads | ms a frame [p10..p90]    | MB/s   | frames/s | ms at %u/s | CPU at %u/s |\n"
	       "| ------------- | --------- | ------- | ------------------------ | ------ | -------- | ---------- | "
	       "----"
	       "------- |\n",
	       "memory", "pixels", BENCH_FRAMERATE, BENCH_FRAMERATE);
}

static void print_ms(char *text, size_t text_bytes, double us)
{
	snprintf(text, text_bytes, us < 1e3 ? "%.4f" : us < 1e4 ? "%.3f" : "%.2f", us / 1e3);
}

static void print_row(const struct bench_memory *memory, struct bench_row *row)
{
	double us = bench_percentile(&row->wall_us, 50);
	char size[16], ms[16], least[16], most[16], paced[16], spread[64];

	snprintf(size, sizeof(size), "%ux%u", row->width, row->height);
	print_ms(ms, sizeof(ms), us);
	print_ms(least, sizeof(least), bench_percentile(&row->wall_us, 10));
	print_ms(most, sizeof(most), bench_percentile(&row->wall_us, 90));
	print_ms(paced, sizeof(paced), bench_percentile(&row->paced_us, 50));
	snprintf(spread, sizeof(spread), "%s [%s..%s]", ms, least, most);
	printf("| %-13.13s | %9s | %7u | %-24s | %6.0f | %8.0f | %10s | %9.2f %% |\n", memory->name, size, row->threads,
	       spread, (double)row->width * row->height / us, 1e6 / us, paced,
	       bench_percentile(&row->paced_cpu_us, 50) * BENCH_FRAMERATE / 1e4);
}

/* What the memory is by its times, whatever it is called. */
static void judge(struct bench *bench, struct bench_memory *memory, const char *what)
{
	double mbs = bench_reread_mbs(memory->buffers[0]);
	char kernels[96];

	if (bench->plain_mbs == 0)
		bench->plain_mbs = mbs;
	memory->uncached = mbs * UNCACHED < bench->plain_mbs;
	bench_kernel_names(memory, kernels, sizeof(kernels));
	fprintf(bench->notes, "- %s: %s; %s: read again and again %.0f MB/s, %.2f of plain memory; %u buffers; %s\n",
		memory->name, what, memory->uncached ? "uncached" : "cached", mbs, mbs / bench->plain_mbs,
		memory->count, kernels);
}

static int measure(struct bench *bench, const struct bench_memory *memory, char *text, size_t text_bytes)
{
	static struct bench_row rows[BENCH_ROWS_MAX];
	unsigned count = bench_rows(&memory->layout, bench->threads, rows);
	struct bench_engine engine;
	size_t slot_bytes = ((size_t)memory->layout.width + 63) / 64 * 64 * memory->layout.height;
	int r = bench_check_room(slot_bytes, BENCH_SLOTS, text, text_bytes); /* a driver's image may be another */

	if (r == 0)
		r = bench_engine_init(&engine, bench->threads, slot_bytes, text, text_bytes);
	if (r < 0)
		return r;
	r = bench_measure(&engine, memory, rows, count);
	bench_engine_finish(&engine);
	if (r < 0 && r != -ECANCELED)
		return snprintf(text, text_bytes, "%s cannot be synchronised: %s", memory->name, strerror(-r)), r;
	for (unsigned i = 0; r == 0 && i < count; i++)
		print_row(memory, &rows[i]);
	fflush(stdout);
	return r;
}

/* --- plain memory ------------------------------------------------------------------------------------------------- */

static int measure_plain(struct bench *bench, char *text, size_t text_bytes)
{
	struct bench_memory memory;
	int r = bench_memory_plain(&bench->layout, &memory);

	if (r < 0)
		return snprintf(text, text_bytes, "no memory for capture buffers"), r;
	judge(bench, &memory, "memory as the sources replay and synthetic use it");
	r = measure(bench, &memory, text, text_bytes);
	bench_memory_finish(&memory);
	return r;
}

/* --- the buffers of drivers --------------------------------------------------------------------------------------- */

static bool is_measured(const struct bench *bench, const char *driver)
{
	for (unsigned i = 0; i < bench->node_count; i++)
		if (strcmp(bench->nodes[i].driver, driver) == 0)
			return true;
	return false;
}

static int measure_node(struct bench *bench, struct v4l2_node *node, char *text, size_t text_bytes)
{
	const struct bench_layout *layout = &node->layout;
	struct bench_memory memory;
	char what[160];
	int r = v4l2_map(node, bench_buffer_count(node->image_bytes), &memory, text, text_bytes);

	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "the driver's buffers (V4L2 mmap) of %s (%s), %ux%u %s, stride %zu%s",
		 node->driver, node->card, layout->width, layout->height, node->format, layout->stride,
		 layout->bytes_only ? ", read as bytes" : "");
	judge(bench, &memory, what);
	r = measure(bench, &memory, text, text_bytes);
	v4l2_release(node);
	return r;
}

/* 0 when it is measured, or is noted as one that cannot be; -ENODEV: no camera. */
static int try_node(struct bench *bench, const char *path, char *text, size_t text_bytes)
{
	struct v4l2_node node;
	int r = v4l2_open(path, &node, text, text_bytes);

	if (r == -ENODEV)
		return r;
	if (r == 0 && (bench->node_count == NODES_MAX || is_measured(bench, node.driver))) {
		fprintf(bench->notes, "- %s: another node of %s, left out\n", path, node.driver);
		v4l2_close(&node);
		return 0;
	}
	if (r == 0) {
		r = v4l2_configure(&node, bench->layout.width, bench->layout.height, text, text_bytes);
		if (r == 0)
			r = measure_node(bench, &node, text, text_bytes);
		if (r == 0)
			bench->nodes[bench->node_count++] = node;
		else
			v4l2_close(&node);
	}
	if (r < 0 && r != -ECANCELED)
		fprintf(bench->notes, "- %s: %s\n", path, text);
	return r == -ECANCELED ? r : 0;
}

static int is_video(const struct dirent *entry)
{
	return strncmp(entry->d_name, "video", 5) == 0 && entry->d_name[5] >= '0' && entry->d_name[5] <= '9';
}

static int try_nodes(struct bench *bench, char *text, size_t text_bytes)
{
	struct dirent **entries = NULL;
	int count = scandir("/dev", &entries, is_video, versionsort), r = 0;

	for (int i = 0; i < count; i++) {
		char path[48];

		snprintf(path, sizeof(path), "/dev/%.40s", entries[i]->d_name);
		if (r != -ECANCELED && i < (int)DEVICES_MAX)
			r = try_node(bench, path, text, text_bytes);
		free(entries[i]);
	}
	free(entries);
	return r == -ECANCELED ? r : 0;
}

/* --- a dma-heap --------------------------------------------------------------------------------------------------- */

/* The first node that takes the buffers; NULL: none, and each refusal is noted. */
static struct v4l2_node *import(struct bench *bench, const struct bench_memory *memory)
{
	char text[160];

	for (unsigned i = 0; i < bench->node_count; i++) {
		struct v4l2_node *node = &bench->nodes[i];

		if (v4l2_import(node, memory->dmabufs, memory->count, text, sizeof(text)) == 0)
			return node;
		fprintf(bench->notes, "- heap %s: memory is there, but %s\n", memory->name, text);
	}
	return NULL;
}

static int measure_heap(struct bench *bench, struct bench_memory *memory, const struct v4l2_node *node, char *text,
			size_t text_bytes)
{
	struct bench_samples sync;
	char what[128];
	int r = bench_measure_sync(memory, &sync);

	if (r < 0)
		return snprintf(text, text_bytes, "%s cannot be synchronised: %s", memory->name, strerror(-r)), r;
	snprintf(what, sizeof(what), "dma-heap, %s%s", node ? "imported by " : "which nobody imports",
		 node ? node->driver : "");
	judge(bench, memory, what);
	fprintf(bench->notes,
		"- %s: SYNC START and END of a buffer of %.1f MB take %.4f ms [%.4f..%.4f]%s; each of its frames "
		"above has both\n",
		memory->name, (double)memory->dmabufs[0].bytes / 1e6, bench_percentile(&sync, 50) / 1e3,
		bench_percentile(&sync, 10) / 1e3, bench_percentile(&sync, 90) / 1e3,
		node ? "" : ", since no device has it");
	return measure(bench, memory, text, text_bytes);
}

/* 0: measured. */
static int try_heap(struct bench *bench, const char *heap, char *text, size_t text_bytes)
{
	const struct v4l2_node *first = bench->node_count ? &bench->nodes[0] : NULL;
	const struct bench_layout *layout = first ? &first->layout : &bench->layout;
	size_t bytes = first ? first->image_bytes : bench_layout_bytes(layout);
	struct v4l2_node *node;
	struct bench_memory memory;
	int r = bench_memory_heap(heap, layout, bytes, bench_buffer_count(bytes), &memory, text, text_bytes);

	if (r < 0) {
		fprintf(bench->notes, "- heap %s: %s\n", heap, text);
		return r;
	}
	node = import(bench, &memory);
	r = node || !first ? measure_heap(bench, &memory, node, text, text_bytes) : -ENODEV;
	if (node)
		v4l2_release(node);
	bench_memory_finish(&memory);
	return r;
}

static int try_heaps(struct bench *bench, char *text, size_t text_bytes)
{
	int r = -ENOENT;

	if (access(DMABUF_HEAP_DIRECTORY, F_OK) < 0) {
		fprintf(bench->notes, "- No dma-heap: there is no %s\n", DMABUF_HEAP_DIRECTORY);
		return 0;
	}
	for (unsigned i = 0; r != 0 && r != -ECANCELED && dmabuf_heaps[i]; i++)
		r = try_heap(bench, dmabuf_heaps[i], text, text_bytes);
	return r == -ECANCELED ? r : 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static int measure_all(struct bench *bench, const char *device, char *text, size_t text_bytes)
{
	int r = measure_plain(bench, text, text_bytes);

	if (r == 0 && device)
		r = try_node(bench, device, text, text_bytes);
	else if (r == 0)
		r = try_nodes(bench, text, text_bytes);
	if (r == 0)
		r = try_heaps(bench, text, text_bytes);
	return r;
}

static void print_end(struct bench *bench)
{
	fclose(bench->notes);
	printf("\nBack to back, but for the last two columns: with %u frames a second, as a camera gives them.\n"
	       "MB/s: of pixels, each read and written. CPU: of one core, all threads together. What one thread\n"
	       "does in less than a tenth of a millisecond it does alone, whatever the number.\n\n%s",
	       BENCH_FRAMERATE, bench->text ? bench->text : "");
	if (signal_number)
		printf("- Stopped before everything was measured.\n");
	else if (!bench->node_count)
		printf("- There is no camera, or none that is free: no buffers of a camera driver were measured.\n");
	fflush(stdout);
	free(bench->text);
	for (unsigned i = 0; i < bench->node_count; i++)
		v4l2_close(&bench->nodes[i]);
}

/* Whoever names a camera wants that one, and to know at once if it is none. */
static int check_device(const char *device, char *text, size_t text_bytes)
{
	struct v4l2_node node;
	char why[160];
	int r = v4l2_open(device, &node, why, sizeof(why));

	if (r == 0)
		v4l2_close(&node);
	if (r == 0 || r == -EBUSY)
		return 0;
	snprintf(text, text_bytes, "%s: %s", device, why);
	return r;
}

static int prepare(struct bench *bench, const struct bench_request *request, char *text, size_t text_bytes)
{
	uint32_t width = request->width ? request->width : WIDTH;
	cpu_set_t anywhere;
	unsigned threads;
	int r = 0;

	if (copy_cpu_error())
		return snprintf(text, text_bytes, "%s", copy_cpu_error()), -EINVAL;
	if (request->device)
		r = check_device(request->device, text, text_bytes);
	if (r < 0)
		return r;
	CPU_ZERO(&anywhere);
	threads = copy_pool_threads_default(&anywhere);
	*bench = (struct bench){
		.layout = {
			.width = width,
			.height = request->height ? request->height : HEIGHT,
			.stride = ((size_t)width + 63) / 64 * 64,
			.pixels = PIXELS_R8,
		},
		.threads = threads < BENCH_THREADS_MAX ? threads : BENCH_THREADS_MAX,
	};
	r = bench_check_room(bench_layout_bytes(&bench->layout), BENCH_SLOTS, text, text_bytes);
	if (r < 0)
		return r;
	bench->notes = open_memstream(&bench->text, &bench->text_bytes);
	return bench->notes ? 0 : (snprintf(text, text_bytes, "no memory for a report"), -ENOMEM);
}

int bench_camera(const struct bench_request *request, int *ret_signal, char *text, size_t text_bytes)
{
	static struct bench bench;
	int r = prepare(&bench, request, text, text_bytes);

	if (r < 0)
		return r;
	catch_signals();
	fprintf(stderr, "lumaringd: measuring, some seconds for each kind of memory\n");
	printf("### Copying luma out of capture buffers\n\n");
	machine_print(stdout);
	printf("\n");
	print_table_head();
	fflush(stdout);
	r = measure_all(&bench, request->device, text, text_bytes);
	print_end(&bench);
	*ret_signal = signal_number;
	if (r == 0 && signal_number == SIGPIPE)
		return -ECANCELED;
	if (r == 0 && ferror(stdout))
		return snprintf(text, text_bytes, "the report could not be written"), -EIO;
	return r;
}
