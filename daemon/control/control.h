/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - the control socket: Varlink over SOCK_STREAM, and the same objects ended by a newline for people with
 * socat or nc. Main thread only.
 *
 * What a method does is the business of its owner; here are the wire, the credentials and the limits. A request is read
 * only when the one before it on its connection was answered, so answers are in order, and what a peer can make the
 * daemon keep is one request, the answers it has not taken, and no more. Everything in a request is checked before it
 * comes to a method: its form, its size, who may call it, how fast.
 */
#ifndef LUMARING_CONTROL_H
#define LUMARING_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/json_tree.h"
#include "loop/loop.h"

enum control_right {
	CONTROL_READ,   /* what only looks */
	CONTROL_CHANGE, /* everything */
};

struct control;      /* the socket */
struct control_call; /* one request that is being answered */

struct control_method {
	const char *name; /* "Configure" */
	enum control_right right;
	bool streams; /* only with `more`, else org.varlink.service.ExpectedMore */
	/*
	 * Answer now or later with one of control_reply() and control_error(), and control_send(); or with a ready-made
	 * error. `parameters` is an object, an empty one if there was none, and valid until this returns.
	 */
	void (*call)(void *owner, struct control_call *call, const struct json_node *parameters);
};

/* An interface and the methods behind it. All of it stays where it is while the socket lives. */
struct control_service {
	void *owner;
	const char *name;        /* "io.lumaring.Camera" */
	const char *description; /* its .varlink text */
	const struct control_method *methods;
	unsigned method_count;
};

/* The text of io.lumaring.Camera.varlink, for the service of that name. */
extern const char control_text_io_lumaring_Camera[];

/* Each is named in LimitReached by its setting. */
struct control_limits {
	unsigned connections_max; /* control-connections; of these one uid may have half, root some beyond */
	size_t message_bytes;     /* control-message-bytes, without the terminator */
	unsigned depth_max;       /* control-depth: arrays and objects inside each other, the request itself included */
	unsigned values_max;      /* control-values */
	unsigned rate;            /* control-rate: requests a second of one uid, twice as many at once after a pause */
	unsigned message_ms; /* control-message-ms: from a request's first byte to its last; without taking answers */
};

/* Who may, apart from root and the daemon's own user. A gid of (gid_t)-1 is nobody's, its name is "" then. */
struct control_access {
	gid_t group, control_group;                  /* CONTROL_READ; CONTROL_CHANGE as well */
	const char *group_name, *control_group_name; /* as PermissionDenied names them; stay where they are */
};

/*
 * Make the listening socket of a camera at `path`, a path of paths_make_dirs(): for its own user, for the group if one
 * is given, and for all if these are two, which a file cannot have: then strangers can knock, and credentials alone
 * decide. 0 or a negative errno with a sentence.
 */
int control_listen(const char *path, const struct control_access *access, int *ret_fd, char *text, size_t text_bytes);

/* Take over the listening socket `fd`, also on failure. 0 or a negative errno. */
int control_create(struct loop *loop, int fd, const struct control_limits *limits, const struct control_access *access,
		   const struct control_service *service, struct control **ret_control);

/* Close everything at once, after the loop is gone: calls are forgotten without a word. NULL is allowed. */
void control_destroy(struct control *control);

/*
 * Begin the answer: add the fields of its "parameters" to the text, then control_send(). Of an error, `name` is its
 * name without the interface, "NoSuchStream". What was begun and not sent is dropped.
 */
struct json *control_reply(struct control_call *call);
struct json *control_error(struct control_call *call, const char *name);

/*
 * Send what was begun. `continues`: more answers follow, the call stays (methods that stream only); else it is over and
 * is not to be touched any more. False, with `continues` only: the peer has not taken the earlier ones, nothing was
 * sent; try again when `room` is called.
 */
bool control_send(struct control_call *call, bool continues);

/*
 * For a call that is answered later, or more than once. `gone`: the connection ended, forget the call. `room`: there is
 * room after control_send() was false; may be NULL for a call that is answered once. Neither is called from inside one
 * of these functions.
 */
void control_keep(struct control_call *call, void *data, void (*gone)(struct control_call *call),
		  void (*room)(struct control_call *call));
void *control_data(const struct control_call *call); /* NULL before control_keep() */

/* What went over the socket since it was made. */
struct control_stats {
	unsigned connections;         /* that are served now */
	uint64_t connections_taken;   /* these and all before */
	uint64_t connections_refused; /* for who they were of, or for a limit */
	uint64_t requests, errors;    /* all of them; answers that were errors, whoever's fault */
};
void control_get_stats(const struct control *control, struct control_stats *ret_stats);

/*
 * Errors of the interface that many methods have. The call is over. `field` is a path below "parameters", such as
 * "configuration.streams[1].bin".
 */
void control_fail_range(struct control_call *call, const char *field, int64_t minimum, int64_t maximum, int64_t given);
void control_fail_field(struct control_call *call, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
