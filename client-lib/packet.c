/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - see packet.h. Runs in the caller's thread, once per message. Must never leave a descriptor open that
 * nobody asked for, and must never read a field beyond the bytes that came.
 */
#include "packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes a message of this type has at least; an unknown type is skipped, so its header is enough. */
static size_t size_min(uint16_t type)
{
	switch (type) {
	case LUMARING_MESSAGE_HELLO:
		return LUMARING_HELLO_BYTES_MIN;
	case LUMARING_MESSAGE_WELCOME:
		return LUMARING_WELCOME_BYTES_MIN;
	case LUMARING_MESSAGE_REFUSAL:
		return sizeof(struct lumaring_refusal);
	case LUMARING_MESSAGE_NOTICE:
		return sizeof(struct lumaring_notice);
	case LUMARING_MESSAGE_STATE:
		return sizeof(struct lumaring_state);
	case LUMARING_MESSAGE_REPLACED:
		return sizeof(struct lumaring_replaced);
	default:
		return sizeof(struct lumaring_message);
	}
}

static void collect_fds(struct msghdr *msg, struct lr_packet *packet)
{
	packet->fd_count = 0;
	packet->fds_lost = msg->msg_flags & MSG_CTRUNC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* The buffer has room for LR_PACKET_FDS_MAX in one header and for nothing besides. */
		for (size_t i = 0; i < count && packet->fd_count < LR_PACKET_FDS_MAX; i++)
			memcpy(&packet->fds[packet->fd_count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

static int check_size(const struct lr_packet *packet, size_t bytes, bool truncated, struct lr_error *error)
{
	const struct lumaring_message *m = &packet->message;

	if (truncated)
		return lr_text_fail(error, -EBADMSG, "the daemon sent a message of more than %u bytes",
				    LUMARING_MESSAGE_MAX);
	if (bytes < sizeof(*m))
		return lr_text_fail(error, -EBADMSG, "the daemon sent a message of %zu bytes, %zu is the least", bytes,
				    sizeof(*m));
	if (m->size != bytes || bytes < size_min(m->type))
		return lr_text_fail(
			error, -EBADMSG,
			"the daemon sent a message of type %u with %zu bytes that says %u; %zu is the least", m->type,
			bytes, m->size, size_min(m->type));
	return 0;
}

int lr_packet_receive(int socket, int flags, struct lr_packet *ret_packet, struct lr_error *error)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LR_PACKET_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { ret_packet->bytes, sizeof(ret_packet->bytes) };
	struct msghdr msg = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	int r;

	/* A daemon that closes before it has read our hello leaves an error in front of its refusal: look behind it. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -errno;
	if (n <= 0)
		return -ECONNRESET;
	collect_fds(&msg, ret_packet);
	r = check_size(ret_packet, (size_t)n, msg.msg_flags & MSG_TRUNC, error);
	if (r < 0)
		lr_packet_close(ret_packet);
	else if ((size_t)n < sizeof(ret_packet->welcome))
		memset(ret_packet->bytes + n, 0, sizeof(ret_packet->welcome) - (size_t)n);
	return r;
}

void lr_packet_close(struct lr_packet *packet)
{
	for (unsigned i = 0; i < packet->fd_count; i++)
		close(packet->fds[i]);
	packet->fd_count = 0;
}

int lr_packet_expect_fds(const struct lr_packet *packet, unsigned count, struct lr_error *error)
{
	if (packet->fds_lost && packet->fd_count < count)
		return lr_text_fail(error, -EMFILE,
				    "this process has no free descriptor for what the daemon handed over");
	if (packet->fd_count != count)
		return lr_text_fail(error, -EBADMSG, "the daemon sent a message of type %u with %u descriptors, not %u",
				    packet->message.type, packet->fd_count, count);
	return 0;
}
