/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object.c - the shared-memory object of a ring: its name, size, memory and modes, and the names that crashed daemons
 * left. Main thread only. The read-write descriptor is closed as soon as the object is mapped and never leaves here.
 */
#include "ring/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"

#define RING_DIRECTORY "/dev/shm" /* where shm_open(3) of glibc and musl keeps its objects */
#define RING_PAGE 4096u
#define RING_NAME_TRIES 8

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

bool ring_shape_compute(const struct ring_config *config, struct ring_shape *ret_shape)
{
	struct ring_shape s = { .slot_count = config->slot_count };
	uint64_t slots_bytes;

	if (s.slot_count < LUMARING_SLOTS_MIN || s.slot_count > LUMARING_SLOTS_MAX)
		return false;
	if (config->width_max < 1 || config->width_max > LUMARING_EXTENT_MAX || config->height_max < 1 ||
	    config->height_max > LUMARING_EXTENT_MAX || config->bytes_per_pixel < 1 || config->bytes_per_pixel > 2)
		return false;
	for (s.order_count = 8; s.order_count < 2 * s.slot_count;)
		s.order_count *= 2;
	s.descriptors_offset = round_up(sizeof(struct lumaring_header), 256);
	s.order_offset = s.descriptors_offset + (uint64_t)s.slot_count * sizeof(struct lumaring_descriptor);
	s.slots_offset = round_up(s.order_offset + (uint64_t)s.order_count * sizeof(uint64_t), RING_PAGE);
	s.slot_bytes = round_up((uint64_t)ring_stride(config->width_max, config->bytes_per_pixel) * config->height_max,
				RING_PAGE);
	if (__builtin_mul_overflow(s.slot_bytes, (uint64_t)s.slot_count, &slots_bytes) ||
	    __builtin_add_overflow(slots_bytes, s.slots_offset, &s.object_bytes) || s.object_bytes > INT64_MAX)
		return false;
	*ret_shape = s;
	return true;
}

uint64_t ring_bytes_needed(const struct ring_config *config)
{
	struct ring_shape shape;

	return ring_shape_compute(config, &shape) ? shape.object_bytes : 0;
}

