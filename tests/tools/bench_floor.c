/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_floor.c - the least that a frame in shared memory for many processes can cost, to compare the daemon with: its
 * source and its copy, a ring of plain shared memory that is written round and round whoever reads it, one send() for
 * each client, and nothing else: no pins, no sequence words, no accounts, no change of anything while it runs.
 *
 *     bench_floor SOCKET WIDTH HEIGHT FRAME_DURATION_NS SLOTS CLIENTS       (duration 0: unpaced)
 *
 * One thread besides the source's. Starts the source when all clients are there; ends when it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"
#include "copy/frame.h"
#include "source/source.h"

#define CLIENTS_MAX 4096u

struct floor {
	struct source *source;
	struct source_format format;
	struct copy_conversion conversion;
	uint32_t stride;
	unsigned slots;
	uint64_t slot_bytes, ring_bytes, sequence;
	int ring_fd;
	uint8_t *ring;
	unsigned client_count;
	int clients[CLIENTS_MAX];
};

static int complain(const char *what)
{
	fprintf(stderr, "bench_floor: %s: %s\n", what, strerror(errno));
	return -1;
}

/* As the daemon does it: a POSIX object with all its memory; its name is not needed. */
static int make_ring(struct floor *floor)
{
	char name[64];
	int r;

	copy_conversion_init(&floor->conversion, floor->format.pixels, LUMARING_RANGE_FULL, false, LUMARING_FORMAT_R8,
			     1, copy_cpu());
	floor->stride = (floor->format.width + 63) / 64 * 64;
	floor->slot_bytes = ((uint64_t)floor->stride * floor->format.height + 4095) / 4096 * 4096;
	floor->ring_bytes = floor->slot_bytes * floor->slots;
	snprintf(name, sizeof(name), "/lumaring-bench-floor.%d", (int)getpid());
	floor->ring_fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (floor->ring_fd < 0)
		return complain("shm_open");
	shm_unlink(name);
	r = posix_fallocate(floor->ring_fd, 0, (off_t)floor->ring_bytes);
	if (r) {
		errno = r;
		return complain("posix_fallocate");
	}
	floor->ring = mmap(NULL, floor->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, floor->ring_fd, 0);
	return floor->ring == MAP_FAILED ? complain("mmap") : 0;
}

static int open_source(struct floor *floor, char **argv)
{
	struct source_config config = {
		.name = "synthetic",
		.settings = {
			.width = (uint32_t)atoi(argv[2]),
			.height = (uint32_t)atoi(argv[3]),
			.frame_duration_min_ns = strtoull(argv[4], NULL, 10),
			.frame_duration_max_ns = strtoull(argv[4], NULL, 10),
		},
	};
	struct source_event event;
	char text[512];

	config.unpaced = !config.settings.frame_duration_max_ns;
	if (source_open(&config, &floor->source, text, sizeof(text)) < 0) {
		fprintf(stderr, "bench_floor: %s\n", text);
		return -1;
	}
	if (source_fetch(floor->source, &event) < 0 || event.kind != SOURCE_FORMAT) {
		fprintf(stderr, "bench_floor: the source announced no format\n");
		return -1;
	}
	floor->format = event.format;
	return 0;
}

static int welcome(struct floor *floor, int client)
{
	struct floor_welcome message = { floor->ring_bytes, floor->slot_bytes };
	struct iovec iov = { &message, sizeof(message) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &floor->ring_fd, sizeof(int));
	return sendmsg(client, &msg, MSG_NOSIGNAL) < 0 ? complain("sendmsg") : 0;
}

static int take_clients(struct floor *floor, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* A name that is there can be connected to. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, (int)floor->client_count) < 0 || rename(address.sun_path, path) < 0)
		return complain(path);
	for (unsigned i = 0; i < floor->client_count; i++) {
		floor->clients[i] = accept(listener, NULL, NULL);
		if (floor->clients[i] < 0)
			return complain("accept");
		if (welcome(floor, floor->clients[i]) < 0)
			return -1;
	}
	close(listener);
	return 0;
}

/* A late frame is skipped for a newer one as in the daemon, so that both do the same work on a busy machine. */
static void take_frame(struct floor *floor, const struct source_frame *frame)
{
	struct floor_notice notice = {
		.sequence = ++floor->sequence,
		.ready_ns = frame->ready_ns,
		.slot = (uint32_t)(floor->sequence % floor->slots),
		.stride = floor->stride,
		.width = floor->format.width,
		.height = floor->format.height,
	};
	struct copy_job job = {
		.conversion = &floor->conversion,
		.image = frame->image,
		.image_stride = floor->format.stride,
		.width = floor->format.width,
		.height = floor->format.height,
		.destination = floor->ring + notice.slot * floor->slot_bytes,
		.destination_stride = floor->stride,
		.streaming = (uint64_t)floor->format.width * floor->format.height >= COPY_STREAMING_BYTES,
	};

	if (frame->behind > 0 && source_is_live(floor->source)) {
		source_release(floor->source, frame->buffer);
		return;
	}
	copy_job_run(&job, 0, job.height, NULL); /* one kernel: nothing lies in between */
	copy_fence();
	source_release(floor->source, frame->buffer);
	for (unsigned i = 0; i < floor->client_count; i++)
		send(floor->clients[i], &notice, sizeof(notice), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int serve(struct floor *floor)
{
	struct pollfd ready = { .fd = source_fd(floor->source), .events = POLLIN };
	struct source_event event;

	if (source_start(floor->source) < 0)
		return -1;
	for (;;) {
		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			return complain("poll");
		while (source_fetch(floor->source, &event) == 0)
			if (event.kind == SOURCE_FRAME)
				take_frame(floor, &event.frame);
	}
}

int main(int argc, char **argv)
{
	static struct floor floor;

	if (argc != 7) {
		fprintf(stderr, "usage: bench_floor SOCKET WIDTH HEIGHT FRAME_DURATION_NS SLOTS CLIENTS\n");
		return 2;
	}
	floor.slots = (unsigned)atoi(argv[5]);
	floor.client_count = (unsigned)atoi(argv[6]);
	if (!floor.slots || floor.client_count > CLIENTS_MAX)
		return 2;
	if (open_source(&floor, argv) < 0 || make_ring(&floor) < 0 || take_clients(&floor, argv[1]) < 0)
		return 1;
	return serve(&floor) < 0;
}
