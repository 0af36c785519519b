/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * one_mapping.h - makes writer and readers of one process see shared memory at the same address.
 *
 * ThreadSanitizer knows memory by its address: what two threads do to the same page through two mappings are two
 * different things to it, and it would find no race in the ring whatever was wrong. So, under ThreadSanitizer only,
 * this program's own mmap() hands out the mapping that there already is when the same file is mapped again, and
 * munmap() leaves such a mapping be (its address must not come back as something else). Include it in one .c file.
 */
#ifndef LUMARING_TEST_ONE_MAPPING_H
#define LUMARING_TEST_ONE_MAPPING_H

#if defined(__SANITIZE_THREAD__)
#define ONE_MAPPING 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ONE_MAPPING 1
#endif
#endif

#ifdef ONE_MAPPING
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ONE_MAPPING_MAX 65536u

static struct one_mapping {
	dev_t device;
	ino_t inode;
	size_t bytes;
	void *address;
} one_mappings[ONE_MAPPING_MAX];
static unsigned one_mapping_count;
static pthread_mutex_t one_mapping_lock = PTHREAD_MUTEX_INITIALIZER;

static void *one_mapping_find(const struct stat *file, size_t bytes)
{
	for (unsigned i = 0; i < one_mapping_count; i++)
		if (one_mappings[i].device == file->st_dev && one_mappings[i].inode == file->st_ino &&
		    one_mappings[i].bytes >= bytes)
			return one_mappings[i].address;
	return NULL;
}

__attribute__((visibility("default"))) void *mmap(void *address, size_t bytes, int protection, int flags, int fd,
						  off_t offset) __attribute__((no_sanitize("thread")));
__attribute__((visibility("default"))) int munmap(void *address, size_t bytes) __attribute__((no_sanitize("thread")));

/* The lock would order threads that nothing else orders, but only those that attach: never the frame path. */
void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	struct stat file;
	void *found = NULL;

	if (!(flags & MAP_SHARED) || fd < 0 || offset != 0 || fstat(fd, &file) < 0)
		return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
	pthread_mutex_lock(&one_mapping_lock);
	found = one_mapping_find(&file, bytes);
	if (!found) {
		found = (void *)syscall(SYS_mmap, address, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
		if (found != MAP_FAILED && one_mapping_count < ONE_MAPPING_MAX)
			one_mappings[one_mapping_count++] =
				(struct one_mapping){ file.st_dev, file.st_ino, bytes, found };
	}
	pthread_mutex_unlock(&one_mapping_lock);
	return found;
}

int munmap(void *address, size_t bytes)
{
	bool known = false;

	pthread_mutex_lock(&one_mapping_lock);
	for (unsigned i = 0; i < one_mapping_count; i++)
		known |= one_mappings[i].address == address;
	pthread_mutex_unlock(&one_mapping_lock);
	return known ? 0 : (int)syscall(SYS_munmap, address, bytes);
}

#endif
#endif
