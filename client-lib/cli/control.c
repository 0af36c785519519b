/* SPDX-License-Identifier: BSD-2-Clause */
/* control.c - see control.h. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json.h"
#include "output.h"
#include "session.h"
#include "stop.h"

#define BUSY_MIN_US 1000.0 /* between two attempts */
#define BUSY_MAX_US 500000.0
#define TIMEOUT_MS 10000 /* a camera may be stopped and started in between */

static int attempt_open(const struct options *options, const struct lumaring_options *how, void *result)
{
	struct lumaring_control **ret_control = result;

	return lumaring_control_open(options->camera, how, ret_control);
}

int control_open(const struct options *options, struct lumaring_control **ret_control)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;

	return session_ask(options, &how, attempt_open, ret_control);
}

int control_timeout_ms(const struct options *options)
{
	return options->timeout_ms >= 0 ? options->timeout_ms : TIMEOUT_MS;
}

int control_show_json(const char *json)
{
	char *line = NULL;
	int bytes = asprintf(&line, "%s\n", json);
	int r = bytes < 0 ? -ENOMEM : output_deliver(line, (size_t)bytes);

	if (bytes >= 0)
		free(line);
	else
		talk("out of memory");
	return r < 0 ? CODE_FAILED : CODE_OK;
}

/* The name is one of the interface's, or stands as a person may read it: it was checked for that. */
static void show_error(const struct lumaring_control *control)
{
	char *json = NULL;

	if (asprintf(&json, "{\"error\":\"%s\",\"parameters\":%s}", lumaring_control_error_name(control),
		     lumaring_control_error_json(control)) < 0)
		return;
	control_show_json(json);
	free(json);
}

/* The sentence that the library makes of the faults of configuration files has room for the first. */
static bool tell_faults(const struct lumaring_control *control)
{
	cJSON *root = cJSON_ParseWithOpts(lumaring_control_error_json(control), NULL, true);
	bool told = false;

	for (const cJSON *fault = json_first(root, "faults"); fault; fault = fault->next) {
		if (!cJSON_IsString(fault))
			continue;
		talk("%s", fault->valuestring);
		told = true;
	}
	cJSON_Delete(root);
	return told;
}

int control_failure(const struct options *options, const struct lumaring_control *control, int error)
{
	const char *text = lumaring_control_error_text(control);

	if (error == -EINTR && stop_signal())
		return session_exit_code(error);
	if (options->json && lumaring_control_error_name(control)[0])
		show_error(control);
	if (error == -EUCLEAN && tell_faults(control))
		talk("nothing was changed");
	else
		talk("%s", text[0] ? text : lumaring_strerror(error));
	return error == -EINTR ? CODE_FAILED : session_exit_code(error);
}

bool control_again(const struct options *options, const struct lumaring_control *control, int error,
		   struct control_patience *patience)
{
	struct timespec pause;
	double us;
	cJSON *root;

	if (error != -EBUSY || !lumaring_control_error_name(control)[0] || stop_signal())
		return false;
	if (patience->since_ns == 0)
		patience->since_ns = session_now_ns();
	if (session_now_ns() - patience->since_ns >= (uint64_t)options->wait_ms * 1000000)
		return false;
	root = cJSON_ParseWithOpts(lumaring_control_error_json(control), NULL, true);
	us = json_number(root, "retry_after_us");
	cJSON_Delete(root);
	us = us < BUSY_MIN_US ? BUSY_MIN_US : us > BUSY_MAX_US ? BUSY_MAX_US : us;
	pause = (struct timespec){ .tv_nsec = (long)us * 1000 };
	nanosleep(&pause, NULL);
	return true;
}

int control_call(const struct options *options, struct lumaring_control *control, const char *method,
		 const char *parameters, const char **ret_json)
{
	struct control_patience patience = { 0 };
	int r;

	do
		r = lumaring_control_call(control, method, parameters, control_timeout_ms(options), ret_json);
	while (control_again(options, control, r, &patience));
	return r < 0 ? control_failure(options, control, r) : CODE_OK;
}
