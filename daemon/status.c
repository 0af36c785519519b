/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - see status.h. One function per object of the text, in the order they stand in it. What the capture thread
 * writes meanwhile is loaded number by number, so numbers of one status may be a frame apart; what a client wrote into
 * its page is shown as it is.
 */
#include "status.h"

#include <unistd.h>

#include <lumaring/protocol.h>

#include "base/clock.h"
#include "base/memory.h"

static void write_loop(struct json *json, const struct status_view *view)
{
	json_object(json, "loop");
	json_string(json, "main", view->loop_main);
	json_string(json, "capture", view->loop_capture);
	json_string(json, "fallback_reason", view->loop_fallback);
	json_close(json);
}

const char *status_source_state(enum capture_state state)
{
	static const char *const states[] = { "paused", "live", "lost", "ended", "failed" };

	return states[state];
}

static const char *clock_text(uint32_t clock)
{
	static const char *const clocks[] = { [LUMARING_CLOCK_UNKNOWN] = "unknown",
					      [LUMARING_CLOCK_MONOTONIC] = "monotonic",
					      [LUMARING_CLOCK_BOOTTIME] = "boottime" };

	return clock < sizeof(clocks) / sizeof(clocks[0]) ? clocks[clock] : "unknown";
}

static const char *range_text(uint32_t range)
{
	return range == LUMARING_RANGE_FULL ? "full" : range == LUMARING_RANGE_LIMITED ? "limited" : "unknown";
}

/* Of a source that has one. */
static void write_device(struct json *json, const struct source_report *device)
{
	if (!device->library[0])
		return;
	json_object(json, "device");
	json_string(json, "library", device->library);
	json_string(json, "camera", device->camera);
	json_string(json, "state", device->state);
	json_string(json, "state_reason", device->state_reason);
	json_string(json, "format", device->format);
	json_string(json, "memory", device->memory);
	json_string(json, "memory_reason", device->memory_reason);
	json_bool(json, "memory_chosen_by_measurement", device->memory_chosen_by_measurement);
	json_number(json, "cached_copy_ns", device->cached_copy_ns);
	json_number(json, "uncached_copy_ns", device->uncached_copy_ns);
	json_number(json, "buffer_count", device->buffer_count);
	json_number(json, "buffer_bytes", device->buffer_bytes);
	json_number(json, "completed", device->completed);
	json_number(json, "restarts", device->restarts);
	json_number(json, "losses", device->losses);
	json_number(json, "callback_longest_ns", device->callback_longest_ns);
	json_string(json, "sensor_clock", clock_text(device->sensor_clock));
	json_close(json);
}

static void write_source(struct json *json, const struct status_view *view)
{
	static const struct source_format none;
	const struct source_format *format = view->format ? view->format : &none;
	uint64_t measured_ns = view->state == CAPTURE_LIVE ? stats_load(&view->stats->frame_duration_ns) : 0;

	json_object(json, "source");
	json_string(json, "name", view->config->source);
	json_string(json, "path", view->config->source_path);
	json_string(json, "state", status_source_state(view->state));
	json_number(json, "width", format->width);
	json_number(json, "height", format->height);
	json_number(json, "stride", format->stride);
	json_string(json, "format", view->format ? pixels_facts(format->pixels)->name : "");
	json_string(json, "memory", format->uncached ? "uncached" : "cached");
	json_string(json, "luma_range", range_text(format->luma_range));
	json_string(json, "sensor_clock", clock_text(format->sensor_clock));
	write_device(json, view->device);
	json_number(json, "frame_duration_us", format->frame_duration_us);
	json_number(json, "measured_frame_duration_us", (measured_ns + NS_PER_US / 2) / NS_PER_US);
	json_number(json, "measured_frame_duration_ns", measured_ns);
	json_number(json, "captured", stats_load(&view->stats->captured));
	json_close(json);
}

/* Times in whole microseconds, rounded up: like the histogram's, never below the truth. */
static uint64_t microseconds(uint64_t ns)
{
	return ns / NS_PER_US + (ns % NS_PER_US > 0);
}