/* A name nobody has: a squatted one is unlinked and another epoch tried, so a squatter cannot keep us from starting. */
static int open_exclusive(struct ring *ring, const struct ring_config *config)
{
	const struct log_fields fields = { .event = LOG_EVENT_LEFT_OVER_REMOVED, .stream = config->stream };

	for (int tries = 0; tries < RING_NAME_TRIES; tries++) {
		int fd;

		ring->epoch = clock_ns(CLOCK_BOOTTIME);
		snprintf(ring->name, sizeof(ring->name), "/lumaring.%s.%s.%llu", config->camera, config->stream,
			 (unsigned long long)ring->epoch);
		fd = shm_open(ring->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
		log_event(LOG_LEVEL_WARNING, &fields, "shared memory %s exists already, unlinking it", ring->name);
		shm_unlink(ring->name);
	}
	return -EEXIST;
}

uint64_t ring_bytes_available(void)
{
	struct statvfs room;

	return statvfs(RING_DIRECTORY, &room) < 0 ? 0 : (uint64_t)room.f_bavail * room.f_frsize;
}

static int allocate(int fd, const struct ring *ring, uint32_t slot_count, char *text, size_t text_bytes)
{
	int r;

	/* ftruncate() would succeed and the first store without room be SIGBUS: every page is had now, or refused. */
	do
		r = -posix_fallocate(fd, 0, (off_t)ring->shape.object_bytes);
	while (r == -EINTR);
	if (r == 0)
		return 0;
	if (r == -EFBIG)
		r = -ENOSPC;
	if (ftruncate(fd, 0) < 0)
		return snprintf(text, text_bytes, "cannot allocate %s: %s", ring->name, strerror(-r)), r;
	snprintf(text, text_bytes,
		 "%s needs %llu bytes for %u slots but %s has %llu available: use fewer --slots, a smaller size, or "
		 "enlarge it (mount -o remount,size=... %s)",
		 ring->name, (unsigned long long)ring->shape.object_bytes, slot_count, RING_DIRECTORY,
		 (unsigned long long)ring_bytes_available(), RING_DIRECTORY);
	return r;
}

static int set_access(int fd, gid_t group)
{
	struct stat made;

	if (fstat(fd, &made) < 0)
		return -errno;
	/* Where giving things to groups is forbidden, not even one's own may be asked for. */
	if (group != (gid_t)-1 && group != made.st_gid && fchown(fd, (uid_t)-1, group) < 0)
		return -errno;
	return fchmod(fd, 0640) < 0 ? -errno : 0;
}

/* The descriptor clients get: a second, read-only open file of the same object. */
static int open_read_only(const char *name, int fd)
{
	struct stat ours, opened;
	int ro = shm_open(name, O_RDONLY | O_CLOEXEC, 0);

	if (ro < 0)
		return -errno;
	if (fstat(fd, &ours) < 0 || fstat(ro, &opened) < 0 || ours.st_ino != opened.st_ino ||
	    ours.st_dev != opened.st_dev) {
		close(ro);
		return -EEXIST;
	}
	return ro;
}

static int map(struct ring *ring, int fd)
{
	void *p = mmap(NULL, ring->shape.object_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memory_hide(p, ring->shape.object_bytes);
	memory_lock(p, ring->shape.object_bytes);
	ring->base = p;
	ring->header = p;
	return 0;
}

int ring_object_create(struct ring *ring, const struct ring_config *config, char *text, size_t text_bytes)
{
	int fd, r;

	fd = open_exclusive(ring, config);
	if (fd < 0)
		return snprintf(text, text_bytes, "cannot create shared memory %s: %s", ring->name, strerror(-fd)), fd;
	text[0] = '\0';
	r = allocate(fd, ring, config->slot_count, text, text_bytes);
	if (r == 0)
		r = set_access(fd, config->group);
	if (r == 0)
		r = map(ring, fd);
	if (r == 0)
		r = ring->fd = open_read_only(ring->name, fd);
	if (r < 0 && !text[0])
		snprintf(text, text_bytes, "cannot set up shared memory %s: %s", ring->name, strerror(-r));
	close(fd);
	if (r < 0 || !config->named)
		shm_unlink(ring->name);
	ring->named = r >= 0 && config->named;
	if (r < 0)
		ring_object_destroy(ring);
	return r < 0 ? r : 0;
}

void ring_object_destroy(struct ring *ring)
{
	if (ring->named)
		shm_unlink(ring->name);
	if (ring->base) {
		memory_unlock(ring->base, ring->shape.object_bytes);
		munmap(ring->base, ring->shape.object_bytes);
	}
	if (ring->fd >= 0)
		close(ring->fd);
	ring->base = NULL;
	ring->fd = -1;
	ring->named = false;
}

/* True when a living daemon stands behind the object. It is read, never mapped: whoever made it could truncate it. */
static bool has_living_writer(int directory, const char *entry)
{
	struct lumaring_header header;
	int fd = openat(directory, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, &header, sizeof(header), 0);
	close(fd);
	return n == (ssize_t)sizeof(header) && header.magic == LUMARING_MAGIC &&
	       process_is((pid_t)header.writer_pid, header.writer_start);
}

unsigned ring_sweep(const char *camera)
{
	char prefix[sizeof("lumaring..") + LUMARING_NAME_MAX];
	struct dirent *entry;
	unsigned unlinked = 0;
	DIR *directory = opendir(RING_DIRECTORY);

	if (!directory)
		return 0;
	snprintf(prefix, sizeof(prefix), "lumaring.%s.", camera);
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    has_living_writer(dirfd(directory), entry->d_name))
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) == 0) {
			log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_LEFT_OVER_REMOVED },
				  "unlinked %s/%s, which no running daemon stands behind", RING_DIRECTORY,
				  entry->d_name);
			unlinked++;
		} else {
			log_event(LOG_LEVEL_WARNING,
				  &(struct log_fields){ .event = LOG_EVENT_LEFT_OVER_STAYS, .error = errno },
				  "cannot unlink the left-over %s/%s: %s, ignoring", RING_DIRECTORY, entry->d_name,
				  strerror(errno));
		}
	}
	closedir(directory);
	return unlinked;
}
