/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_text.c - see metrics_text.h. Tables of metrics, each with the keys of the status that it stands for. The
 * format wants the samples of one metric together, so streams are gone through once for each.
 *
 * Private streams have no metrics of their own: they come and go, and each name would be a time series for ever.
 */
#include "metrics_text.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json.h"

#define PREFIX "lumaring_"
#define NS 1e9
#define US 1e6

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_SUMMARY,
};

struct metric {
	const char *name; /* behind the prefix */
	enum metric_type type;
	const char *help;
	const char *object; /* in which the key stands: "source", "source.device", "": at the top, or in the stream */
	const char *key;
	double divisor; /* of the key's unit, to the base unit; 0: as it is */
};

static const struct metric camera_metrics[] = {
	{ "uptime_seconds", METRIC_GAUGE, "How long the daemon has been running.", "", "uptime_us", US },
	{ "cpu_seconds_total", METRIC_COUNTER, "CPU time of the daemon, all threads.", "", "cpu_us", US },
	{ "frames_captured_total", METRIC_COUNTER, "Frames captured.", "source", "captured", 0 },
	{ "frame_duration_seconds", METRIC_GAUGE, "From frame to frame as measured, 0: no frames come.", "source",
	  "measured_frame_duration_ns", NS },
	{ "frame_duration_wanted_seconds", METRIC_GAUGE,
	  "From frame to frame as asked for, 0: as fast as frames are taken.", "source", "frame_duration_us", US },
	{ "image_width_pixels", METRIC_GAUGE, "Width of the captured image.", "source", "width", 0 },
	{ "image_height_pixels", METRIC_GAUGE, "Height of the captured image.", "source", "height", 0 },
	{ "device_requests_total", METRIC_COUNTER, "Requests that the camera completed.", "source.device", "completed",
	  0 },
	{ "device_restarts_total", METRIC_COUNTER, "Restarts of a capture that stood still.", "source.device",
	  "restarts", 0 },
	{ "device_losses_total", METRIC_COUNTER, "How often the camera went away.", "source.device", "losses", 0 },
	{ "device_buffers", METRIC_GAUGE, "Capture buffers.", "source.device", "buffer_count", 0 },
	{ "device_buffer_bytes", METRIC_GAUGE, "Size of one capture buffer.", "source.device", "buffer_bytes", 0 },
	{ "device_callback_longest_seconds", METRIC_GAUGE, "Longest time inside of the camera library's thread.",
	  "source.device", "callback_longest_ns", NS },
	{ "copy_workers", METRIC_GAUGE, "Threads that share a frame's copy now.", "copy", "workers", 0 },
	{ "copy_threads", METRIC_GAUGE, "Threads that may share it.", "copy", "threads", 0 },
	{ "copy_worker_changes_total", METRIC_COUNTER, "How often another number of threads was kept.", "copy",
	  "changes", 0 },
	{ "rings_bytes", METRIC_GAUGE, "Shared memory of all rings.", "bytes", "rings", 0 },
	{ "private_rings_bytes", METRIC_GAUGE, "Shared memory of private streams.", "bytes", "private_rings", 0 },
	{ "private_rings_limit_bytes", METRIC_GAUGE, "Ceiling of that.", "bytes", "private_rings_max", 0 },
	{ "memory_wanted_bytes", METRIC_GAUGE, "Memory that is to be locked.", "memory", "wanted_bytes", 0 },
	{ "memory_locked_bytes", METRIC_GAUGE, "Memory that is locked.", "memory", "locked_bytes", 0 },
	{ "connections", METRIC_GAUGE, "Connections to the frame socket.", "limits", "connections", 0 },
	{ "connections_limit", METRIC_GAUGE, "Limit of those.", "limits", "clients_max", 0 },
	{ "private_streams", METRIC_GAUGE, "Private streams.", "limits", "private_streams", 0 },
	{ "private_streams_limit", METRIC_GAUGE, "Limit of those.", "limits", "private_streams_max", 0 },
	{ "control_connections", METRIC_GAUGE, "Connections to the control socket.", "control", "connections", 0 },
	{ "control_connections_total", METRIC_COUNTER, "Connections to the control socket so far.", "control",
	  "connections_taken", 0 },
	{ "control_connections_refused_total", METRIC_COUNTER, "Connections to the control socket refused.", "control",
	  "connections_refused", 0 },
	{ "control_requests_total", METRIC_COUNTER, "Requests on the control socket.", "control", "requests", 0 },
	{ "control_errors_total", METRIC_COUNTER, "Errors answered to those.", "control", "errors", 0 },
};

