/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - the memory that frames pass through: kept out of core files, and in memory where that is allowed.
 *
 * Ranges are locked one by one, and only as far as they are used: rings, capture buffers of our own, code, and the
 * stacks of those threads that frames pass through. Not the whole process (mlockall(2)): that counts all address space,
 * such as 8 MiB for each thread's stack, and under a limit makes whatever is mapped later fail. A range that cannot be
 * locked works as well, but may have to be read from the disk again in the middle of a frame. Thread-safe.
 */
#ifndef LUMARING_MEMORY_H
#define LUMARING_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Leave these whole pages out of core files. */
void memory_hide(const void *at, size_t bytes);

/* Pages that are to stay in memory from their first use on, and until memory_unlock() of the same range, which comes
 * before it is unmapped. */
void memory_lock(const void *at, size_t bytes);
void memory_unlock(const void *at, size_t bytes);

/* Memory of zeros with both, NULL: there is none. Unmapping takes NULL. */
void *memory_map(size_t bytes);
void memory_unmap(void *at, size_t bytes);

/* Lock as much of the caller's stack as it needs: when it begins, and before it ends. */
#define MEMORY_STACK_BYTES (64u << 10)
void memory_lock_stack(void);
void memory_unlock_stack(void);

/* Lock the code of the program and of all libraries that it has loaded by now, none of which is unloaded. Once. */
void memory_lock_code(void);

struct memory_view {
	uint64_t wanted_bytes, locked_bytes;
	char reason[256]; /* why not all of it is locked, as one sentence that says what to do; "": it is */
};

void memory_look(struct memory_view *ret_view);

/* Log what memory_look() says, once for each of the two: all is locked, or not. One thread; for whenever there may be
 * news, since it looks only if there are. */
void memory_tell(void);

#endif
