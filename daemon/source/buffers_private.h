/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buffers_private.h - what the files of buffers share: buffers.c prepares and reads, buffers_pool.c keeps memory by
 * number, buffers_choose.c finds out which memory the driver takes, buffers_measure.c what reading it costs.
 *
 * A *task* is one buffers_prepare(): what it has allocated and freed so far is in it, so that it can be taken back.
 */
#ifndef LUMARING_SOURCE_BUFFERS_PRIVATE_H
#define LUMARING_SOURCE_BUFFERS_PRIVATE_H

#include "source/buffers.h"
#include "source/dmabuf.h"

#define BUFFERS_BIT(number) (UINT64_C(1) << (number))

struct piece {
	struct dmabuf memory; /* pixels NULL: this number is free */
	size_t offset;        /* where the image is in it */
	const char *heap;     /* of dmabuf_heaps[]; NULL: the driver's own */
	bool stale;           /* replaced while it was held: freed when it is not any more */
	bool synchronised;    /* the reader's: accesses are told to the kernel */
};

struct buffers {
	struct buffers_config config;
	struct piece pieces[SOURCE_BUFFERS_MAX];
	char camera_id[sizeof(((struct source_identity *)0)->id)]; /* whom the rest is about */
	bool chosen;
	const char *heap;  /* NULL: the driver's own, and: */
	bool own_uncached; /* read past the caches */
	bool by_measurement;
	uint64_t heap_ns, own_ns;                                        /* to read a frame, 0: not measured */
	char reason[sizeof(((struct source_report *)0)->memory_reason)]; /* sentences */
	char told[sizeof(((struct source_report *)0)->memory_reason)];   /* those of the choice before */
	char figures[224];                                               /* of the measurement, a sentence */
	unsigned count;                                                  /* that the camera has, and bytes of one */
	size_t bytes;
};

struct task {
	struct buffers *buffers;
	struct libcamera_camera *camera;
	const struct source_format *format;
	uint64_t held;
	unsigned count;    /* of buffers */
	size_t bytes;      /* of one, at least */
	size_t most_bytes; /* that one of before may have to serve again */
	unsigned numbers[SOURCE_BUFFERS_MAX];
	uint64_t fresh;    /* numbers allocated by this task */
	uint64_t given_up; /* numbers freed by it, to make room */
	struct {
		const char *heap;
		size_t bytes;
	} before[SOURCE_BUFFERS_MAX]; /* of those given up */
	char *text;
	size_t text_bytes;
};

/* task->text; returns the error, so that a failure is one statement. */
int task_fail(struct task *task, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- buffers_pool.c ------------------------------------------------------------------------------------------- */

/*
 * task->numbers[0..count-1] are of this heap and large enough: those there are, unheld ones first, and new ones. If
 * there is no room for these, what would be of no use afterwards is given up for them. As dmabuf.h.
 */
int pool_get(struct task *task, const char *heap, unsigned count, bool held_too);

/* task->numbers[0..count-1] are the driver's own memory. */
int pool_adopt(struct task *task, const struct libcamera_memory *memories, unsigned count, bool synchronised);

/* Free what the task allocated, get back what it gave up; what cannot be had any more is added to task->text. */
void pool_take_back(struct task *task);

/* The task is done: free what is of no use with memory of this heap (NULL: the driver's own). */
void pool_settle(struct task *task, const char *heap);

/* The camera has forgotten the driver's own. */
void pool_drop_own(struct buffers *buffers, uint64_t held);

/* --- buffers_choose.c ----------------------------------------------------------------------------------------- */

/* Find memory for a camera that none is known for yet; on success the camera has it. */
int choose_memory(struct task *task);

/* The camera has what task->numbers say. -ENODEV; else -EIO. */
int import_pieces(struct task *task, unsigned count);

/* The camera has buffers of its own, which are in task->numbers. */
int export_pieces(struct task *task);

/* --- buffers_measure.c ---------------------------------------------------------------------------------------- */

/* Time to read a frame out of a heap's buffer, synchronised; 0: it cannot be told. */
uint64_t measure_heap(const struct buffers *buffers, const struct piece *piece, const struct source_format *format);

/* The same for memory of the driver's own, in the way that suits it: *ret_uncached. */
uint64_t measure_own(const struct buffers *buffers, const struct piece *piece, const struct source_format *format,
		     bool *ret_uncached);

#endif
