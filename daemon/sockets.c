/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets.c - see sockets.h. Sockets that were handed over have their mode and group from their units, and a daemon
 * that runs as a service may give nothing to another group than its own, so that is who may read then.
 */
#include "sockets.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/paths.h"
#include "commands.h"
#include "service_sockets.h"

/* Its name, or its number. */
static void name_group(gid_t gid, char *name, size_t name_bytes)
{
	const struct group *group = getgrgid(gid);

	if (group && strlen(group->gr_name) < name_bytes)
		strcpy(name, group->gr_name);
	else
		snprintf(name, name_bytes, "%u", (unsigned)gid);
}

static void close_both(struct sockets *sockets)
{
	close(sockets->frames_fd);
	close(sockets->control_fd);
	sockets->frames_fd = sockets->control_fd = -1;
}

/* What the units say must fit together: rings are of the daemon's group, and the frame socket of its own. */
static enum exit_code check_group(struct sockets *sockets, const struct config *config, char *text, size_t text_bytes)
{
	const struct log_fields fields = { .event = LOG_EVENT_SOCKETS_UNFIT };
	struct stat socket;

	sockets->group = getegid();
	name_group(sockets->group, sockets->group_name, sizeof(sockets->group_name));
	if (config->gid != (gid_t)-1 && config->gid != sockets->group)
		return snprintf(text, text_bytes,
				"group %s may not read here, but %s, the Group= of the unit: say it there instead, "
				"Group=%s under [Service] by systemctl edit lumaringd@%s, and SocketGroup=%s under "
				"[Socket] by systemctl edit lumaringd-frames@%s.socket",
				config->group, sockets->group_name, config->group, config->camera, config->group,
				config->camera),
		       EXIT_USAGE;
	if (lstat(sockets->frames_path, &socket) < 0)
		log_event(LOG_LEVEL_WARNING, &fields,
			  "nobody can connect to %s: %s, though it listens: start its socket unit anew",
			  sockets->frames_path, strerror(errno));
	else if (socket.st_gid != sockets->group)
		log_event(LOG_LEVEL_WARNING, &fields,
			  "%s is not of group %s, which the rings are of: make SocketGroup= of its unit the same",
			  sockets->frames_path, sockets->group_name);
	return EXIT_OK;
}

/* Neither is given away without the other. Where the frame socket is the control socket is, too, in the beginning and
 * in the end: who finds the one alone takes it for a daemon that is too old to have the other. */
static int make_sockets(struct sockets *sockets, const struct config *config, char *text, size_t text_bytes)
{
	mode_t mode = config->group[0] || geteuid() == 0 ? 0660 : 0600;
	int r;

	sockets->group = config->gid;
	strcpy(sockets->group_name, config->group);
	r = commands_listen(config, sockets->control_path, &sockets->control_fd, text, text_bytes);
	if (r < 0)
		return r;
	r = paths_listen(sockets->frames_path, SOCK_SEQPACKET, mode, config->gid, &sockets->frames_fd, text,
			 text_bytes);
	if (r < 0) {
		unlink(sockets->control_path);
		close(sockets->control_fd);
		sockets->control_fd = -1;
	}
	return r;
}

static enum exit_code lock(struct sockets *sockets, const struct config *config, char *text, size_t text_bytes)
{
	int r = paths_make_dirs(config->runtime_dir, config->camera, sockets->camera_dir, text, text_bytes);

	if (r == 0)
		r = paths_lock_instance(sockets->camera_dir, config->camera, &sockets->lock_fd, text, text_bytes);
	return r == 0 ? EXIT_OK : r == -EBUSY ? EXIT_BUSY : EXIT_SYSTEM;
}

enum exit_code sockets_open(struct sockets *sockets, const struct config *config, char *text, size_t text_bytes)
{
	enum exit_code code;
	int r;

	*sockets = (struct sockets){ .lock_fd = -1, .frames_fd = -1, .control_fd = -1, .group = (gid_t)-1 };
	code = lock(sockets, config, text, text_bytes);
	if (code != EXIT_OK)
		return code;
	snprintf(sockets->frames_path, sizeof(sockets->frames_path), "%s/frames", sockets->camera_dir);
	snprintf(sockets->control_path, sizeof(sockets->control_path), "%s/control", sockets->camera_dir);
	r = service_take_sockets(sockets->frames_path, sockets->control_path, &sockets->frames_fd, &sockets->control_fd,
				 text, text_bytes);
	if (r < 0)
		return r == -EINVAL ? EXIT_USAGE : EXIT_SYSTEM;
	sockets->handed_over = r > 0;
	if (r > 0) {
		code = check_group(sockets, config, text, text_bytes);
		if (code != EXIT_OK)
			close_both(sockets);
		return code;
	}
	return make_sockets(sockets, config, text, text_bytes) < 0 ? EXIT_SYSTEM : EXIT_OK;
}

void sockets_unlink(const struct sockets *sockets)
{
	/* Made here: both or none. */
	if (sockets->handed_over || sockets->frames_fd < 0)
		return;
	unlink(sockets->frames_path);
	unlink(sockets->control_path);
}

void sockets_close(struct sockets *sockets)
{
	if (sockets->lock_fd >= 0)
		close(sockets->lock_fd);
	sockets->lock_fd = -1;
}
