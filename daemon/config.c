/* SPDX-License-Identifier: BSD-2-Clause */
/* config.c - see config.h: the table of settings, and the rules between them. Main thread, before anything is opened.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy/kernel.h"
#include "copy/tuner.h"

#define PRIORITY_MAX 99u /* of the real-time classes, as Linux has them */

static int set_camera(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	if (!name_valid(value))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not a name: 1 to 32 of a-z, 0-9, _ and -", what,
				value),
		       -EINVAL;
	strcpy(config->camera, value);
	return 0;
}

static int set_source(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	const char *colon = strchr(value, ':');
	size_t name_bytes = colon ? (size_t)(colon - value) : strlen(value);
	bool reads =
		(name_bytes == 6 && !strncmp(value, "replay", 6)) || (name_bytes == 3 && !strncmp(value, "raw", 3));
	bool good = reads ? colon && colon[1] && strlen(colon + 1) < sizeof(config->source_path)
			  : !strcmp(value, "libcamera") || !strcmp(value, "synthetic");

	if (!good)
		return snprintf(error, error_bytes,
				"%s: \"%.64s\" is not libcamera, synthetic, replay:FILE or raw:FILE", what, value),
		       -EINVAL;
	snprintf(config->source, sizeof(config->source), "%.*s", (int)name_bytes, value);
	snprintf(config->source_path, sizeof(config->source_path), "%s", colon ? colon + 1 : "");
	return 0;
}

static int set_size(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_size(what, value, &config->width, &config->height, error, error_bytes);
}

static int set_pixel_format(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	char names[256];

	if (pixels_find_layout(value, &config->layout))
		return 0;
	pixels_list_layouts(names, sizeof(names));
	return snprintf(error, error_bytes, "%s: \"%.64s\" is none of %s", what, value, names), -EINVAL;
}

static int set_row_bytes(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	uint64_t bytes;
	int r = parse_bytes(what, value, 1, LIMIT_ROW_BYTES, &bytes, error, error_bytes);

	if (r == 0)
		config->row_bytes = (uint32_t)bytes;
	return r;
}

static int set_frame_bytes(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_bytes(what, value, 1, LIMIT_FRAME_BYTES, &config->frame_bytes, error, error_bytes);
}

static int set_luma_range(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	bool full = !strcmp(value, "full");

	if (!full && strcmp(value, "limited"))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not full or limited", what, value), -EINVAL;
	config->luma_range = full ? LUMARING_RANGE_FULL : LUMARING_RANGE_LIMITED;
	return 0;
}

static int set_framerate(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	int r = parse_framerates(what, value, &config->frame_duration_min_ns, &config->frame_duration_max_ns, error,
				 error_bytes);

	if (r == 0)
		snprintf(config->framerate, sizeof(config->framerate), "%s", value);
	return r;
}

static int set_unpaced(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	(void)what, (void)value, (void)error, (void)error_bytes;
	config->unpaced = true;
	return 0;
}

static int set_loop(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	(void)what, (void)value, (void)error, (void)error_bytes;
	config->loop = true;
	return 0;
}

static int set_stream(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	struct stream_config stream;
	int r = config_read_stream(&stream, what, value, error, error_bytes);

	return r < 0 ? r : config_add_stream(config, what, &stream, error, error_bytes);
}

static int set_slots(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX, &config->slot_count, error, error_bytes);
}

static int set_ring_bytes(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_bytes(what, value, 1, INT64_MAX, &config->ring_bytes_max, error, error_bytes);
}

static int set_private_bytes(struct config *config, const char *what, const char *value, char *error,
			     size_t error_bytes)
{
	return parse_bytes(what, value, 0, INT64_MAX, &config->private_bytes_max, error, error_bytes);
}

static int set_runtime_dir(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	if (!value[0] || strlen(value) >= sizeof(config->runtime_dir))
		return snprintf(error, error_bytes, "%s: a directory is wanted, of 1 to %zu bytes", what,
				sizeof(config->runtime_dir) - 1),
		       -EINVAL;
	strcpy(config->runtime_dir, value);
	return 0;
}

