/* SPDX-License-Identifier: BSD-2-Clause */
/* call.c - `lumaring call`: any method with any parameters, the replies as they come, a line each. */
#include <errno.h>

#include "control.h"
#include "output.h"
#include "session.h"
#include "stop.h"
#include "verbs.h"

#define SLICE_MS 250 /* so that a signal that comes just before a wait is seen soon after */

static int watch(const struct options *options, struct lumaring_control *control)
{
	uint64_t since_ns = session_now_ns();
	const char *json;

	for (;;) {
		int r = lumaring_control_next(control, SLICE_MS, &json), code;

		if (stop_signal())
			return CODE_OK;
		if (r == -EINTR || r == -ETIMEDOUT) {
			if (options->timeout_ms < 0 ||
			    session_now_ns() - since_ns < (uint64_t)options->timeout_ms * UINT64_C(1000000))
				continue;
			talk("no reply came for %g s", options->timeout_ms / 1000.0);
			return CODE_TIMEOUT;
		}
		if (r < 0)
			return control_failure(options, control, r);
		code = control_show_json(json);
		if (r > 0 || code != CODE_OK)
			return code;
		since_ns = session_now_ns();
	}
}

static int call(const struct options *options, struct lumaring_control *control)
{
	const char *method = options->operands[1], *parameters = options->operands[2], *json;
	int code, r;

	if (!options->more) {
		code = control_call(options, control, method, parameters, &json);
		return code == CODE_OK ? control_show_json(json) : code;
	}
	r = lumaring_control_watch(control, method, parameters, control_timeout_ms(options));
	return r < 0 ? control_failure(options, control, r) : watch(options, control);
}

int call_run(const struct options *options)
{
	struct options as_json = *options;
	struct lumaring_control *control;
	int code;

	if (!options->operands[1]) {
		talk("say which method: lumaring call METHOD [JSON], for example lumaring call GetMetrics");
		return CODE_USAGE;
	}
	as_json.json = true;
	code = control_open(&as_json, &control);
	if (code == CODE_OK) {
		code = call(&as_json, control);
		lumaring_control_close(control);
	}
	return options->more && stop_signal() ? CODE_OK : code;
}