/* How frames are copied. The rates are by number of threads, of those that were tried. */
static void write_copy(struct json *json, const struct status_view *view)
{
	struct tuner_view tuner;

	tuner_view(view->tuner, &tuner);
	json_object(json, "copy");
	json_string(json, "cpu", copy_cpu_name(copy_cpu()));
	json_number(json, "workers", tuner.workers);
	json_number(json, "threads", tuner.threads_max);
	json_string(json, "reason", tuner_reason_text(tuner.reason));
	json_number(json, "changes", tuner.changes);
	json_number(json, "trials", tuner.trials);
	json_number(json, "frame_us", microseconds(tuner.frame_ns));
	json_number(json, "frame_bytes", tuner.frame_bytes);
	json_array(json, "megabytes_per_second");
	for (unsigned n = 1; n <= tuner.threads_max && n <= COPY_THREADS_MAX; n++)
		json_number(json, NULL, tuner.mb_per_second[n]);
	json_close(json);
	json_close(json);
}

static uint64_t bytes_of(const struct ring *ring)
{
	return ring ? ring_bytes(ring) : 0;
}

static void write_bytes(struct json *json, const struct status_view *view)
{
	uint64_t rings = 0;

	for (const struct stream *s = view->streams; s; s = s->next)
		rings += bytes_of(s->ring) + bytes_of(s->retired);
	json_object(json, "bytes");
	json_number(json, "rings", rings);
	json_number(json, "private_rings", view->private_bytes);
	json_number(json, "private_rings_max", view->config->private_bytes_max);
	json_close(json);
}

static void write_memory(struct json *json)
{
	struct memory_view memory;

	memory_look(&memory);
	json_object(json, "memory");
	json_number(json, "wanted_bytes", memory.wanted_bytes);
	json_number(json, "locked_bytes", memory.locked_bytes);
	json_string(json, "unlocked_reason", memory.reason);
	json_close(json);
}

static void write_limits(struct json *json, const struct status_view *view)
{
	uint64_t connections = 0, private_streams = 0;

	for (const struct client *c = view->clients; c; c = c->next)
		connections++;
	for (const struct stream *s = view->streams; s; s = s->next)
		private_streams += s->owner != NULL;
	json_object(json, "limits");
	json_number(json, "connections", connections);
	json_number(json, "clients_max", view->config->clients_max);
	json_number(json, "clients_per_uid", view->config->clients_per_uid);
	json_number(json, "attach_rate", view->config->attach_rate);
	json_number(json, "private_streams", private_streams);
	json_number(json, "private_streams_max", view->config->private_streams_max);
	json_close(json);
}

/* What says how the daemon is to work: files, in the order in which they were read, and keys from the command line. */
static void write_configuration(struct json *json, const struct status_view *view)
{
	json_object(json, "configuration");
	json_string(json, "directory", view->config->config_dir);
	json_array(json, "files");
	for (unsigned i = 0; i < view->config->file_count; i++)
		json_string(json, NULL, view->config->files[i]);
	json_close(json);
	json_array(json, "command_line");
	for (unsigned i = 0; i < config_setting_count; i++) {
		char key[CONFIG_KEY_BYTES];

		if (view->config->places[i].by != CONFIG_BY_OPTION)
			continue;
		config_key(&config_settings[i], key, sizeof(key));
		json_string(json, NULL, key);
	}
	json_close(json);
	json_array(json, "default_slots");
	for (unsigned i = 0; i < view->settings->stream_count; i++)
		if (view->settings->streams[i].slots_default)
			json_string(json, NULL, view->settings->streams[i].name);
	json_close(json);
	json_close(json);
}

static void write_control(struct json *json, const struct status_view *view)
{
	json_object(json, "control");
	json_number(json, "connections", view->control->connections);
	json_number(json, "connections_max", view->config->control_connections_max);
	json_number(json, "connections_taken", view->control->connections_taken);
	json_number(json, "connections_refused", view->control->connections_refused);
	json_number(json, "requests", view->control->requests);
	json_number(json, "errors", view->control->errors);
	json_close(json);
}

/* --- streams --- */

static void write_times(struct json *json, const char *name, const struct histogram *histogram)
{
	struct histogram_view view;

	histogram_look(histogram, &view);
	json_object(json, name);
	json_number(json, "count", view.count);
	json_number(json, "sum", microseconds(view.sum));
	json_number(json, "p50", microseconds(histogram_percentile(&view, 50)));
	json_number(json, "p90", microseconds(histogram_percentile(&view, 90)));
	json_number(json, "p99", microseconds(histogram_percentile(&view, 99)));
	json_number(json, "max", microseconds(view.max));
	json_close(json);
}

