/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_unit.c - what systemd says of the service: see doctor.h. Asks systemctl, systemd-analyze and journalctl. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "doctor.h"
#include "program.h"

#define OUTPUT_BYTES 16384u
#define EXPOSURE_MAX 2.0 /* that of the unit as it is installed is 1.0, with its drop-ins 1.4 at most */
#define RESTARTS_MAX 3u

/* --- asking ------------------------------------------------------------------------------------------------------ */

static void keep(char *target, size_t target_bytes, const char *value)
{
	snprintf(target, target_bytes, "%s", value);
}

static void read_service(struct doctor_unit *unit, const char *key, const char *value)
{
	if (strcmp(key, "ActiveState") == 0)
		keep(unit->active, sizeof(unit->active), value);
	else if (strcmp(key, "SubState") == 0)
		keep(unit->sub, sizeof(unit->sub), value);
	else if (strcmp(key, "UnitFileState") == 0)
		keep(unit->enabled, sizeof(unit->enabled), value);
	else if (strcmp(key, "Result") == 0)
		keep(unit->result, sizeof(unit->result), value);
	else if (strcmp(key, "ExecMainStatus") == 0)
		unit->exit_code = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(key, "NRestarts") == 0)
		unit->restarts = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(key, "MainPID") == 0)
		unit->pid = strtoul(value, NULL, 10);
	else if (strcmp(key, "NeedDaemonReload") == 0)
		unit->is_outdated = strcmp(value, "yes") == 0;
	else if (strcmp(key, "LoadState") == 0)
		unit->is_known = strcmp(value, "loaded") == 0;
}

/* Blocks of KEY=VALUE, one a unit, in the order in which they were asked for, with an empty line in between. */
static void read_show(struct doctor_unit *unit, char *text)
{
	unsigned block = 0;

	for (char *line = text, *end; line && *line; line = end) {
		char *value = strchr(line, '=');

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		block += !*line;
		if (!value || value > line + strlen(line))
			continue;
		*value++ = '\0';
		if (block == 0)
			read_service(unit, line, value);
		else if (block <= 2 && strcmp(line, "ActiveState") == 0)
			keep(unit->socket[block - 1], sizeof(unit->socket[0]), value);
	}
}

void doctor_look_at_unit(struct doctor *doctor)
{
	struct doctor_unit *unit = &doctor->unit;
	char name[128], frames[128], control[128], text[OUTPUT_BYTES];
	const char *const words[] = { "systemctl",
				      "show",
				      "--no-pager",
				      "-p",
				      "LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,NRestarts,"
				      "MainPID,NeedDaemonReload",
				      name,
				      frames,
				      control,
				      NULL };
	int code;

	snprintf(name, sizeof(name), "lumaringd@%s.service", doctor->camera);
	snprintf(frames, sizeof(frames), "lumaringd-frames@%s.socket", doctor->camera);
	snprintf(control, sizeof(control), "lumaringd-control@%s.socket", doctor->camera);
	code = doctor->host.run(words, text, sizeof(text));
	if (code == 0) {
		read_show(unit, text);
		if (!unit->is_known)
			keep(unit->why, sizeof(unit->why), "systemd knows no lumaringd@.service");
		return;
	}
	unit->no_manager = code == -ENOENT || strstr(text, "not been booted with systemd");
	text[strcspn(text, "\n")] = '\0';
	if (unit->no_manager)
		keep(unit->why, sizeof(unit->why), "no systemd here");
	else
		snprintf(unit->why, sizeof(unit->why), "systemctl does not answer: %.100s",
			 code == -ETIMEDOUT ? "it takes too long" : text);
}

/* --- its state --------------------------------------------------------------------------------------------------- */

/* See lumaringd(8), "Exit status". */
static const char *const exit_reasons[] = {
	[1] = "the system refused something",      [2] = "its settings are wrong",
	[3] = "another daemon serves this camera", [4] = "the source could not be opened, or failed",
	[5] = "no room in shared memory",          [6] = "the camera hangs",
};

static void say_failed(struct doctor *doctor)
{
	const struct doctor_unit *unit = &doctor->unit;
	const bool is_code = strcmp(unit->result, "exit-code") == 0;
	const bool is_known =
		is_code && unit->exit_code > 0 && unit->exit_code < sizeof(exit_reasons) / sizeof(exit_reasons[0]);
	char name[128], line[OUTPUT_BYTES];
	const char *const words[] = { "journalctl", "--no-pager", "-q", "-b",           "-o", "cat", "-n", "1",
				      "-p",         "err",        "-t", PROGRAM_DAEMON, "-u", name,  NULL };

	snprintf(name, sizeof(name), "lumaringd@%s.service", doctor->camera);
	if (doctor->host.run(words, line, sizeof(line)) != 0)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (is_code)
		doctor_add(doctor, "unit", DOCTOR_PROBLEM, "lumaringd@%s has failed with exit code %u%s%s%s%.220s",
			   doctor->camera, unit->exit_code, is_known ? ", " : "",
			   is_known ? exit_reasons[unit->exit_code] : "", line[0] ? ": " : "", line);
	else
		doctor_add(doctor, "unit", DOCTOR_PROBLEM, "lumaringd@%s has failed: %s%s%.220s", doctor->camera,
			   unit->result, line[0] ? ": " : "", line);
	if (is_code && unit->exit_code == 2)
		doctor_advise(doctor, "see settings; then sudo systemctl restart lumaringd@%s", doctor->camera);
	else
		doctor_command(doctor, "journalctl -xeu lumaringd@%s", doctor->camera);
}

