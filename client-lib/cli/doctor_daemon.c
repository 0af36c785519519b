/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_daemon.c - is there a daemon, of which version, and do its frames come: see doctor.h. Asks as any client does,
 * so a service that its sockets start is started.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lumaring/lumaring.h>

#include "doctor.h"
#include "session.h"

#define ANSWER_MS 2000 /* that a daemon has for its answer */
#define NS_PER_MS UINT64_C(1000000)
#define RETRY_MS 50
#define FRAMES_WAIT_MS 2000.0 /* for the next frame, or */
#define FRAMES_WAIT_PERIODS 3 /* so long, where that is more, up to */
#define FRAMES_WAIT_MAX_MS 10000.0
#define LOST_PERCENT 1.0  /* of the frames are many */
#define LOST_MIN 5.0      /* fewer are not */
#define SLOW_PERCENT 10.0 /* slower than asked for is slow */

/* --- asking ------------------------------------------------------------------------------------------------------ */

struct host_path doctor_frames_path(const struct doctor *doctor)
{
	struct host_path path;

	snprintf(path.text, sizeof(path.text), "%s/%s/frames", doctor->directory, doctor->camera);
	return path;
}

/* As the library finds it, see lumaring_open(). */
static void find_directory(struct doctor *doctor)
{
	const char *given = doctor->options->runtime_dir, *own = secure_getenv("XDG_RUNTIME_DIR");
	struct stat status;

	if (!given)
		given = secure_getenv("LUMARING_RUNTIME_DIR");
	snprintf(doctor->directory, sizeof(doctor->directory), "%s", given && given[0] ? given : "/run/lumaring");
	if ((!given || !given[0]) && own && own[0] &&
	    !host_stat(&doctor->host, doctor_frames_path(doctor).text, &status))
		snprintf(doctor->directory, sizeof(doctor->directory), "%s/lumaring", own);
}

static int ask_once(struct doctor *doctor)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	char *json = NULL;
	int r;

	how.timeout_ms = ANSWER_MS;
	how.runtime_dir = doctor->options->runtime_dir;
	how.error_text = doctor->error_text;
	how.error_bytes = sizeof(doctor->error_text);
	doctor->error_text[0] = '\0';
	r = lumaring_status(doctor->options->camera, &how, &json);
	cJSON_Delete(doctor->status);
	doctor->status = r == 0 ? cJSON_ParseWithOpts(json, NULL, true) : NULL;
	free(json);
	if (r == 0 && !cJSON_IsObject(doctor->status)) {
		snprintf(doctor->error_text, sizeof(doctor->error_text), "the daemon's status is no JSON object");
		r = -EBADMSG;
	}
	return r;
}

int doctor_ask(struct doctor *doctor)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * (long)NS_PER_MS };
	const char *camera = doctor->options->camera ? doctor->options->camera : secure_getenv("LUMARING_CAMERA");
	const int patience_ms = options_has(doctor->options, "wait") ? doctor->options->wait_ms : 0;
	const uint64_t until_ns = session_now_ns() + (uint64_t)patience_ms * NS_PER_MS;

	snprintf(doctor->camera, sizeof(doctor->camera), "%.63s", camera && camera[0] ? camera : "cam0");
	find_directory(doctor);
	while ((doctor->error = ask_once(doctor)) == -ECONNREFUSED && session_now_ns() < until_ns)
		nanosleep(&pause, NULL);
	return doctor->error == -EINVAL ? -EINVAL : 0;
}

/* --- is there one ------------------------------------------------------------------------------------------------ */

static void say_found(struct doctor *doctor)
{
	const double minutes = json_number(doctor->status, "uptime_us") / 60e6,
		     uid = json_number(doctor->status, "uid");

	doctor_add(doctor, "daemon", DOCTOR_OK, "lumaringd %s, pid %.0f, of %s, up %.0f %s",
		   json_text(doctor->status, "version"), json_number(doctor->status, "pid"),
		   host_user_name((uid_t)uid).text, minutes < 120 ? minutes : minutes / 60,
		   minutes < 120 ? "min" : "h");
}

/* Nobody listens: how is one started here? */
static void advise_start(struct doctor *doctor)
{
	const struct doctor_unit *unit = &doctor->unit;

	if (unit->is_known && strcmp(unit->active, "active") != 0)
		doctor_advise(doctor, "see unit");
	else if (unit->is_known)
		doctor_command(doctor, "sudo systemctl restart lumaringd@%s", doctor->camera);
	else if (!doctor->program.path[0])
		doctor_advise(doctor, "install the package lumaringd");
	else
		doctor_command(doctor, "lumaringd --camera %s", doctor->camera);
}

