/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_program.c - the daemon's program, as it is installed, and the settings that it finds: see doctor.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "program.h"

#define OUTPUT_BYTES 65536u /* as long as the files may be */

static void find_program(struct doctor_program *program, host_run run, char *text, size_t text_bytes)
{
	char path[PROGRAM_PATH_BYTES];
	const char *words[] = { path, "--version", NULL };

	for (unsigned i = 0; !program->path[0] && program_daemon(i, path); i++)
		if (path[0] && access(path, X_OK) == 0)
			snprintf(program->path, sizeof(program->path), "%.511s", path);
	if (!program->path[0])
		snprintf(program->path, sizeof(program->path), "%s", PROGRAM_DAEMON);
	words[0] = program->path;
	if (run(words, text, text_bytes) != 0) {
		program->path[0] = '\0';
		return;
	}
	/* "lumaringd 0.1.0 (libcamera 0.7.1)" */
	if (sscanf(text, "lumaringd %31[0-9a-z.~+-] (libcamera %31[0-9a-z.~+-])", program->version,
		   program->libcamera) < 1)
		program->path[0] = '\0';
}

/* A line for each fault, or the settings. */
static void read_settings(struct doctor_program *program, int code, char *text)
{
	program->faults = 0;
	if (code == 0) {
		program->settings = cJSON_ParseWithOpts(text, NULL, true);
		return;
	}
	for (const char *c = text; *c; c++)
		program->faults += *c == '\n';
	text[strcspn(text, "\n")] = '\0';
	snprintf(program->fault, sizeof(program->fault), "%.299s", text);
}

void doctor_look_at_program(struct doctor *doctor)
{
	struct doctor_program *program = &doctor->program;
	static char text[OUTPUT_BYTES];
	const char *const words[] = { program->path,   "--check-config",  "--camera", doctor->camera,
				      "--runtime-dir", doctor->directory, NULL };
	int code;

	program->faults = -1;
	find_program(program, doctor->host.run, text, sizeof(text));
	if (!program->path[0])
		return;
	code = doctor->host.run(words, text, sizeof(text));
	if (code == 0 || code == 2)
		read_settings(program, code, text);
}

void doctor_check_settings(struct doctor *doctor)
{
	const struct doctor_program *program = &doctor->program;
	const char *source = json_text(program->settings, "source");

	if (!program->path[0]) {
		doctor_add(doctor, "settings", DOCTOR_NOTE, "lumaringd, which checks them, is not installed here");
	} else if (program->faults < 0) {
		doctor_add(doctor, "settings", DOCTOR_NOTE, "lumaringd --check-config does not say what they are");
	} else if (program->faults > 0 && strstr(program->fault, "ermission denied")) {
		doctor_add(doctor, "settings", DOCTOR_NOTE, "you may not read them: %s", program->fault);
		doctor_command(doctor, "sudo lumaring doctor --camera %s", doctor->camera);
	} else if (program->faults > 0) {
		doctor_add(doctor, "settings", DOCTOR_PROBLEM, "%s%s", program->fault,
			   program->faults > 1 ? " (and more)" : "");
		doctor_command(doctor, "lumaringd --check-config --camera %s", doctor->camera);
	} else {
		doctor_add(doctor, "settings", DOCTOR_OK, "no fault in the files; they say source %s", source);
	}
}