static const struct metric stream_metrics[] = {
	{ "stream_frames_published_total", METRIC_COUNTER, "Frames published.", "", "published", 0 },
	{ "stream_copied_bytes_total", METRIC_COUNTER, "Pixels copied.", "", "bytes_copied", 0 },
	{ "stream_notices_dropped_total", METRIC_COUNTER, "Notices that did not get to a client.", "",
	  "notices_dropped", 0 },
	{ "stream_clients", METRIC_GAUGE, "Clients that read it.", "", "clients", 0 },
	{ "stream_slots", METRIC_GAUGE, "Frames that its ring holds.", "", "slots", 0 },
	{ "stream_pins", METRIC_GAUGE, "Frames that clients may have pinned.", "", "cursors_granted", 0 },
	{ "stream_pins_limit", METRIC_GAUGE, "Pins that the ring bears.", "", "cursors_max", 0 },
	{ "stream_ring_bytes", METRIC_GAUGE, "Shared memory of its ring.", "", "bytes", 0 },
};

static const struct metric time_metrics[] = {
	{ "stream_copy_seconds", METRIC_SUMMARY, "Time of the copy of a frame.", "", "copy_us", US },
	{ "stream_ready_to_published_seconds", METRIC_SUMMARY,
	  "From a frame being complete in the capture buffer to its publication.", "", "ready_to_published_us", US },
	{ "stream_sensor_to_published_seconds", METRIC_SUMMARY,
	  "From the start of a frame's exposure to its publication.", "", "sensor_to_published_us", US },
};

static const struct metric up_metric = { "up", METRIC_GAUGE, "Whether the daemon told its status.", "", "", 0 };
static const struct metric info_metric = { "info", METRIC_GAUGE, "What the daemon is and works with; always 1.",
					   "",     "",           0 };
static const struct metric state_metric = {
	"source_state", METRIC_GAUGE, "1 for the state that the source is in.", "", "", 0
};
static const struct metric lost_metric = {
	"stream_frames_lost_total", METRIC_COUNTER, "Frames that were not published, by cause.", "", "", 0
};
static const struct metric lag_metric = {
	"stream_client_lag_frames", METRIC_GAUGE, "Frames that the client is behind which is most behind.", "", "", 0
};

/* --- the format -------------------------------------------------------------------------------------------------- */

struct writer {
	FILE *file;
	const char *camera;
	const struct metric *metric; /* whose head was printed last */
	unsigned labels;             /* of the sample under way */
};

static void print_label_value(const char *value, FILE *file)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fprintf(file, "\\%c", *value);
		else if (*value == '\n')
			fputs("\\n", file);
		else
			fputc(*value, file);
	}
}

static void add_label(struct writer *writer, const char *name, const char *value)
{
	fprintf(writer->file, "%s%s=\"", writer->labels++ ? "," : "{", name);
	print_label_value(value, writer->file);
	fputc('"', writer->file);
}

/* The name, in front of it the head when it is the first sample, and the label that all have. */
static void begin_sample(struct writer *writer, const struct metric *metric, const char *suffix)
{
	static const char *const types[] = { "counter", "gauge", "summary" };

	if (writer->metric != metric)
		fprintf(writer->file, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", metric->name, metric->help,
			metric->name, types[metric->type]);
	writer->metric = metric;
	writer->labels = 0;
	fprintf(writer->file, PREFIX "%s%s", metric->name, suffix);
	add_label(writer, "camera", writer->camera);
}

static void end_sample(struct writer *writer, const struct metric *metric, double value)
{
	if (metric->divisor > 0)
		value /= metric->divisor;
	if (isnan(value))
		fprintf(writer->file, "} NaN\n");
	else if (fabs(value) < 1e18 && value == (double)(int64_t)value)
		fprintf(writer->file, "} %.0f\n", value);
	else
		fprintf(writer->file, "} %.15g\n", value);
}

/* --- what there is ----------------------------------------------------------------------------------------------- */

/* "source.device" in the status; NULL: there is none. */
static const cJSON *object_of(const cJSON *status, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[32];

	if (!path[0])
		return status;
	if (!dot)
		return json_get(status, path);
	snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return object_of(json_get(status, first), dot + 1);
}

static void print_number(struct writer *writer, const struct metric *metric, const cJSON *object, const char *stream)
{
	const cJSON *item = json_get(object_of(object, metric->object), metric->key);

	if (!cJSON_IsNumber(item))
		return; /* an older daemon */
	begin_sample(writer, metric, "");
	if (stream)
		add_label(writer, "stream", stream);
	end_sample(writer, metric, item->valuedouble);
}

static void print_summary(struct writer *writer, const struct metric *metric, const cJSON *stream)
{
	static const struct {
		const char *key, *suffix, *quantile;
		bool is_count;
	} samples[] = { { "p50", "", "0.5", false },
			{ "p90", "", "0.9", false },
			{ "p99", "", "0.99", false },
			{ "sum", "_sum", NULL, false },
			{ "count", "_count", NULL, true } };
	const cJSON *times = json_get(stream, metric->key);
	const bool empty = json_number(times, "count") == 0;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const cJSON *item = json_get(times, samples[i].key);

		if (!cJSON_IsNumber(item))
			continue;
		begin_sample(writer, metric, samples[i].suffix);
		add_label(writer, "stream", json_text(stream, "name"));
		if (samples[i].quantile)
			add_label(writer, "quantile", samples[i].quantile);
		if (samples[i].quantile && empty)
			end_sample(writer, metric, NAN);
		else
			end_sample(writer, metric, item->valuedouble * (samples[i].is_count ? metric->divisor : 1));
	}
}