static bool is_given_up(const char *socket)
{
	return socket[0] && strcmp(socket, "active") != 0;
}

static void say_active(struct doctor *doctor)
{
	const struct doctor_unit *unit = &doctor->unit;
	const char *camera = doctor->camera;

	if (is_given_up(unit->socket[0]) || is_given_up(unit->socket[1])) {
		doctor_add(doctor, "unit", DOCTOR_PROBLEM,
			   "lumaringd@%s is active, but systemd does not listen on its sockets (%s, %s)", camera,
			   unit->socket[0], unit->socket[1]);
		doctor_command_restart(doctor);
	} else if (unit->is_outdated) {
		doctor_add(doctor, "unit", DOCTOR_NOTE, "lumaringd@%s is active, but its files have changed since",
			   camera);
		doctor_command(doctor, "sudo systemctl daemon-reload && sudo systemctl restart lumaringd@%s", camera);
	} else if (unit->restarts > RESTARTS_MAX) {
		doctor_add(doctor, "unit", DOCTOR_NOTE, "lumaringd@%s is active, and was restarted %u times", camera,
			   unit->restarts);
		doctor_command(doctor, "journalctl -xu lumaringd@%s -p warning", camera);
	} else if (strcmp(unit->enabled, "enabled") != 0) {
		doctor_add(doctor, "unit", DOCTOR_NOTE, "lumaringd@%s is active, and will not be after a reboot (%s)",
			   camera, unit->enabled);
		doctor_command(doctor, "sudo systemctl enable lumaringd@%s", camera);
	} else {
		doctor_add(doctor, "unit", DOCTOR_OK, "lumaringd@%s is active, enabled", camera);
	}
}

static void say_inactive(struct doctor *doctor)
{
	const struct doctor_unit *unit = &doctor->unit;
	const char *camera = doctor->camera;

	if (doctor->status) {
		doctor_add(doctor, "unit", DOCTOR_NOTE,
			   "lumaringd@%s is %s: the daemon that answers was started otherwise", camera, unit->active);
	} else {
		doctor_add(doctor, "unit", DOCTOR_PROBLEM, "lumaringd@%s is %s (%s), %s", camera, unit->active,
			   unit->sub, unit->enabled);
		doctor_command(doctor, "sudo systemctl enable --now lumaringd@%s", camera);
	}
}

void doctor_check_unit(struct doctor *doctor)
{
	const struct doctor_unit *unit = &doctor->unit;

	if (!unit->is_known) {
		doctor_add(doctor, "unit", DOCTOR_NOTE, "%s: the daemon is started by hand", unit->why);
	} else if (strcmp(unit->active, "failed") == 0) {
		say_failed(doctor);
	} else if (strcmp(unit->sub, "auto-restart") == 0) {
		doctor_add(doctor, "unit", DOCTOR_PROBLEM, "lumaringd@%s ends again and again (%u restart%s)",
			   doctor->camera, unit->restarts, amount_plural(unit->restarts));
		doctor_command(doctor, "journalctl -xeu lumaringd@%s", doctor->camera);
	} else if (strcmp(unit->active, "inactive") == 0) {
		say_inactive(doctor);
	} else {
		say_active(doctor);
	}
}

/* --- its score --------------------------------------------------------------------------------------------------- */

/* "... Overall exposure level for lumaringd@cam0.service: 1.0 OK :-)" */
void doctor_check_sandbox(struct doctor *doctor)
{
	char name[128], text[OUTPUT_BYTES], word[16] = "";
	const char *const words[] = { "systemd-analyze", "security", "--no-pager", name, NULL };
	const char *level;
	double exposure = 0;

	if (!doctor->unit.is_known)
		return; /* its check has said so */
	snprintf(name, sizeof(name), "lumaringd@%s.service", doctor->camera);
	doctor->host.run(words, text, sizeof(text));
	level = strstr(text, "exposure level for ");
	level = level ? strstr(level, ": ") : NULL;
	if (!level || sscanf(level, ": %lf %15[A-Z]", &exposure, word) != 2) {
		doctor_add(doctor, "sandbox", DOCTOR_NOTE,
			   "systemd-analyze, which rates it, is not there or says nothing");
	} else if (exposure > EXPOSURE_MAX) {
		doctor_add(doctor, "sandbox", DOCTOR_NOTE, "exposure %.1f %s: the unit as it is installed has 1.0",
			   exposure, word);
		doctor_command(doctor, "systemctl cat lumaringd@%s; systemd-analyze security lumaringd@%s",
			       doctor->camera, doctor->camera);
	} else {
		doctor_add(doctor, "sandbox", DOCTOR_OK, "exposure %.1f %s of 10 (systemd-analyze security)", exposure,
			   word);
	}
}
