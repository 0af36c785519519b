/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_groups.c - may this user read frames, and change what the camera does: see doctor.h. What the socket and the
 * daemon say counts, and what is usual only where neither does.
 */
#include <errno.h>
#include <string.h>

#include <lumaring/control.h>

#include "doctor.h"

#define ANSWER_MS 2000
#define READERS "video" /* as the unit is installed */
#define CHANGERS "lumaring"

/* Who may change: asked by a change of nothing, which is not made either. False: the caller may not, and the group that
 * may is told, "" where there is none. */
static bool may_change(const struct doctor *doctor, char *ret_group, size_t group_bytes)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	struct lumaring_control *control;
	cJSON *root;
	int r;

	how.timeout_ms = ANSWER_MS;
	how.runtime_dir = doctor->options->runtime_dir;
	ret_group[0] = '\0';
	r = lumaring_control_open(doctor->options->camera, &how, &control);
	if (r < 0)
		return r != -EACCES;
	r = lumaring_control_call(control, "Configure", "{\"configuration\":{},\"dry_run\":true}", ANSWER_MS, NULL);
	if (r == -EPERM) {
		root = cJSON_ParseWithOpts(lumaring_control_error_json(control), NULL, true);
		snprintf(ret_group, group_bytes, "%.63s", json_text(root, "group"));
		cJSON_Delete(root);
	}
	lumaring_control_close(control);
	return r != -EPERM;
}

/* The line that makes a member. */
static void advise_join(struct doctor *doctor, enum host_membership membership, const char *group)
{
	const struct host_name user = host_user_name(doctor->host.uid);

	switch (membership) {
	case HOST_NOT_IN:
		doctor_command(doctor, "sudo usermod -aG %s %s  # then log in again", group, user.text);
		return;
	case HOST_NEXT_TIME:
		doctor_advise(doctor, "log in again: %s was put into the group %s after this session began", user.text,
			      group);
		return;
	case HOST_NO_GROUP:
		doctor_command(doctor, "sudo groupadd -r %s && sudo usermod -aG %s %s  # then log in again", group,
			       group, user.text);
		return;
	case HOST_IN:
		doctor_advise(doctor, "something else forbids it: the directory of the socket, or the service manager");
		return;
	}
}

static const char *membership_text(enum host_membership membership)
{
	return membership == HOST_NEXT_TIME  ? "whose member this session is not yet"
	       : membership == HOST_IN       ? "which you are in"
	       : membership == HOST_NO_GROUP ? "which this machine does not know"
					     : "which you are not in";
}

/* The group whose members may connect; false: it is for its owner alone. */
static bool find_readers(const struct doctor *doctor, struct host_name *ret_group, uid_t *ret_owner)
{
	const struct host_path frames = doctor_frames_path(doctor);
	struct stat status;

	snprintf(ret_group->text, sizeof(ret_group->text), READERS);
	if (!host_stat(&doctor->host, frames.text, &status))
		return true;
	*ret_owner = status.st_uid;
	*ret_group = host_group_name(status.st_gid);
	return (status.st_mode & S_IWGRP) && status.st_gid != 0; /* nobody should join root's */
}

static void check_changing(struct doctor *doctor, const char *readers)
{
	char group[64];
	enum host_membership membership;

	if (doctor->status && may_change(doctor, group, sizeof(group))) {
		doctor_add(doctor, "groups", DOCTOR_OK, "you may read frames (group %s), and change things", readers);
		return;
	}
	if (!doctor->status)
		snprintf(group, sizeof(group), CHANGERS);
	if (!group[0]) {
		doctor_add(doctor, "groups", DOCTOR_OK, "you may read frames (group %s); changes are for %s", readers,
			   host_user_name((uid_t)json_number(doctor->status, "uid")).text);
		return;
	}
	membership = host_membership(&doctor->host, group);
	if (membership == HOST_IN || (membership == HOST_NO_GROUP && !doctor->status)) {
		doctor_add(doctor, "groups", DOCTOR_OK, "you are in %s%s%s", readers,
			   membership == HOST_IN ? " and " : "", membership == HOST_IN ? group : "");
		return;
	}
	doctor_add(doctor, "groups", DOCTOR_NOTE, "you may read frames (group %s); changes are for the group %s, %s",
		   readers, group, membership_text(membership));
	advise_join(doctor, membership, group);
}

void doctor_check_groups(struct doctor *doctor)
{
	const uid_t uid = doctor->host.uid;
	enum host_membership membership;
	struct host_name readers;
	uid_t owner = 0;

	if (uid == 0) {
		doctor_add(doctor, "groups", DOCTOR_OK, "root may read frames, and change things");
		return;
	}
	if (doctor->status && json_number(doctor->status, "uid") == uid) {
		doctor_add(doctor, "groups", DOCTOR_OK, "the daemon is yours: no group is needed");
		return;
	}
	if (!find_readers(doctor, &readers, &owner)) {
		doctor_add(doctor, "groups", DOCTOR_PROBLEM, "frames are for %s alone, who started the daemon",
			   host_user_name(owner).text);
		doctor_advise(doctor,
			      "serve the camera as a service, whose frames are for group " READERS ", or as root with "
			      "--group " READERS);
		return;
	}
	membership = host_membership(&doctor->host, readers.text);
	if (doctor->status || (membership == HOST_IN && doctor->error != -EACCES)) {
		check_changing(doctor, readers.text);
		return;
	}
	doctor_add(doctor, "groups", DOCTOR_PROBLEM, "frames are for the group %s, %s", readers.text,
		   membership_text(membership));
	advise_join(doctor, membership, readers.text);
}