static void print_up(struct writer *writer, double up)
{
	begin_sample(writer, &up_metric, "");
	end_sample(writer, &up_metric, up);
}

static void print_info(struct writer *writer, const cJSON *status)
{
	const cJSON *source = json_get(status, "source"), *device = json_get(source, "device");
	const struct {
		const char *label, *value;
	} labels[] = {
		{ "version", json_text(status, "version") },
		{ "source", json_text(source, "name") },
		{ "device", json_text(device, "camera") },
		{ "library", json_text(device, "library") },
		{ "format", json_text(source, "format") },
		{ "buffers", json_text(device, "memory") },
		{ "memory", json_text(source, "memory") },
		{ "cpu", json_text(json_get(status, "copy"), "cpu") },
		{ "loop", json_text(json_get(status, "loop"), "main") },
	};

	begin_sample(writer, &info_metric, "");
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		add_label(writer, labels[i].label, labels[i].value);
	end_sample(writer, &info_metric, 1);
}

/* As many as there are, so that each is a series that goes to 0; and one of a later version. */
static void print_state(struct writer *writer, const cJSON *status)
{
	static const char *const states[] = { "paused", "live", "lost", "ended", "failed" };
	const char *state = json_text(json_get(status, "source"), "state");
	bool known = false;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		begin_sample(writer, &state_metric, "");
		add_label(writer, "state", states[i]);
		end_sample(writer, &state_metric, strcmp(state, states[i]) == 0);
		known = known || strcmp(state, states[i]) == 0;
	}
	if (known || !state[0])
		return;
	begin_sample(writer, &state_metric, "");
	add_label(writer, "state", state);
	end_sample(writer, &state_metric, 1);
}

static void print_lost(struct writer *writer, const cJSON *stream)
{
	for (const cJSON *cause = json_first(stream, "lost"); cause; cause = cause->next) {
		if (!cJSON_IsNumber(cause) || !cause->string)
			continue;
		begin_sample(writer, &lost_metric, "");
		add_label(writer, "stream", json_text(stream, "name"));
		add_label(writer, "cause", cause->string);
		end_sample(writer, &lost_metric, cause->valuedouble);
	}
}

static void print_lag(struct writer *writer, const cJSON *stream, const cJSON *status)
{
	const char *name = json_text(stream, "name");
	double lag = 0;

	for (const cJSON *client = json_first(status, "clients"); client; client = client->next)
		if (strcmp(json_text(client, "stream"), name) == 0 && json_number(client, "lag") > lag)
			lag = json_number(client, "lag");
	begin_sample(writer, &lag_metric, "");
	add_label(writer, "stream", name);
	end_sample(writer, &lag_metric, lag);
}

/* The next of the shared streams, from this one on. */
static const cJSON *shared(const cJSON *stream)
{
	while (stream && json_is_true(stream, "private"))
		stream = stream->next;
	return stream;
}

#define FOR_STREAMS(s, status) for (const cJSON *s = shared(json_first(status, "streams")); s; s = shared(s->next))

static void print_streams(struct writer *writer, const cJSON *status)
{
	for (size_t i = 0; i < sizeof(stream_metrics) / sizeof(stream_metrics[0]); i++)
		FOR_STREAMS(s, status)
	print_number(writer, &stream_metrics[i], s, json_text(s, "name"));
	FOR_STREAMS(s, status)
	print_lost(writer, s);
	FOR_STREAMS(s, status)
	print_lag(writer, s, status);
	for (size_t i = 0; i < sizeof(time_metrics) / sizeof(time_metrics[0]); i++)
		FOR_STREAMS(s, status)
	print_summary(writer, &time_metrics[i], s);
}

int metrics_text_print(const char *json, FILE *file)
{
	cJSON *status = cJSON_ParseWithOpts(json, NULL, true);
	struct writer writer = { .file = file, .camera = json_text(status, "camera") };

	if (!cJSON_IsObject(status)) {
		cJSON_Delete(status);
		return -EBADMSG;
	}
	print_up(&writer, 1);
	print_info(&writer, status);
	print_state(&writer, status);
	for (size_t i = 0; i < sizeof(camera_metrics) / sizeof(camera_metrics[0]); i++)
		print_number(&writer, &camera_metrics[i], status, NULL);
	print_streams(&writer, status);
	cJSON_Delete(status);
	return 0;
}

void metrics_text_print_down(const char *camera, FILE *file)
{
	struct writer writer = { .file = file, .camera = camera };

	print_up(&writer, 0);
}
