/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands_metrics.c - GetMetrics: the numbers of the status as a flat list for monitoring systems. Names end in their
 * unit, and in _total where they only rise while the daemon lives. Main thread only.
 */
#include "commands_private.h"

#include "base/clock.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

/* With up to one label. */
static void write_metric(struct json *json, enum metric_kind kind, const char *name, const char *label,
			 const char *label_value, const char *stream, uint64_t value)
{
	json_object(json, NULL);
	json_string(json, "name", name);
	json_string(json, "kind", kind == METRIC_COUNTER ? "counter" : "gauge");
	json_object(json, "labels");
	if (stream)
		json_string(json, "stream", stream);
	if (label)
		json_string(json, label, label_value);
	json_close(json);
	json_number(json, "value", value);
	json_close(json);
}

static void counter(struct json *json, const char *name, const char *stream, uint64_t value)
{
	write_metric(json, METRIC_COUNTER, name, NULL, NULL, stream, value);
}

static void gauge(struct json *json, const char *name, const char *stream, uint64_t value)
{
	write_metric(json, METRIC_GAUGE, name, NULL, NULL, stream, value);
}

static void write_times(struct json *json, const char *name, const char *stream, const struct histogram *histogram)
{
	static const struct {
		const char *label;
		unsigned percent;
	} quantiles[] = { { "0.5", 50 }, { "0.9", 90 }, { "0.99", 99 } };
	struct histogram_view view;

	histogram_look(histogram, &view);
	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		write_metric(json, METRIC_GAUGE, name, "quantile", quantiles[i].label, stream,
			     (histogram_percentile(&view, quantiles[i].percent) + NS_PER_US - 1) / NS_PER_US);
}

static void write_stream(struct json *json, const struct stream *stream, const struct attach *attach)
{
	const char *name = stream->config.name;
	uint64_t dropped = stream->notices_dropped;

	for (const struct client *c = publish_clients(attach->publish); c; c = c->next)
		if (c->stream == stream) /* as in commands_look.c: relaxed */
			dropped += __atomic_load_n(&c->notices_dropped, __ATOMIC_RELAXED);
	counter(json, "frames_published_total", name, stream_published(stream));
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		if (status_lost_name(cause))
			write_metric(json, METRIC_COUNTER, "frames_lost_total", "cause", status_lost_name(cause), name,
				     stream_lost(stream, (enum lumaring_lost)cause));
	counter(json, "bytes_copied_total", name, stats_load(&stream->stats.bytes_copied));
	counter(json, "notices_dropped_total", name, dropped);
	gauge(json, "clients", name, attach_clients(attach, stream));
	gauge(json, "cursors_granted", name, stream->cursors_granted);
	gauge(json, "ring_bytes", name, stream->ring ? ring_bytes(stream->ring) : 0);
	write_times(json, "copy_us", name, &stream->stats.copy_ns);
	write_times(json, "ready_to_published_us", name, &stream->stats.ready_to_published_ns);
	write_times(json, "sensor_to_published_us", name, &stream->stats.sensor_to_published_ns);
}

static void write_camera(struct json *json, const struct status_view *view, const struct attach *attach)
{
	const struct control_stats *control = view->control;
	uint64_t connections = 0;
	struct tuner_view tuner;

	for (const struct client *c = view->clients; c; c = c->next)
		connections++;
	tuner_view(view->tuner, &tuner);
	counter(json, "frames_captured_total", NULL, stats_load(&view->stats->captured));
	gauge(json, "frame_duration_us", NULL, stats_load(&view->stats->frame_duration_ns) / NS_PER_US);
	gauge(json, "source_live", NULL, view->state == CAPTURE_LIVE);
	gauge(json, "copy_workers", NULL, tuner.workers);
	gauge(json, "connections", NULL, connections);
	gauge(json, "private_streams", NULL, attach->private_count);
	gauge(json, "private_ring_bytes", NULL, attach->private_bytes);
	gauge(json, "control_connections", NULL, control->connections);
	counter(json, "control_connections_total", NULL, control->connections_taken);
	counter(json, "control_connections_refused_total", NULL, control->connections_refused);
	counter(json, "control_requests_total", NULL, control->requests);
	counter(json, "control_errors_total", NULL, control->errors);
	counter(json, "cpu_us_total", NULL, clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_US);
	counter(json, "uptime_us_total", NULL, (clock_monotonic_ns() - view->started_ns) / NS_PER_US);
}

COMMANDS_METHOD(commands_get_metrics)
{
	const struct commands *commands = owner;
	const struct attach *attach = commands->view.attach;
	struct status_view view;
	struct json *json;

	if (!commands_read_nothing(call, parameters))
		return;
	commands->view.status(commands->view.owner, &view);
	json = control_reply(call);
	json_array(json, "metrics");
	write_camera(json, &view, attach);
	for (const struct stream *s = attach->streams; s; s = s->next)
		if (!s->owner && !s->removed)
			write_stream(json, s, attach);
	json_close(json);
	control_send(call, false);
}
