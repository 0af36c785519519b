/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.h - the interface io.lumaring.Camera: what each method of the control socket does. What a request may look
 * like and who may send it is the business of control/; here it becomes a change (configure.h), a question to the
 * source, or a look. Main thread only; nothing here waits.
 */
#ifndef LUMARING_COMMANDS_H
#define LUMARING_COMMANDS_H

#include "configure.h"
#include "control/control.h"
#include "reload.h"
#include "status.h"

struct commands;

/* What an interested method may look at and change; all of it outlives the commands. */
struct commands_view {
	void *owner;
	struct loop *loop;
	const struct config *config;
	gid_t group; /* whose members may look; (gid_t)-1 and "": nobody's */
	const char *group_name;
	struct configure *configure;
	struct source *source;
	struct attach *attach;
	struct reload *reload;
	void (*status)(void *owner, struct status_view *ret_view);
};

/* Make the control socket at `path`. 0 or a negative errno and a sentence. */
int commands_listen(const struct config *config, const char *path, int *ret_fd, char *text, size_t text_bytes);

/* Take over the listening control socket, also on failure. 0 or a negative errno. */
int commands_create(const struct commands_view *view, int fd, struct commands **ret_commands);
/* After the loop is gone. NULL is allowed. */
void commands_destroy(struct commands *commands);

/* Read the configuration anew, as Reload does; the log says what became of it. */
void commands_reload(struct commands *commands);

/* What went over the control socket; all zero for NULL. */
void commands_get_stats(const struct commands *commands, struct control_stats *ret_stats);

/* For those who watch; NULL is allowed. */
enum watch_kind { WATCH_STATE, WATCH_CONFIGURATION, WATCH_CONTROLS, WATCH_LOSSES };
void commands_changed(struct commands *commands, enum watch_kind kind);

#endif