const char *status_lost_name(unsigned cause)
{
	/* As lumaring_missed_name() of the library. */
	static const char *const names[LUMARING_LOST_CAUSES] = {
		[LUMARING_LOST_UNREAD] = "unread",       [LUMARING_LOST_NO_SLOT] = "no_slot",
		[LUMARING_LOST_COPY_LATE] = "copy_late", [LUMARING_LOST_RECONFIGURE] = "reconfigure",
		[LUMARING_LOST_ERROR] = "error",         [LUMARING_LOST_SENSOR] = "sensor",
		[LUMARING_LOST_CAMERA] = "camera",       [LUMARING_LOST_CANCELLED] = "cancelled",
		[LUMARING_LOST_STARTUP] = "startup",
	};

	return names[cause];
}

static void write_lost(struct json *json, const struct stream *stream)
{
	json_object(json, "lost");
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		if (status_lost_name(cause))
			json_number(json, status_lost_name(cause), stream_lost(stream, (enum lumaring_lost)cause));
	json_close(json);
}

/* What the next frame will show, as the capture thread sees it. */
static struct region region_of(const struct stream *stream, const struct source_format *format)
{
	struct region region = stream->config.region;

	/* Pairs with lr_page_set_region() of the library, as in region_for() of capture.c: relaxed. */
	if (stream->owner && stream->owner->page)
		region = region_from_word(__atomic_load_n(&stream->owner->page->region, __ATOMIC_RELAXED));
	if (format && stream->ring) {
		const struct region_limits limits = stream_limits(stream);

		region = region_clamp(region, format->width, format->height, &limits);
	}
	return region;
}

static void write_region(struct json *json, const struct stream *stream, const struct source_format *format)
{
	struct region region = region_of(stream, format);

	json_object(json, "region");
	json_number(json, "x", region.x);
	json_number(json, "y", region.y);
	json_number(json, "width", region.width);
	json_number(json, "height", region.height);
	json_close(json);
}

static void write_kernels(struct json *json, const struct stream *stream, const struct source_format *format)
{
	struct region region = region_of(stream, format);
	char text[STREAM_KERNELS_BYTES] = "";

	if (format && stream->ring)
		stream_kernels(stream, &region, text, sizeof(text));
	json_string(json, "kernels", text);
}

static const char *ring_state_text(const struct ring *ring)
{
	if (!ring)
		return "waiting";
	switch (ring_state(ring)) {
	case LUMARING_RING_PAUSED:
		return "paused";
	case LUMARING_RING_LIVE:
		return "live";
	case LUMARING_RING_SOURCE_LOST:
		return "source_lost";
	case LUMARING_RING_REPLACED:
		return "replaced";
	case LUMARING_RING_CLOSED:
		return "closed";
	}
	return "closed";
}

static void write_ring(struct json *json, const struct stream *stream)
{
	const struct ring *ring = stream->ring;

	json_string(json, "state", ring_state_text(ring));
	json_id(json, "epoch", ring ? ring_epoch(ring) : 0);
	json_number(json, "generation", ring ? ring_generation(ring) : 0);
	json_number(json, "slot_bytes", ring ? ring_slot_bytes(ring) : 0);
	json_number(json, "width_max", ring ? ring_width_max(ring) : 0);
	json_number(json, "height_max", ring ? ring_height_max(ring) : 0);
	json_number(json, "bytes", bytes_of(ring));
	json_number(json, "published", stream_published(stream));
	write_lost(json, stream);
}

static uint64_t dropped_by(const struct client *client)
{
	/* Pairs with on_notice_sent() of publish/events.c: a counter that stands alone, relaxed. */
	return __atomic_load_n(&client->notices_dropped, __ATOMIC_RELAXED);
}

/* Its clients, and the notices that they and those before them did not get. */
static void write_readers(struct json *json, const struct stream *stream, const struct client *clients)
{
	uint64_t readers = 0, dropped = stream->notices_dropped;

	/* A private stream has one, and there may be many of both: do not look for it. */
	if (stream->owner) {
		readers = 1;
		dropped += dropped_by(stream->owner);
	}
	for (const struct client *c = stream->owner ? NULL : clients; c; c = c->next) {
		if (c->stream != stream)
			continue;
		readers++;
		dropped += dropped_by(c);
	}
	json_number(json, "clients", readers);
	json_number(json, "notices_dropped", dropped);
}

