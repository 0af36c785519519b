/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor.c - `lumaring doctor`: gather the facts, run every check, show what was found. */
#include "doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
#include "page.h"
#include "verbs.h"

#define COLUMNS 80u /* of a screen that does not say */
#define COLUMNS_MIN 60u
#define COLUMNS_MAX 132u

static void (*const checks[])(struct doctor *doctor) = {
	doctor_check_daemon,  doctor_check_version,  doctor_check_frames,    doctor_check_unit,
	doctor_check_sandbox, doctor_check_settings, doctor_check_groups,    doctor_check_camera,
	doctor_check_holders, doctor_check_heaps,    doctor_check_cma,       doctor_check_shm,
	doctor_check_memlock, doctor_check_io_uring, doctor_check_libcamera, doctor_check_ipa,
	doctor_check_kernel,  doctor_check_clock,    doctor_check_cpu,
};

bool doctor_wants_camera(const struct doctor *doctor)
{
	const char *source = doctor->status ? json_text(json_get(doctor->status, "source"), "name")
					    : json_text(doctor->program.settings, "source");

	return !source[0] || strncmp(source, "libcamera", strlen("libcamera")) == 0;
}

bool doctor_is_opened_by_root(const struct doctor *doctor)
{
	if (doctor->status)
		return json_number(doctor->status, "uid") == 0;
	return doctor->host.uid == 0 || doctor->unit.is_known;
}

const cJSON *doctor_device(const struct doctor *doctor)
{
	return json_get(json_get(doctor->status, "source"), "device");
}

void doctor_command_restart(struct doctor *doctor)
{
	if (doctor->unit.is_known)
		doctor_command(doctor, "sudo systemctl restart lumaringd@%s", doctor->camera);
	else
		doctor_advise(doctor, "stop the daemon of %s and start it again", doctor->camera);
}

static unsigned columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS;
	return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col;
}

static bool is_coloured(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]) && terminal && strcmp(terminal, "dumb") != 0;
}

static int show(const struct doctor *doctor)
{
	struct page page;
	int r = page_begin(&page);

	if (r == 0 && doctor->options->json)
		r = doctor_print_json(doctor, page.file);
	else if (r == 0)
		doctor_print(doctor, columns(), is_coloured(), page.file);
	r = page_end(&page, r);
	return r == CODE_OK && doctor_count(doctor, DOCTOR_PROBLEM) ? CODE_UNWELL : r;
}

static int examine(struct doctor *doctor)
{
	host_look(&doctor->host);
	if (doctor_ask(doctor) < 0) {
		talk("%s", doctor->error_text);
		return CODE_USAGE;
	}
	doctor_look_at_unit(doctor);
	doctor_look_at_program(doctor);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](doctor);
	return show(doctor);
}

int doctor_run(const struct options *options)
{
	struct doctor *doctor = calloc(1, sizeof(*doctor));
	int code = CODE_FAILED;

	if (doctor) {
		doctor->options = options;
		code = examine(doctor);
		cJSON_Delete(doctor->status);
		cJSON_Delete(doctor->program.settings);
	} else {
		talk("out of memory");
	}
	free(doctor);
	return code;
}
