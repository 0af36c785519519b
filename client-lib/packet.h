/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.h - one message of the frame socket with its descriptors, as received and checked for size.
 */
#ifndef LUMARING_CLIENT_PACKET_H
#define LUMARING_CLIENT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lumaring/protocol.h>

#include "text.h"

#define LR_PACKET_FDS_MAX 4u

struct lr_packet {
	union {
		uint8_t bytes[LUMARING_MESSAGE_MAX];
		struct lumaring_message message;
		struct lumaring_welcome welcome;
		struct lumaring_refusal refusal;
		struct lumaring_replaced replaced;
		struct lumaring_status_piece status;
	};
	int fds[LR_PACKET_FDS_MAX];
	unsigned fd_count;
	bool fds_lost; /* more came than fit, or than this process has free descriptors for */
};

/*
 * Receive one packet. `flags`: MSG_DONTWAIT, or 0 to wait as long as the socket's SO_RCVTIMEO says. 0: *ret_packet is
 * filled, and as long as its type needs, with fields that an older daemon does not know at 0; its descriptors are the
 * caller's until lr_packet_close(). Else *ret_packet holds none:
 *   -EAGAIN     nothing there, or not in time
 *   -EINTR      a signal arrived first
 *   -ECONNRESET the daemon closed the connection
 *   -EBADMSG    no message of this protocol
 */
int lr_packet_receive(int socket, int flags, struct lr_packet *ret_packet, struct lr_error *error);

/* Close the packet's descriptors. */
void lr_packet_close(struct lr_packet *packet);

/*
 * Check that exactly `count` descriptors came with the packet: -EBADMSG, or -EMFILE when this process or the system
 * had no room for them.
 */
int lr_packet_expect_fds(const struct lr_packet *packet, unsigned count, struct lr_error *error);

#endif
