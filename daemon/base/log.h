/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - one line per event, to standard error or to the sink that service_log.c sets (the journal).
 * Thread-safe; never called per frame.
 *
 * A line about something that a user may look for, or must do something about, is of a kind (enum log_event) and has
 * fields; other lines have none. Each failure is logged once, where it is decided, with what happens next.
 */
#ifndef LUMARING_LOG_H
#define LUMARING_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOG_LINE_MAX 1024u /* bytes; what is longer is cut */

enum log_level { /* as syslog(3) */
		 LOG_LEVEL_ERROR = 3,
		 LOG_LEVEL_WARNING = 4,
		 LOG_LEVEL_NOTICE = 5,
		 LOG_LEVEL_INFO = 6,
};

/* Each has a row in log_events.c and a text for people in systemd/lumaring.catalog. */
enum log_event {
	LOG_EVENT_NONE,              /* a line of no kind */
	LOG_EVENT_STARTED,           /* sockets and memory are there */
	LOG_EVENT_STOPPING,          /* a signal came */
	LOG_EVENT_STOPPED,           /* at the end, all is given back */
	LOG_EVENT_REFUSED_SETTINGS,  /* exit 2 */
	LOG_EVENT_REFUSED_LOCK,      /* exit 3 */
	LOG_EVENT_REFUSED_SYSTEM,    /* exit 1, at the start */
	LOG_EVENT_SOCKETS_UNFIT,     /* of units, handed over */
	LOG_EVENT_SYSTEM_FAILED,     /* exit 1, while running */
	LOG_EVENT_CAMERA_ABSENT,     /* none, or not the one asked for */
	LOG_EVENT_CAMERA_BUSY,       /* another program has it */
	LOG_EVENT_CAMERA_FAILED,     /* it cannot be opened, configured, started */
	LOG_EVENT_CAMERA_FOUND,      /* it is ours */
	LOG_EVENT_CAMERA_LOST,       /* unplugged */
	LOG_EVENT_CAMERA_STUCK,      /* no frames; its session is restarted */
	LOG_EVENT_CAMERA_GIVEN_UP,   /* restarts did not help */
	LOG_EVENT_CAMERA_RECOVERED,  /* frames come again */
	LOG_EVENT_SETTING_NOT_MET,   /* rate or control that the camera does not take */
	LOG_EVENT_SOURCE_FORMAT,     /* size and pixels of the frames to come */
	LOG_EVENT_SOURCE_LIVE,       /* frames come */
	LOG_EVENT_SOURCE_PAUSED,     /* a state, not a failure */
	LOG_EVENT_SOURCE_QUIET,      /* footage that brings nothing */
	LOG_EVENT_SOURCE_FAILED,     /* exit 4 */
	LOG_EVENT_SOURCE_ENDED,      /* footage is over */
	LOG_EVENT_REGION_CUT,        /* a region beyond the image */
	LOG_EVENT_STREAM_SERVED,     /* which pixels, and how they are copied */
	LOG_EVENT_STREAM_ACCOUNT,    /* at the end */
	LOG_EVENT_BUFFERS_CHOSEN,    /* where the camera's frames lie */
	LOG_EVENT_HEAP_REFUSED,      /* a dma-heap that does not do */
	LOG_EVENT_NO_ROOM_RETRYING,  /* old mappings still hold it */
	LOG_EVENT_NO_ROOM,           /* exit 5 */
	LOG_EVENT_LEFT_OVER_REMOVED, /* a crashed daemon's */
	LOG_EVENT_LEFT_OVER_STAYS,   /* it cannot be removed */
	LOG_EVENT_CLIENT_REFUSED,    /* a bad hello, a stranger */
	LOG_EVENT_CLIENT_LIMIT,      /* a limit was reached */
	LOG_EVENT_CLIENT_DENIED,     /* not allowed to change */
	LOG_EVENT_CLIENT_FAILED,     /* it could not be taken */
	LOG_EVENT_CLIENT_LEFT_OUT,   /* lines that were not written */
	LOG_EVENT_ACCEPT_FAILED,     /* nobody new can be taken */
	LOG_EVENT_ACCEPT_RESUMED,    /* they can again */
	LOG_EVENT_DESCRIPTORS_OUT,   /* limit of open files */
	LOG_EVENT_NO_MEMORY,         /* one connection is closed */
	LOG_EVENT_CONFIG_REFUSED,    /* the reload is off */
	LOG_EVENT_CONFIG_RELOADED,   /* what changed, what waits */
	LOG_EVENT_CONFIG_CHANGED,    /* by a client, until the next start */
	LOG_EVENT_CHANGE_REFUSED,    /* the camera did not take it */
	LOG_EVENT_IO_FALLBACK,       /* no io_uring */
	LOG_EVENT_MEMORY_NOT_LOCKED, /* it may be paged out */
	LOG_EVENT_NO_HOTPLUG,        /* cameras are looked for every 2 s */
	LOG_EVENT_WATCHDOG_MISSED,   /* a thread stands still */
	LOG_EVENT_LIBCAMERA,         /* a line of the library's */
	LOG_EVENTS,
};

/* What a line is about, all zero but what is known. */
struct log_fields {
	enum log_event event;
	const char *stream; /* NULL: none */
	uint64_t sequence;  /* 0: none */
	pid_t client_pid;   /* 0: none, or one that we cannot see */
	uid_t client_uid;   /* counts if client_pid does, or if is_client */
	bool is_client;
	int error; /* positive errno, 0: none */
};

struct log_entry {
	enum log_level level;
	const char *line;
	struct log_fields fields;
};

typedef void (*log_sink)(const struct log_entry *entry);

/* NULL: standard error, "lumaringd: ..." */
void log_set_sink(log_sink sink);

/* A line with fields; the line says all that they say in words. */
void log_event(enum log_level level, const struct log_fields *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A line without. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

/* log_events.c: "CAMERA_LOST", and its MESSAGE_ID of 32 digits; NULL for LOG_EVENT_NONE. */
const char *log_event_name(enum log_event event);
const char *log_event_id(enum log_event event);

#endif