static int set_group(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	struct group *group;

	errno = 0;
	group = value[0] && strlen(value) < sizeof(config->group) ? getgrnam(value) : NULL;
	if (!group)
		return snprintf(error, error_bytes, "%s: there is no group \"%.64s\" on this machine", what, value),
		       -EINVAL;
	strcpy(config->group, value);
	config->gid = group->gr_gid;
	return 0;
}

static int set_io(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	static const char *const names[] = { [LOOP_AUTO] = "auto", [LOOP_EPOLL] = "epoll", [LOOP_URING] = "uring" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(value, names[i])) {
			config->io = (enum loop_backend)i;
			return 0;
		}
	return snprintf(error, error_bytes, "%s: \"%.64s\" is not auto, uring or epoll", what, value), -EINVAL;
}

static int set_wait_clients(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, 0, LIMIT_CLIENTS_MAX, &config->wait_clients, error, error_bytes);
}

static int set_clients_max(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, 1, LIMIT_CLIENTS_MAX, &config->clients_max, error, error_bytes);
}

static int set_clients_per_uid(struct config *config, const char *what, const char *value, char *error,
			       size_t error_bytes)
{
	return parse_u32(what, value, 1, LIMIT_CLIENTS_MAX, &config->clients_per_uid, error, error_bytes);
}

static int set_attach_rate(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, 1, LIMIT_ATTACH_RATE_MAX, &config->attach_rate, error, error_bytes);
}

static int set_private_streams(struct config *config, const char *what, const char *value, char *error,
			       size_t error_bytes)
{
	return parse_u32(what, value, 0, LIMIT_CLIENTS_MAX, &config->private_streams_max, error, error_bytes);
}

static int set_copy_threads(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	uint64_t threads = 0;
	char sentence[256];

	if (strcmp(value, "auto") &&
	    parse_unsigned(what, value, 1, COPY_THREADS_MAX, &threads, sentence, sizeof(sentence)) < 0)
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not auto or a whole number, 1 to %u", what, value,
				COPY_THREADS_MAX),
		       -EINVAL;
	config->copy.threads = (unsigned)threads;
	return 0;
}

static int set_copy_affinity(struct config *config, const char *what, const char *value, char *error,
			     size_t error_bytes)
{
	return parse_cpus(what, value, &config->copy.affinity, error, error_bytes);
}

/* other, fifo:PRIORITY or rr:PRIORITY */
static int set_copy_scheduling(struct config *config, const char *what, const char *value, char *error,
			       size_t error_bytes)
{
	const char *colon = strchr(value, ':');
	bool fifo = !strncmp(value, "fifo:", 5), rr = !strncmp(value, "rr:", 3);
	char sentence[256];
	uint64_t priority = 0;

	if (strcmp(value, "other") && ((!fifo && !rr) || parse_unsigned(what, colon + 1, 1, PRIORITY_MAX, &priority,
									sentence, sizeof(sentence)) < 0))
		return snprintf(error, error_bytes,
				"%s: \"%.64s\" is not other, fifo:PRIORITY or rr:PRIORITY, each PRIORITY 1 to %u", what,
				value, PRIORITY_MAX),
		       -EINVAL;
	config->copy.policy = fifo ? SCHED_FIFO : rr ? SCHED_RR : SCHED_OTHER;
	config->copy.priority = (int)priority;
	return 0;
}

static int set_copy_budget(struct config *config, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, 1, 100, &config->copy_budget_percent, error, error_bytes);
}