static void write_stream(struct json *json, const struct stream *stream, const struct status_view *view)
{
	json_object(json, NULL);
	json_string(json, "name", stream->config.name);
	json_bool(json, "private", stream->owner);
	if (stream->owner)
		json_number(json, "owner_pid", (uint64_t)stream->owner->pid);
	json_bool(json, "always", stream->config.always);
	json_string(json, "format", stream_bytes_per_pixel(stream) == 2 ? "R16" : "R8");
	json_number(json, "bin", stream->config.bin);
	json_number(json, "slots", stream->config.slot_count);
	write_ring(json, stream);
	write_region(json, stream, view->format);
	json_number(json, "cursors_granted", stream->cursors_granted);
	json_number(json, "cursors_max", ring_cursors_max(stream->config.slot_count));
	write_readers(json, stream, view->clients);
	write_kernels(json, stream, view->format);
	json_number(json, "bytes_copied", stats_load(&stream->stats.bytes_copied));
	write_times(json, "copy_us", &stream->stats.copy_ns);
	write_times(json, "ready_to_published_us", &stream->stats.ready_to_published_ns);
	write_times(json, "sensor_to_published_us", &stream->stats.sensor_to_published_ns);
	json_close(json);
}

static void write_streams(struct json *json, const struct status_view *view)
{
	uint64_t private = 0, omitted = 0;

	json_array(json, "streams");
	for (const struct stream *s = view->streams; s; s = s->next) {
		if (!s->owner || private ++ < LIMIT_STATUS_LISTED)
			write_stream(json, s, view);
		else
			omitted++;
	}
	json_close(json);
	json_number(json, "streams_omitted", omitted);
}

/* --- clients --- */

/* A1: written by the client at any time, and worth as much as its word: relaxed. */
static uint64_t claim(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/* Frames published since the newest one that it says it took, before the first one since its WELCOME. */
static uint64_t lag_of(const struct client *client, uint64_t publication)
{
	const struct ring *ring = client->stream ? client->stream->ring : NULL;
	uint64_t published = ring ? ring_published(ring) : 0, had = publication;

	if (!had)
		had = client->state == CLIENT_READING ? client->published : published;
	return published > had ? published - had : 0;
}

static void write_account(struct json *json, const struct client *client)
{
	static const struct lumaring_account none;
	const struct lumaring_account *account = client->page ? &client->page->account : &none;

	json_number(json, "seen", claim(&account->seen));
	json_number(json, "missed", claim(&account->missed));
	json_number(json, "copied", claim(&account->copied));
	json_number(json, "lag", lag_of(client, claim(&account->publication)));
}

static const char *client_state_text(const struct client *client)
{
	if (client->refused)
		return "refused";
	switch (client->state) {
	case CLIENT_GREETING:
		return "greeting";
	case CLIENT_REPORTING:
		return "reporting";
	case CLIENT_ATTACHING:
		return "attaching";
	case CLIENT_READING:
		return "reading";
	case CLIENT_LEAVING:
		return "leaving";
	}
	return "leaving";
}

static void write_client(struct json *json, const struct client *client)
{
	json_object(json, NULL);
	json_number(json, "connection", client->number);
	json_number(json, "pid", (uint64_t)client->pid);
	json_number(json, "uid", client->uid);
	json_string(json, "stream", client->stream ? client->stream->config.name : "");
	json_string(json, "state", client_state_text(client));
	json_string(json, "manner", client->by_futex ? "futex" : "notice");
	json_number(json, "cursors", client->plan ? client->cursors : 0);
	write_account(json, client);
	json_number(json, "notices_dropped", dropped_by(client));
	json_close(json);
}

static void write_clients(struct json *json, const struct status_view *view)
{
	uint64_t listed = 0, omitted = 0;

	json_array(json, "clients");
	for (const struct client *c = view->clients; c; c = c->next) {
		if (c->state == CLIENT_REPORTING)
			continue; /* it only asks, like this one */
		if (listed++ < LIMIT_STATUS_LISTED)
			write_client(json, c);
		else
			omitted++;
	}
	json_close(json);
	json_number(json, "clients_omitted", omitted);
}

void status_write(struct json *json, const char *name, const struct status_view *view)
{
	json_object(json, name);
	json_string(json, "version", LUMARING_BUILD_VERSION);
	json_number(json, "protocol_version", LUMARING_PROTOCOL_VERSION);
	json_string(json, "camera", view->config->camera);
	json_number(json, "pid", (uint64_t)getpid());
	json_number(json, "uid", geteuid());
	json_number(json, "uptime_us", (clock_monotonic_ns() - view->started_ns) / NS_PER_US);
	json_number(json, "cpu_us", clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_US);
	write_loop(json, view);
	write_source(json, view);
	write_copy(json, view);
	write_bytes(json, view);
	write_memory(json);
	write_limits(json, view);
	write_configuration(json, view);
	write_control(json, view);
	write_streams(json, view);
	write_clients(json, view);
	json_close(json);
}
