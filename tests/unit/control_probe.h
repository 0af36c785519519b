/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_probe.h - what the tests of the control socket share: a socket with methods that do little, peers of any
 * credentials, and a clock that stands still unless the test moves it.
 *
 * The clock is far behind the kernel's, so a timer is due for the kernel at once and for the daemon when the test says
 * so. Takes the place of the C library's clock_gettime(2) and getsockopt(2) in the one program that includes it.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include <sys/syscall.h>

#include "control/control.h"
#include "control/parameters.h"
#include "loop_probe.h"

#define TURNS_MAX 20000 /* more, and what is waited for will not come */
#define ANNA 900001u    /* nobody who runs the tests */
#define BERT 900002u
#define VIDEO 44u     /* may read */
#define OPERATORS 45u /* may change */
#define OTHERS 46u

static uint64_t now_ns = UINT64_C(1000000000);

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ret_now);
	ret_now->tv_sec = (time_t)(now_ns / NS_PER_SECOND);
	ret_now->tv_nsec = (long)(now_ns % NS_PER_SECOND);
	return 0;
}

/* Who connects next; not faked: as it is. */
static struct {
	bool faked;
	struct ucred credentials;
	gid_t groups[40];
	unsigned group_count;
	int error; /* of the question for the groups */
} peer_is;

int getsockopt(int fd, int level, int option, void *ret_value, socklen_t *bytes)
{
	const void *value = option == SO_PEERCRED ? (const void *)&peer_is.credentials : peer_is.groups;
	socklen_t value_bytes = option == SO_PEERCRED ? (socklen_t)sizeof(peer_is.credentials)
						      : (socklen_t)(peer_is.group_count * sizeof(gid_t));

	if (!peer_is.faked || level != SOL_SOCKET || (option != SO_PEERCRED && option != SO_PEERGROUPS))
		return (int)syscall(SYS_getsockopt, fd, level, option, ret_value, bytes);
	if (option == SO_PEERGROUPS && peer_is.error)
		return errno = peer_is.error, -1;
	if (*bytes < value_bytes)
		return *bytes = value_bytes, errno = ERANGE, -1;
	memcpy(ret_value, value, value_bytes);
	*bytes = value_bytes;
	return 0;
}

static inline void next_is(uid_t uid, gid_t primary)
{
	peer_is.faked = true;
	peer_is.credentials = (struct ucred){ .pid = 1, .uid = uid, .gid = primary };
	peer_is.group_count = 0;
	peer_is.error = 0;
}

/* The socket, and what its methods were told. */
struct world {
	struct loop *loop;
	struct control *control;
	struct sockaddr_un address;
	socklen_t address_bytes;
	struct control_call *kept; /* the last of "Later" and "Stream" */
	unsigned calls, gone, room;
	char order[64]; /* a letter for each call */
};

static const struct control_limits probe_limits = {
	.connections_max = 8,
	.message_bytes = 4096,
	.depth_max = 8,
	.values_max = 32,
	.rate = 1000,
	.message_ms = 5000,
};

static const struct control_access probe_access = {
	.group = VIDEO,
	.control_group = OPERATORS,
	.group_name = "video",
	.control_group_name = "operators",
};

static inline void note(struct world *w, char letter)
{
	w->order[w->calls++ % (sizeof(w->order) - 1)] = letter;
}

struct probe_said {
	const char *say;
};

/* Says what it was told. */
static inline void probe_echo(void *owner, struct control_call *call, const struct json_node *parameters)
{
	static const struct parameter table[] = { PARAMETER_REQUIRED(PARAMETER_STRING, struct probe_said, say) };
	struct probe_said echo;

	note(owner, 'e');
	if (parameters_read(call, "", parameters, table, 1, &echo) < 0)
		return;
	json_string(control_reply(call), "said", echo.say);
	control_send(call, false);
}

static inline void probe_change(void *owner, struct control_call *call, const struct json_node *parameters)
{
	(void)parameters;
	note(owner, 'c');
	json_bool(control_reply(call), "changed", true);
	control_send(call, false);
}

static inline void probe_gone(struct control_call *call)
{
	struct world *w = control_data(call);

	w->gone++;
	if (w->kept == call)
		w->kept = NULL;
}

static inline void probe_room(struct control_call *call)
{
	struct world *w = control_data(call);

	w->room++;
}

static inline void probe_later(void *owner, struct control_call *call, const struct json_node *parameters)
{
	struct world *w = owner;

	(void)parameters;
	assert_null(control_data(call));
	note(w, 'l');
	w->kept = call;
	control_keep(call, w, probe_gone, probe_room);
}