const struct config_setting config_settings[] = {
	{ "camera", CONFIG_VALUE, "NAME", "name of this camera: 1 to 32 of a-z 0-9 _ - (default cam0)", set_camera },
	{ "source", CONFIG_VALUE, "SOURCE",
	  "libcamera (default), synthetic, replay:FILE (Y4M) or raw:FILE; a file, FIFO or -", set_source },
	{ "size", CONFIG_VALUE, "WxH", "size of the captured image (default: the source's own)", set_size },
	{ "pixel-format", CONFIG_VALUE, "NAME", "raw: what the bytes are, R8, NV12, YUYV ...; synthetic can make some",
	  set_pixel_format },
	{ "row-bytes", CONFIG_VALUE, "N", "raw: bytes from one row to the next (default: what the pixels take)",
	  set_row_bytes },
	{ "frame-bytes", CONFIG_VALUE, "N", "raw: bytes from one frame to the next (default: rows and colour)",
	  set_frame_bytes },
	{ "luma-range", CONFIG_VALUE, "full|limited", "raw: what the samples span (default full)", set_luma_range },
	{ "framerate", CONFIG_VALUE, "F", "frames per second, 29.97 or 30000/1001 (default: the source's own)",
	  set_framerate },
	{ "unpaced", CONFIG_FLAG, NULL, "replay, raw and synthetic: as fast as frames are taken", set_unpaced },
	{ "loop", CONFIG_FLAG, NULL, "replay, raw: begin again at the end; a FIFO waits for its next writer",
	  set_loop },
	{ "stream", CONFIG_VALUE, "NAME[=X,Y,W,H][,KEY=VALUE]...",
	  "a stream, of a region, format=R8|R16, bin=1|2; repeatable (default: main, all)", set_stream },
	{ "slots", CONFIG_VALUE, "N", "frames a ring holds, 4 to 65535 (default 8)", set_slots },
	{ "ring-bytes", CONFIG_VALUE, "N", "ceiling for one ring, with k, M or G (default: none)", set_ring_bytes },
	{ "private-bytes", CONFIG_VALUE, "N", "ceiling for all private rings together (default 512M)",
	  set_private_bytes },
	{ "private-streams", CONFIG_VALUE, "N", "private streams at once (default 64)", set_private_streams },
	{ "runtime-dir", CONFIG_VALUE, "DIR",
	  "where sockets live (default $LUMARING_RUNTIME_DIR, else see lumaringd(8))", set_runtime_dir },
	{ "group", CONFIG_VALUE, "NAME", "group whose members may read (default: the daemon's own)", set_group },
	{ "io", CONFIG_VALUE, "auto|uring|epoll", "event loop (default auto)", set_io },
	{ "wait-clients", CONFIG_VALUE, "N", "start the source when N clients have attached (default 0)",
	  set_wait_clients },
	{ "clients-max", CONFIG_VALUE, "N", "connections at once (default 512)", set_clients_max },
	{ "clients-per-uid", CONFIG_VALUE, "N", "of these one uid's, root exempt (default: half of clients-max)",
	  set_clients_per_uid },
	{ "attach-rate", CONFIG_VALUE, "N", "connections a second that a uid may open, root exempt (default 200)",
	  set_attach_rate },
	{ "copy-threads", CONFIG_VALUE, "N|auto", "threads that copy, 1 to 16 (default auto: as few as suffice)",
	  set_copy_threads },
	{ "copy-budget", CONFIG_VALUE, "PERCENT",
	  "of the time from frame to frame that a copy may take before auto adds threads (default 25)",
	  set_copy_budget },
	{ "copy-affinity", CONFIG_VALUE, "LIST", "CPUs to capture and copy on, such as 0,2-3 (default: any)",
	  set_copy_affinity },
	{ "copy-scheduling", CONFIG_VALUE, "CLASS",
	  "to capture and copy in: other, fifo:PRIORITY or rr:PRIORITY, 1 to 99 (default: as started)",
	  set_copy_scheduling },
};
const unsigned config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);

void config_init(struct config *config)
{
	*config = (struct config){
		.camera = "cam0",
		.source = "libcamera",
		.private_bytes_max = LIMIT_PRIVATE_BYTES,
		.private_streams_max = LIMIT_PRIVATE_STREAMS,
		.gid = (gid_t)-1,
		.control_gid = (gid_t)-1,
		.clients_max = LIMIT_CLIENTS,
		.attach_rate = LIMIT_ATTACH_RATE,
		.control_connections_max = LIMIT_CONTROL_CONNECTIONS,
		.control_message_bytes_max = LIMIT_CONTROL_MESSAGE_BYTES,
		.control_depth_max = LIMIT_CONTROL_DEPTH,
		.control_values_max = LIMIT_CONTROL_VALUES,
		.control_rate = LIMIT_CONTROL_RATE,
		.control_message_ms = LIMIT_CONTROL_MESSAGE_MS,
		.size_change_rate = LIMIT_SIZE_CHANGE_RATE,
		.copy.policy = COPY_POLICY_INHERITED,
		.copy_budget_percent = TUNER_BUDGET_PERCENT,
	};
}