void doctor_check_daemon(struct doctor *doctor)
{
	const char *text = doctor->error_text[0] ? doctor->error_text : lumaring_strerror(doctor->error);
	struct stat status;

	if (doctor->error == 0) {
		say_found(doctor);
	} else if (doctor->error == -ECONNREFUSED) {
		const struct host_path frames = doctor_frames_path(doctor);
		const bool is_there = host_stat(&doctor->host, frames.text, &status);

		doctor_add(doctor, "daemon", DOCTOR_PROBLEM, "%s %s", frames.text,
			   is_there ? "is there, but nobody listens: its daemon has ended"
				    : "is not there: no daemon serves this camera");
		advise_start(doctor);
	} else if (doctor->error == -EACCES) {
		doctor_add(doctor, "daemon", DOCTOR_PROBLEM, "one is there, but not for you: %s/%s", doctor->directory,
			   doctor->camera);
		doctor_advise(doctor, "see groups; or look as root: sudo lumaring doctor --camera %s", doctor->camera);
	} else {
		doctor_add(doctor, "daemon", DOCTOR_PROBLEM, "it does not answer: %s", text);
		doctor_command_restart(doctor);
	}
}

/* --- of which version -------------------------------------------------------------------------------------------- */

void doctor_check_version(struct doctor *doctor)
{
	const char *own = lumaring_version(), *running = json_text(doctor->status, "version");
	const char *installed = doctor->program.version, *library = doctor->host.library_version;

	if (running[0] && installed[0] && strcmp(running, installed) != 0) {
		doctor_add(doctor, "version", DOCTOR_NOTE, "the daemon that runs is %s, the one that is installed %s",
			   running, installed);
		doctor_command_restart(doctor);
	} else if ((running[0] && strcmp(running, own) != 0) || (installed[0] && strcmp(installed, own) != 0) ||
		   (library[0] && strcmp(library, own) != 0)) {
		doctor_add(doctor, "version", DOCTOR_NOTE,
			   "they differ: this tool is %s, the library %s, the daemon %s", own,
			   library[0] ? library : "not installed",
			   running[0]     ? running
			   : installed[0] ? installed
					  : "not installed");
		doctor_advise(doctor, "install the same version of all packages; what is older may lack something");
	} else {
		doctor_add(doctor, "version", DOCTOR_OK, "%s of tool%s%s", own, library[0] ? ", library" : "",
			   running[0] || installed[0] ? " and daemon" : "");
	}
}

/* --- do frames come ---------------------------------------------------------------------------------------------- */

static double captured(const struct doctor *doctor)
{
	return json_number(json_get(doctor->status, "source"), "captured");
}

static double periods_ms(const struct doctor *doctor)
{
	return json_number(json_get(doctor->status, "source"), "frame_duration_us") * FRAMES_WAIT_PERIODS / 1000;
}

/* Until there is one more, for a bounded time. */
static bool see_frame(struct doctor *doctor)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * (long)NS_PER_MS };
	const double before = captured(doctor);
	double ms = periods_ms(doctor);
	uint64_t until_ns;

	ms = ms > FRAMES_WAIT_MAX_MS ? FRAMES_WAIT_MAX_MS : ms < FRAMES_WAIT_MS ? FRAMES_WAIT_MS : ms;
	until_ns = session_now_ns() + (uint64_t)ms * NS_PER_MS;
	do {
		cJSON *last = cJSON_Duplicate(doctor->status, true);

		nanosleep(&pause, NULL);
		if (ask_once(doctor) < 0) { /* it has just ended: what it said before is what there is */
			cJSON_Delete(doctor->status);
			doctor->status = last;
			return false;
		}
		cJSON_Delete(last);
		if (captured(doctor) != before)
			return true;
	} while (session_now_ns() < until_ns);
	return false;
}

/* What takes frames away, and what helps. */
static const struct {
	const char *cause, *advice;
} causes[] = {
	{ "copy_late",
	  "copying cannot keep up: lumaring status says with how many threads and from which memory; a smaller "
	  "region, bin=2 or a lower rate needs less" },
	{ "no_slot", "clients hold all slots: give the streams more of them (\"slots\"), see lumaring clients" },
	{ "error", "frames come damaged: look at the camera's cable, and at dmesg" },
	{ "sensor", "they never came from the sensor: a lower rate (lumaring set --framerate), or look at the cable" },
	{ "camera", "the camera skips them itself: a lower rate (lumaring set --framerate) or a smaller size" },
	{ "cancelled", "the camera gave requests back without a frame: look at journalctl -u lumaringd@* and dmesg" },
};