static const struct control_method probe_methods[] = {
	{ .name = "Echo", .right = CONTROL_READ, .call = probe_echo },
	{ .name = "Change", .right = CONTROL_CHANGE, .call = probe_change },
	{ .name = "Later", .right = CONTROL_READ, .call = probe_later },
	{ .name = "Stream", .right = CONTROL_READ, .streams = true, .call = probe_later },
};

static inline void listen_here(struct world *w, int *ret_fd)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	w->address_bytes = sizeof(w->address);
	assert_return_code(bind(*ret_fd, (struct sockaddr *)&any, sizeof(any.sun_family)), errno);
	assert_return_code(listen(*ret_fd, 64), errno);
	assert_return_code(getsockname(*ret_fd, (struct sockaddr *)&w->address, &w->address_bytes), errno);
}

static inline void set_up(struct world *w, const struct control_limits *limits)
{
	const struct control_service service = {
		.owner = w,
		.name = "org.example.probe",
		.description = "interface org.example.probe\n",
		.methods = probe_methods,
		.method_count = sizeof(probe_methods) / sizeof(probe_methods[0]),
	};
	int fd;

	*w = (struct world){ .loop = make_loop() };
	peer_is.faked = false;
	listen_here(w, &fd);
	assert_int_equal(control_create(w->loop, fd, limits, &probe_access, &service, &w->control), 0);
}

static inline void tear_down(struct world *w)
{
	loop_destroy(w->loop);
	control_destroy(w->control);
}

static inline void turn_some(struct world *w)
{
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(loop_turn(w->loop, 0), 0);
}

/* Turn until the condition holds. */
#define TURN_TO(w, condition)                                                                                          \
	do {                                                                                                           \
		unsigned turns_ = 0;                                                                                   \
		while (!(condition)) {                                                                                 \
			assert_true(turns_++ < TURNS_MAX);                                                             \
			assert_int_equal(loop_turn((w)->loop, 1), 0);                                                  \
		}                                                                                                      \
	} while (0)

/* A connection that the daemon has accepted, so that what next_is() said counts. */
static inline int join(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_return_code(connect(fd, (struct sockaddr *)&w->address, w->address_bytes), errno);
	turn_some(w);
	return fd;
}

static inline void say_bytes(int fd, const char *text, size_t bytes)
{
	assert_int_equal(send(fd, text, bytes, MSG_NOSIGNAL), bytes);
}

/* A literal, with the NULs in it and without the one at its end. */
#define SAY(fd, text) say_bytes((fd), (text), sizeof(text) - 1)

/* So many bytes, or fewer at the end of the connection. */
static inline size_t hear(struct world *w, int fd, char *ret_text, size_t bytes)
{
	size_t heard = 0;
	ssize_t n = 1;

	while (heard < bytes && n != 0) {
		TURN_TO(w, (n = recv(fd, ret_text + heard, bytes - heard, MSG_DONTWAIT)) >= 0 || errno == ECONNRESET);
		n = n < 0 ? 0 : n;
		heard += (size_t)n;
	}
	return heard;
}

static inline void expect_bytes(struct world *w, int fd, const char *text, size_t bytes)
{
	char *heard = calloc(1, bytes + 1);
	size_t n = hear(w, fd, heard, bytes);

	for (size_t i = 0; i < n; i++)
		if (heard[i] != text[i])
			fail_msg("byte %zu differs:\n%.400s\ninstead of\n%.400s", i, heard + i, text + i);
	assert_int_equal(n, bytes);
	free(heard);
}

#define EXPECT(w, fd, text) expect_bytes((w), (fd), (text), sizeof(text) - 1)

/* Nothing is on its way, and the connection is open. */
static inline void expect_silence(struct world *w, int fd)
{
	char byte;

	turn_some(w);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static inline void expect_end(struct world *w, int fd)
{
	char byte;

	assert_int_equal(hear(w, fd, &byte, 1), 0);
}

#define PROBE "org.example.probe"
#define ECHO(text) "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"" text "\"}}"
#define SAID(text) "{\"parameters\":{\"said\":\"" text "\"}}"
#define CALL(name) "{\"method\":\"" PROBE "." name "\"}"
#define ERROR(name, parameters) "{\"error\":\"" PROBE "." name "\",\"parameters\":{" parameters "}}"
#define SERVICE_ERROR(name, parameters) "{\"error\":\"org.varlink.service." name "\",\"parameters\":{" parameters "}}"

#endif