/* The environment as for the clients, so that one setting serves both. */
static int finish_runtime_dir(struct config *config, char *error, size_t error_bytes)
{
	const char *from_environment = secure_getenv("LUMARING_RUNTIME_DIR");

	if (config->runtime_dir[0])
		return 0;
	if (from_environment && from_environment[0])
		return set_runtime_dir(config, "LUMARING_RUNTIME_DIR", from_environment, error, error_bytes);
	return paths_default_runtime_dir(config->runtime_dir, error, error_bytes);
}

/* Row and frame against what the pixels take, as raw.c would find out. */
static int check_raw(const struct config *config, char *error, size_t error_bytes)
{
	uint64_t needed = pixels_row_bytes(config->layout.pixels, config->width), kept;

	if (config->row_bytes && config->row_bytes < needed)
		return snprintf(error, error_bytes,
				"row-bytes %u is too small: a row of %u pixels of %s takes %llu bytes",
				config->row_bytes, config->width, config->layout.name, (unsigned long long)needed),
		       -EINVAL;
	kept = (config->row_bytes ? config->row_bytes : needed) * config->height;
	if (config->frame_bytes && config->frame_bytes < kept)
		return snprintf(error, error_bytes, "frame-bytes %llu is too small: %u rows of %llu bytes take %llu",
				(unsigned long long)config->frame_bytes, config->height,
				(unsigned long long)(kept / config->height), (unsigned long long)kept),
		       -EINVAL;
	return 0;
}

/* What belongs to one source and not to another. */
static int check_source(const struct config *config, char *error, size_t error_bytes)
{
	bool raw = !strcmp(config->source, "raw");

	if (raw && (!config->width || !config->layout.name))
		return snprintf(error, error_bytes,
				"source raw: the frames do not say what they are: give size and pixel-format"),
		       -EINVAL;
	if (!raw && (config->row_bytes || config->frame_bytes || config->luma_range))
		return snprintf(error, error_bytes,
				"row-bytes, frame-bytes and luma-range are for the source raw alone"),
		       -EINVAL;
	if (config->layout.name && !strcmp(config->source, "replay"))
		return snprintf(error, error_bytes,
				"source replay: the footage says its pixel format itself: leave pixel-format out"),
		       -EINVAL;
	return raw ? check_raw(config, error, error_bytes) : 0;
}

/* Regions, where the size of the image is certain before the source is open; else camera.c finds out. */
static int check_streams(const struct config *config, char *error, size_t error_bytes)
{
	const struct source_format image = { .width = config->width, .height = config->height };
	int r = 0;

	if (!config->width || !strcmp(config->source, "libcamera"))
		return 0;
	for (unsigned i = 0; r == 0 && i < config->stream_count; i++) {
		const struct stream stream = { .config = config->streams[i] };

		r = stream_check_region(&stream, &image, error, error_bytes);
	}
	return r;
}

int config_finish(struct config *config, char *error, size_t error_bytes)
{
	struct stream_config whole = { .name = "main" };
	int r = check_source(config, error, error_bytes);

	if (copy_cpu_error())
		return snprintf(error, error_bytes, "%s", copy_cpu_error()), -EINVAL;
	if (r < 0)
		return r;
	if (config->unpaced && config->frame_duration_max_ns)
		return snprintf(error, error_bytes, "framerate and unpaced exclude each other: give one of them"),
		       -EINVAL;
	if (config->wait_clients > config->clients_max)
		return snprintf(error, error_bytes,
				"wait-clients %u is more than clients-max %u: nothing would ever start",
				config->wait_clients, config->clients_max),
		       -EINVAL;
	if (config->clients_per_uid > config->clients_max)
		return snprintf(error, error_bytes,
				"clients-per-uid %u is more than clients-max %u: no uid would ever reach it",
				config->clients_per_uid, config->clients_max),
		       -EINVAL;
	if (!config->clients_per_uid)
		config->clients_per_uid = config->clients_max > 1 ? config->clients_max / 2 : 1;
	if (!config->stream_count)
		config->streams[config->stream_count++] = whole;
	for (unsigned i = 0; i < config->stream_count; i++)
		if (!config->streams[i].slot_count)
			config->streams[i].slot_count = config->slot_count;
	r = check_streams(config, error, error_bytes);
	return r < 0 ? r : finish_runtime_dir(config, error, error_bytes);
}
