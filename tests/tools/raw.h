/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.h - a client of the frame socket without the library, for tests that do what the library would not: it speaks
 * protocol.h, maps ring and page, and has no manners of its own. Calls block; what fails is told by a negative errno.
 */
#ifndef LUMARING_TEST_RAW_H
#define LUMARING_TEST_RAW_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <lumaring/protocol.h>

struct raw {
	int socket;
	struct lumaring_welcome welcome;
	const uint8_t *ring;
	struct lumaring_client_page *page;
};

/* The socket, or a negative errno. Waits while the daemon's queue of connections is full. */
static inline int raw_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd < 0 ? -errno : fd;
	close(fd);
	return -errno;
}

static inline struct lumaring_hello raw_hello(uint32_t cursors)
{
	return (struct lumaring_hello){
		.message = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(struct lumaring_hello) },
		.version = LUMARING_PROTOCOL_VERSION,
		.version_min = LUMARING_PROTOCOL_VERSION_MIN,
		.cursors = cursors,
	};
}

/* Receive a WELCOME and its two descriptors. A REFUSAL is its code, negative. */
static inline int raw_receive_welcome(int fd, struct lumaring_welcome *ret_welcome, int ret_fds[2])
{
	union {
		struct lumaring_message message;
		struct lumaring_welcome welcome;
		struct lumaring_refusal refusal;
		uint8_t bytes[LUMARING_MESSAGE_MAX];
	} in;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { &in, sizeof(in) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n < 0 && errno == ECONNRESET) /* closed with the hello unread: what was said before is behind that */
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	if (in.message.type == LUMARING_MESSAGE_REFUSAL)
		return -(int)in.refusal.code;
	if (in.message.type != LUMARING_MESSAGE_WELCOME || !c || c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -EBADMSG;
	memcpy(ret_fds, CMSG_DATA(c), 2 * sizeof(int));
	*ret_welcome = in.welcome;
	return 0;
}

static inline int raw_map(struct raw *raw, const int fds[2])
{
	void *ring = mmap(NULL, raw->welcome.ring_bytes, PROT_READ, MAP_SHARED, fds[0], 0);
	void *page = mmap(NULL, raw->welcome.page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);

	close(fds[0]);
	close(fds[1]);
	if (ring == MAP_FAILED || page == MAP_FAILED)
		return -ENOMEM;
	raw->ring = ring;
	raw->page = page;
	return 0;
}

/* Connect, say `hello`, take what is handed over. */
static inline int raw_attach(struct raw *ret_raw, const char *path, const struct lumaring_hello *hello)
{
	struct raw raw = { .socket = raw_connect(path) };
	int fds[2], r = raw.socket < 0 ? raw.socket : 0;

	if (r < 0)
		return r;
	if (send(raw.socket, hello, sizeof(*hello), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		r = -errno;
	if (r == 0)
		r = raw_receive_welcome(raw.socket, &raw.welcome, fds);
	if (r == 0)
		r = raw_map(&raw, fds);
	if (r < 0) {
		close(raw.socket);
		return r;
	}
	*ret_raw = raw;
	return 0;
}

static inline void raw_detach(struct raw *raw)
{
	close(raw->socket);
	munmap((void *)(uintptr_t)raw->ring, raw->welcome.ring_bytes);
	munmap(raw->page, raw->welcome.page_bytes);
}

static inline const struct lumaring_header *raw_header(const struct raw *raw)
{
	return (const void *)raw->ring;
}

/* The sequence word of a slot. */
static inline const uint64_t *raw_word(const struct raw *raw, uint32_t slot)
{
	const struct lumaring_header *h = raw_header(raw);

	return (const void *)(raw->ring + h->descriptors_offset + (uint64_t)slot * h->descriptor_bytes);
}

static inline uint64_t raw_published(const struct raw *raw)
{
	/* R1 of layout.h; pairs with W8 in daemon/ring/ring.c. */
	return __atomic_load_n(&raw_header(raw)->published, __ATOMIC_ACQUIRE);
}

static inline uint64_t raw_lost(const struct raw *raw, enum lumaring_lost cause)
{
	/* A number of the ledger stands alone: relaxed. */
	return __atomic_load_n(&raw_header(raw)->lost[cause], __ATOMIC_RELAXED);
}

#endif
