/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands_private.h - what the files of the methods share; nobody else. commands.c is the table, _read.c and _write.c
 * go between JSON and settings, _look.c and _metrics.c answer questions, _change.c
 * and _reload.c change, _watch.c tells of changes.
 */
#ifndef LUMARING_COMMANDS_PRIVATE_H
#define LUMARING_COMMANDS_PRIVATE_H

#include "commands.h"
#include "control/parameters.h"

struct watch;

#define COMMANDS_FIELD_BYTES 96 /* the longest path of a field that is told, with its NUL; longer ones are cut */

/* How the answer to a change looks. */
enum answer_kind { ANSWER_CONFIGURE, ANSWER_ADD_STREAM, ANSWER_REMOVE_STREAM, ANSWER_SET_REGION };

/* A change that is to be answered. */
struct answer {
	struct commands *commands;
	struct control_call *call; /* NULL: its connection is gone */
	enum answer_kind kind;
	char stream[LUMARING_NAME_MAX + 1]; /* that it was about */
};

struct commands {
	struct commands_view view;
	struct control *control;
	struct answer answer;             /* of the change that is under way */
	struct control_call *reload_call; /* that the reload under way is for, NULL: nobody any more */
	struct loop_op retry;             /* of a reload that nobody waits for, while the camera is busy */
	uint64_t retry_us;                /* how long it waits the next time, at least */
	struct watch *watches;            /* linked */
	struct loop_op tick;              /* for their losses, at tick_ns */
	uint64_t tick_ns;
};

/* Where in the parameters the fields of a fault are. */
struct fault_place {
	const char *top;    /* "configuration.", before "size.width" */
	const char *stream; /* "configuration.streams", before "[1].region"; or "stream.", before "region" */
	bool indexed;       /* the former */
};

/* --- _read.c: 0, or -EINVAL and the call has been answered --- */

int commands_read_stream(struct control_call *call, const char *where, const struct json_node *node,
			 struct stream_wish *ret_wish);
int commands_read_region(struct control_call *call, const char *where, const struct json_node *node,
			 struct region *ret_region);
int commands_read_controls(struct control_call *call, const char *where, const struct json_node *node,
			   struct source_controls *ret_controls);
/* Put what a Configuration says over the settings. `slot_count` as below. */
int commands_read_configuration(struct control_call *call, const char *where, const struct json_node *node,
				uint32_t slot_count, struct settings *settings);
/* A stream that is not there yet has the slots of the daemon's configuration, if those are given, 0: they are not. */
void commands_default_slots(const struct settings *settings, uint32_t slot_count, struct stream_wish *wish);

/* --- _write.c --- */

void commands_write_configuration(struct json *json, const char *name, const struct settings *settings);
void commands_write_stream(struct json *json, const char *name, const struct stream_config *config);
void commands_write_region(struct json *json, const char *name, const struct region *region);
void commands_write_controls(struct json *json, const char *name, const struct source_controls *controls);
void commands_write_outcome(struct json *json, const char *name, const struct configure_outcome *outcome);
/* Answer with the error. */
void commands_fail(struct commands *commands, struct control_call *call, const struct fault *fault,
		   const struct fault_place *place);

/* --- the methods --- */

#define COMMANDS_METHOD(name) void name(void *owner, struct control_call *call, const struct json_node *parameters)

COMMANDS_METHOD(commands_get_status);
COMMANDS_METHOD(commands_get_capabilities);
COMMANDS_METHOD(commands_get_configuration);
COMMANDS_METHOD(commands_list_clients);
COMMANDS_METHOD(commands_get_metrics);
COMMANDS_METHOD(commands_configure);
COMMANDS_METHOD(commands_set_controls);
COMMANDS_METHOD(commands_add_stream);
COMMANDS_METHOD(commands_remove_stream);
COMMANDS_METHOD(commands_set_region);
COMMANDS_METHOD(commands_watch);
COMMANDS_METHOD(commands_call_reload);

/* _change.c: whoever asked for the change that is under way is gone, or has it. */
void commands_answer(void *data, const struct configure_outcome *outcome);

/* _reload.c */
void commands_reload_init(struct commands *commands);

/* _watch.c */
void commands_watch_init(struct commands *commands);
void commands_watch_finish(struct commands *commands);

/* A call without parameters: false, and it has been answered, if there are some. */
bool commands_read_nothing(struct control_call *call, const struct json_node *parameters);

#endif