#define CAUSES (sizeof(causes) / sizeof(causes[0]))

/* Of the stream that lost the most: what is lost before the copies is so for all of them. */
static double lost_by(const cJSON *status, const char *cause)
{
	double most = 0;

	for (const cJSON *stream = json_first(status, "streams"); stream; stream = stream->next) {
		const double lost = json_number(json_get(stream, "lost"), cause);

		most = lost > most ? lost : most;
	}
	return most;
}

/* In all, and the cause of the most. */
static double sum_lost(const cJSON *status, size_t *ret_worst)
{
	double sum = 0, most = 0;

	for (size_t i = 0; i < CAUSES; i++) {
		const double lost = lost_by(status, causes[i].cause);

		if (lost > most)
			*ret_worst = i;
		most = lost > most ? lost : most;
		sum += lost;
	}
	return sum;
}

static void say_live(struct doctor *doctor)
{
	const cJSON *source = json_get(doctor->status, "source");
	const double asked_us = json_number(source, "frame_duration_us"),
		     is_us = json_number(source, "measured_frame_duration_ns") / 1000;
	size_t worst = 0;
	const double lost = sum_lost(doctor->status, &worst), percent = lost * 100 / (captured(doctor) + lost);
	char rate[64] = "";

	if (is_us > 0)
		snprintf(rate, sizeof(rate), " at %.1f frames/s", 1e6 / is_us);
	if (lost >= LOST_MIN && percent >= LOST_PERCENT) {
		doctor_add(doctor, "frames", DOCTOR_PROBLEM, "they come%s, but %.0f of %.0f were lost, %.0f of them %s",
			   rate, lost, captured(doctor) + lost, lost_by(doctor->status, causes[worst].cause),
			   causes[worst].cause);
		doctor_advise(doctor, "%s", causes[worst].advice);
	} else if (asked_us > 0 && is_us > asked_us * (1 + SLOW_PERCENT / 100)) {
		doctor_add(doctor, "frames", DOCTOR_NOTE, "they come%s, where %.1f were asked for", rate,
			   1e6 / asked_us);
		doctor_advise(doctor, "a camera is slow in the dark (a shorter exposure: lumaring set --shutter 5000), "
				      "and where its mode has no such rate (lumaring capabilities)");
	} else {
		doctor_add(doctor, "frames", DOCTOR_OK, "%.0fx%.0f%s, %.0f of %.0f lost", json_number(source, "width"),
			   json_number(source, "height"), rate, lost, captured(doctor) + lost);
	}
}

/* A state that is none of an ill camera: footage is paused, and ends. */
static void say_not_live(struct doctor *doctor, const char *state)
{
	const char *reason = json_text(doctor_device(doctor), "state_reason");
	const bool is_bad = strcmp(state, "lost") == 0 || strcmp(state, "failed") == 0 || doctor_device(doctor);

	doctor_add(doctor, "frames", is_bad ? DOCTOR_PROBLEM : DOCTOR_NOTE, "none come: the source is %s%s%s", state,
		   reason[0] ? ": " : "", reason);
	if (doctor_wants_camera(doctor))
		doctor_advise(doctor, "see camera; the daemon looks for it every 2 s");
	else
		doctor_advise(doctor, "look at what the daemon reads from: lumaring status");
}

void doctor_check_frames(struct doctor *doctor)
{
	const char *state = json_text(json_get(doctor->status, "source"), "state");

	if (!doctor->status) {
		doctor_add(doctor, "frames", DOCTOR_NOTE, "not known without a daemon that answers");
	} else if (strcmp(state, "live") != 0) {
		say_not_live(doctor, state);
	} else if (see_frame(doctor)) {
		say_live(doctor);
	} else if (periods_ms(doctor) > FRAMES_WAIT_MAX_MS) {
		doctor_add(doctor, "frames", DOCTOR_NOTE, "none came within %.0f s, but so few were asked for",
			   FRAMES_WAIT_MAX_MS / 1000);
	} else {
		doctor_add(doctor, "frames", DOCTOR_PROBLEM,
			   "none came while it was waited, although the source is live");
		doctor_command_restart(doctor);
	}
}
