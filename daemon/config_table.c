/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_table.c - see config.h: the table of settings, one row each, with what reads a value and what shows it. Rules
 * between settings are in config.c. Main thread.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_MAX 99u /* of the real-time classes, as Linux has them */
#define SENTENCE_BYTES 256

/* Parameters that each function of the table has. */
#define SET_PARAMETERS                                                                                                 \
	const struct config_setting *setting, struct config *config, const char *what, const char *value, char *error, \
		size_t error_bytes
#define PRINT_PARAMETERS                                                                                               \
	const struct config_setting *setting, const struct config *config, struct json *json, const char *name

static void *field(const struct config_setting *setting, struct config *config)
{
	return (char *)config + setting->offset;
}

static const void *field_of(const struct config_setting *setting, const struct config *config)
{
	return (const char *)config + setting->offset;
}

/* --- numbers, flags and words --------------------------------------------------------------------------------- */

static int set_u32(SET_PARAMETERS)
{
	return parse_u32(what, value, (uint32_t)setting->minimum, (uint32_t)setting->maximum, field(setting, config),
			 error, error_bytes);
}

/* What is below the minimum stands for a default that is not a number. */
static void print_u32(PRINT_PARAMETERS)
{
	uint32_t value = *(const uint32_t *)field_of(setting, config);

	if (value < setting->minimum)
		json_null(json, name);
	else
		json_number(json, name, value);
}

static int set_bytes(SET_PARAMETERS)
{
	uint64_t bytes;
	int r = parse_bytes(what, value, (uint64_t)setting->minimum, (uint64_t)setting->maximum, &bytes, error,
			    error_bytes);

	if (r == 0 && setting->bytes == sizeof(uint32_t))
		*(uint32_t *)field(setting, config) = (uint32_t)bytes;
	else if (r == 0)
		*(uint64_t *)field(setting, config) = bytes;
	return r;
}

static void print_bytes(PRINT_PARAMETERS)
{
	uint64_t bytes = setting->bytes == sizeof(uint32_t) ? *(const uint32_t *)field_of(setting, config)
							    : *(const uint64_t *)field_of(setting, config);

	if (bytes < (uint64_t)setting->minimum)
		json_null(json, name);
	else if (bytes > (UINT64_C(1) << 53)) /* no number that JSON may have */
		json_id(json, name, bytes);
	else
		json_number(json, name, bytes);
}

static int read_bool(const char *what, const char *value, bool *ret_value, char *error, size_t error_bytes)
{
	bool yes = !strcmp(value, "true");

	if (!yes && strcmp(value, "false"))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not true or false", what, value), -EINVAL;
	*ret_value = yes;
	return 0;
}

static int set_flag(SET_PARAMETERS)
{
	return read_bool(what, value, field(setting, config), error, error_bytes);
}

static void print_flag(PRINT_PARAMETERS)
{
	json_bool(json, name, *(const bool *)field_of(setting, config));
}

static void print_string(PRINT_PARAMETERS)
{
	const char *text = field_of(setting, config);

	if (text[0])
		json_string(json, name, text);
	else
		json_null(json, name);
}

/* --- what the camera is ---------------------------------------------------------------------------------------- */

static int set_camera(SET_PARAMETERS)
{
	(void)setting;
	if (!name_valid(value))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not a name: 1 to 32 of a-z, 0-9, _ and -", what,
				value),
		       -EINVAL;
	strcpy(config->camera, value);
	return 0;
}

static int set_source(SET_PARAMETERS)
{
	static const struct {
		const char *name;
		bool alone, with_path;
	} sources[] = { { "libcamera", true, true },
			{ "synthetic", true, false },
			{ "replay", false, true },
			{ "raw", false, true } };
	const char *colon = strchr(value, ':');
	size_t name_bytes = colon ? (size_t)(colon - value) : strlen(value);

	(void)setting;
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (strlen(sources[i].name) != name_bytes || strncmp(sources[i].name, value, name_bytes))
			continue;
		if (colon ? !sources[i].with_path || !colon[1] || strlen(colon + 1) >= sizeof(config->source_path)
			  : !sources[i].alone)
			break;
		strcpy(config->source, sources[i].name);
		strcpy(config->source_path, colon ? colon + 1 : "");
		return 0;
	}
	return snprintf(error, error_bytes,
			"%s: \"%.64s\" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE", what,
			value),
	       -EINVAL;
}

static void print_source(PRINT_PARAMETERS)
{
	char text[sizeof(config->source) + sizeof(config->source_path)];

	(void)setting;
	snprintf(text, sizeof(text), "%s%s%s", config->source, config->source_path[0] ? ":" : "", config->source_path);
	json_string(json, name, text);
}

static int set_size(SET_PARAMETERS)
{
	(void)setting;
	return parse_size(what, value, &config->width, &config->height, error, error_bytes);
}

static void print_size(PRINT_PARAMETERS)
{
	char text[24];

	(void)setting;
	snprintf(text, sizeof(text), "%ux%u", config->width, config->height);
	if (config->width)
		json_string(json, name, text);
	else
		json_null(json, name);
}

static int set_pixel_format(SET_PARAMETERS)
{
	char names[SENTENCE_BYTES];

	(void)setting;
	if (pixels_find_layout(value, &config->layout))
		return 0;
	pixels_list_layouts(names, sizeof(names));
	return snprintf(error, error_bytes, "%s: \"%.64s\" is none of %s", what, value, names), -EINVAL;
}

static void print_pixel_format(PRINT_PARAMETERS)
{
	(void)setting;
	if (config->layout.name)
		json_string(json, name, config->layout.name);
	else
		json_null(json, name);
}

static int set_luma_range(SET_PARAMETERS)
{
	bool full = !strcmp(value, "full");

	(void)setting;
	if (!full && strcmp(value, "limited"))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not full or limited", what, value), -EINVAL;
	config->luma_range = full ? LUMARING_RANGE_FULL : LUMARING_RANGE_LIMITED;
	return 0;
}

static void print_luma_range(PRINT_PARAMETERS)
{
	(void)setting;
	if (config->luma_range)
		json_string(json, name, config->luma_range == LUMARING_RANGE_FULL ? "full" : "limited");
	else
		json_null(json, name);
}

static const char *const memories[] = { [SOURCE_MEMORY_AUTO] = "auto",
					[SOURCE_MEMORY_CACHED] = "cached",
					[SOURCE_MEMORY_UNCACHED] = "uncached" };

static int set_buffers(SET_PARAMETERS)
{
	(void)setting;
	for (unsigned i = 0; i < sizeof(memories) / sizeof(memories[0]); i++)
		if (!strcmp(value, memories[i])) {
			config->memory = (enum source_memory)i;
			return 0;
		}
	return snprintf(error, error_bytes, "%s: \"%.64s\" is not auto, cached or uncached", what, value), -EINVAL;
}

static void print_buffers(PRINT_PARAMETERS)
{
	(void)setting;
	json_string(json, name, memories[config->memory]);
}

/* WIDTHxHEIGHT, or WIDTHxHEIGHT:BITS */
static int set_sensor_mode(SET_PARAMETERS)
{
	const char *colon = strchr(value, ':');
	size_t size_bytes = colon ? (size_t)(colon - value) : strlen(value);
	char size[24] = "", sentence[SENTENCE_BYTES];
	uint64_t bits = 0;
	uint32_t width, height;

	(void)setting;
	memcpy(size, value, size_bytes < sizeof(size) ? size_bytes : 0);
	if (parse_size(what, size, &width, &height, sentence, sizeof(sentence)) < 0 ||
	    (colon && parse_unsigned(what, colon + 1, 1, LIMIT_SENSOR_BITS, &bits, sentence, sizeof(sentence)) < 0))
		return snprintf(error, error_bytes,
				"%s: \"%.64s\" is not WIDTHxHEIGHT or WIDTHxHEIGHT:BITS, BITS 1 to %u", what, value,
				LIMIT_SENSOR_BITS),
		       -EINVAL;
	config->sensor_width = width;
	config->sensor_height = height;
	config->sensor_depth = (uint32_t)bits;
	return 0;
}

static void print_sensor_mode(PRINT_PARAMETERS)
{
	char text[32];
	size_t n = (size_t)snprintf(text, sizeof(text), "%ux%u", config->sensor_width, config->sensor_height);

	(void)setting;
	if (config->sensor_depth)
		snprintf(text + n, sizeof(text) - n, ":%u", config->sensor_depth);
	if (config->sensor_width)
		json_string(json, name, text);
	else
		json_null(json, name);
}

static int set_framerate(SET_PARAMETERS)
{
	int r = parse_framerates(what, value, &config->frame_duration_min_ns, &config->frame_duration_max_ns, error,
				 error_bytes);

	(void)setting;
	if (r == 0)
		strcpy(config->framerate, value); /* what was parsed has room */
	return r;
}

static int set_control(SET_PARAMETERS)
{
	int r = parse_integer(what, value, setting->minimum, setting->maximum,
			      &config->controls.values[setting->control], error, error_bytes);

	if (r == 0)
		config->controls.given |= SOURCE_BIT(setting->control);
	return r;
}

static int set_auto_exposure(SET_PARAMETERS)
{
	bool yes;
	int r = read_bool(what, value, &yes, error, error_bytes);

	if (r < 0)
		return r;
	config->controls.values[setting->control] = yes;
	config->controls.given |= SOURCE_BIT(setting->control);
	return 0;
}

static void print_control(PRINT_PARAMETERS)
{
	int64_t value = config->controls.values[setting->control];

	if (!(config->controls.given & SOURCE_BIT(setting->control)))
		json_null(json, name);
	else if (setting->argument == CONFIG_BOOL)
		json_bool(json, name, value);
	else
		json_integer(json, name, value);
}

/* On the command line; config_file.c reads the lists of files. */
static int set_stream(SET_PARAMETERS)
{
	struct stream_config stream;
	int r = config_read_stream(&stream, what, value, error, error_bytes);

	(void)setting;
	return r < 0 ? r : config_add_stream(config, what, &stream, error, error_bytes);
}

/* --- who may, and how it works --------------------------------------------------------------------------------- */

static int set_runtime_dir(SET_PARAMETERS)
{
	(void)setting;
	if (!value[0] || strlen(value) >= sizeof(config->runtime_dir))
		return snprintf(error, error_bytes, "%s: a directory is wanted, of 1 to %zu bytes", what,
				sizeof(config->runtime_dir) - 1),
		       -EINVAL;
	strcpy(config->runtime_dir, value);
	return 0;
}

static int find_group(const char *what, const char *value, char *ret_name, size_t name_bytes, gid_t *ret_gid,
		      char *error, size_t error_bytes)
{
	struct group *group = value[0] && strlen(value) < name_bytes ? getgrnam(value) : NULL;

	if (!group)
		return snprintf(error, error_bytes, "%s: there is no group \"%.64s\" on this machine", what, value),
		       -EINVAL;
	strcpy(ret_name, value);
	*ret_gid = group->gr_gid;
	return 0;
}

static int set_group(SET_PARAMETERS)
{
	(void)setting;
	return find_group(what, value, config->group, sizeof(config->group), &config->gid, error, error_bytes);
}

static int set_control_group(SET_PARAMETERS)
{
	(void)setting;
	return find_group(what, value, config->control_group, sizeof(config->control_group), &config->control_gid,
			  error, error_bytes);
}

static const char *const backends[] = { [LOOP_AUTO] = "auto", [LOOP_EPOLL] = "epoll", [LOOP_URING] = "uring" };

static int set_io(SET_PARAMETERS)
{
	(void)setting;
	for (unsigned i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (!strcmp(value, backends[i])) {
			config->io = (enum loop_backend)i;
			return 0;
		}
	return snprintf(error, error_bytes, "%s: \"%.64s\" is not auto, uring or epoll", what, value), -EINVAL;
}

static void print_io(PRINT_PARAMETERS)
{
	(void)setting;
	json_string(json, name, backends[config->io]);
}

static int set_copy_threads(SET_PARAMETERS)
{
	uint64_t threads = 0;
	char sentence[SENTENCE_BYTES];

	(void)setting;
	if (strcmp(value, "auto") &&
	    parse_unsigned(what, value, 1, COPY_THREADS_MAX, &threads, sentence, sizeof(sentence)) < 0)
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not auto or a whole number, 1 to %u", what, value,
				COPY_THREADS_MAX),
		       -EINVAL;
	config->copy.threads = (unsigned)threads;
	return 0;
}

static void print_copy_threads(PRINT_PARAMETERS)
{
	(void)setting;
	if (config->copy.threads)
		json_number(json, name, config->copy.threads);
	else
		json_string(json, name, "auto");
}

static int set_copy_affinity(SET_PARAMETERS)
{
	(void)setting;
	return parse_cpus(what, value, &config->copy.affinity, error, error_bytes);
}

static void print_copy_affinity(PRINT_PARAMETERS)
{
	char text[CPU_SETSIZE * 5] = "";
	size_t n = 0;

	(void)setting;
	for (unsigned first = 0, end; first < CPU_SETSIZE; first = end + 1) {
		for (end = first; end < CPU_SETSIZE && CPU_ISSET(end, &config->copy.affinity);)
			end++;
		if (end - first == 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", n ? "," : "", first);
		else if (end > first)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u-%u", n ? "," : "", first, end - 1);
	}
	if (n)
		json_string(json, name, text);
	else
		json_null(json, name);
}

/* other, fifo:PRIORITY or rr:PRIORITY */
static int set_copy_scheduling(SET_PARAMETERS)
{
	const char *colon = strchr(value, ':');
	bool fifo = !strncmp(value, "fifo:", 5), rr = !strncmp(value, "rr:", 3);
	char sentence[SENTENCE_BYTES];
	uint64_t priority = 0;

	(void)setting;
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

static void print_copy_scheduling(PRINT_PARAMETERS)
{
	char text[16];

	(void)setting;
	snprintf(text, sizeof(text), "%s:%d", config->copy.policy == SCHED_FIFO ? "fifo" : "rr", config->copy.priority);
	if (config->copy.policy == COPY_POLICY_INHERITED)
		json_null(json, name);
	else
		json_string(json, name, config->copy.policy == SCHED_OTHER ? "other" : text);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

#define FIELDS(first, last)                                                                                            \
	.offset = offsetof(struct config, first),                                                                      \
	.bytes =                                                                                                       \
		offsetof(struct config, last) + sizeof(((struct config *)NULL)->last) - offsetof(struct config, first)
#define FIELD(name) FIELDS(name, name)
#define RANGE(min, max) .minimum = (min), .maximum = (max)
#define U32 .argument = CONFIG_VALUE, .placeholder = "N", .set = set_u32, .print = print_u32
#define BYTES .argument = CONFIG_VALUE, .placeholder = "N", .set = set_bytes, .print = print_bytes
#define FLAG .argument = CONFIG_FLAG, .set = set_flag, .print = print_flag
#define CONTROL(which)                                                                                                 \
	.argument = CONFIG_VALUE, .placeholder = "N", .set = set_control, .print = print_control, .live = true,        \
	.control = (which)
#define VALUE(word, name) .argument = CONFIG_VALUE, .placeholder = (word), .set = set_##name, .print = print_##name
#define STRING(word, name) .argument = CONFIG_VALUE, .placeholder = (word), .set = set_##name, .print = print_string

/* clang-format off */
const struct config_setting config_settings[] = {
	{ "camera", STRING("NAME", camera), FIELD(camera),
	  .help = "name of this camera: 1 to 32 of a-z 0-9 _ - (default cam0)" },
	{ "source", VALUE("SOURCE", source), FIELDS(source, source_path),
	  .help = "libcamera[:CAMERA] (default), synthetic, replay:FILE (Y4M) or raw:FILE; a file, FIFO or -" },
	{ "size", VALUE("WxH", size), FIELDS(width, height), .live = true,
	  .help = "size of the captured image (default: the source's own)" },
	{ "pixel-format", VALUE("NAME", pixel_format), FIELD(layout), .live = true,
	  .help = "raw: what the bytes are, R8, NV12, YUYV ...; synthetic can make some" },
	{ "row-bytes", BYTES, FIELD(row_bytes), RANGE(1, LIMIT_ROW_BYTES),
	  .help = "raw: bytes from one row to the next (default: what the pixels take)" },
	{ "frame-bytes", BYTES, FIELD(frame_bytes), RANGE(1, LIMIT_FRAME_BYTES),
	  .help = "raw: bytes from one frame to the next (default: rows and colour)" },
	{ "luma-range", VALUE("full|limited", luma_range), FIELD(luma_range),
	  .help = "raw: what the samples span (default full)" },
	{ "buffers", VALUE("auto|cached|uncached", buffers), FIELD(memory),
	  .help = "libcamera: memory that frames are captured into (default auto: whichever is read faster)" },
	{ "buffer-count", U32, FIELD(buffer_count), RANGE(0, SOURCE_BUFFERS_MAX),
	  .help = "libcamera: frames in flight, up to 64 (default 0: 6)" },
	{ "sensor-mode", VALUE("WxH[:BITS]", sensor_mode), FIELDS(sensor_width, sensor_depth),
	  .help = "libcamera: what the sensor itself delivers (default: libcamera's choice)" },
	{ "framerate", STRING("F[-F]", framerate), FIELDS(framerate, frame_duration_max_ns), .live = true,
	  .help = "frames per second, 29.97, 30000/1001, or slowest-fastest (default: the source's own)" },
	{ "unpaced", FLAG, FIELD(unpaced), .help = "replay, raw and synthetic: as fast as frames are taken" },
	{ "loop", FLAG, FIELD(loop),
	  .help = "replay, raw: begin again at the end; a FIFO waits for its next writer" },
	{ "exposure-us", CONTROL(SOURCE_EXPOSURE_US), RANGE(1, LIMIT_EXPOSURE_US),
	  .help = "microseconds; ends auto exposure (default, as of the next ten: the source's own)" },
	{ "analogue-gain-milli", CONTROL(SOURCE_ANALOGUE_GAIN_MILLI), RANGE(1, LIMIT_GAIN_MILLI),
	  .help = "thousandths; ends auto exposure" },
	{ "auto-exposure", .argument = CONFIG_BOOL, .placeholder = "true|false", .set = set_auto_exposure,
	  .print = print_control, .live = true, .control = SOURCE_AUTO_EXPOSURE,
	  .help = "whether the camera finds exposure and gain itself" },
	{ "exposure-value-milli", CONTROL(SOURCE_EXPOSURE_VALUE_MILLI),
	  RANGE(-LIMIT_EXPOSURE_VALUE_MILLI, LIMIT_EXPOSURE_VALUE_MILLI),
	  .help = "thousandths of stops that auto exposure aims above its own idea, -8000 to 8000" },
	{ "brightness-milli", CONTROL(SOURCE_BRIGHTNESS_MILLI), RANGE(-LIMIT_BRIGHTNESS_MILLI, LIMIT_BRIGHTNESS_MILLI),
	  .help = "-1000 to 1000, 0 is none" },
	{ "contrast-milli", CONTROL(SOURCE_CONTRAST_MILLI), RANGE(0, LIMIT_FACTOR_MILLI),
	  .help = "thousandths, 1000 is none" },
	{ "sharpness-milli", CONTROL(SOURCE_SHARPNESS_MILLI), RANGE(0, LIMIT_FACTOR_MILLI),
	  .help = "thousandths, 1000 is none" },
	{ "scaler-crop-x", CONTROL(SOURCE_SCALER_CROP_X), RANGE(0, LIMIT_CROP),
	  .help = "the part of the sensor that becomes the image, in its own pixels:" },
	{ "scaler-crop-y", CONTROL(SOURCE_SCALER_CROP_Y), RANGE(0, LIMIT_CROP),
	  .help = "what is not said of the four stays" },
	{ "scaler-crop-width", CONTROL(SOURCE_SCALER_CROP_WIDTH), RANGE(1, LIMIT_CROP), .help = "likewise" },
	{ "scaler-crop-height", CONTROL(SOURCE_SCALER_CROP_HEIGHT), RANGE(1, LIMIT_CROP), .help = "likewise" },
	{ "stream", .argument = CONFIG_STREAMS, .placeholder = "NAME[=X,Y,W,H][,KEY=VALUE]...", .set = set_stream,
	  .print = config_print_streams, .live = true, FIELDS(streams, stream_count),
	  .help = "a stream, of a region, format=R8|R16, bin=1|2; repeatable (default: main, all)" },
	{ "slots", U32, FIELD(slot_count), RANGE(LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX), .live = true,
	  .help = "frames a ring holds, 4 to 65535 (default 8)" },
	{ "ring-bytes", BYTES, FIELD(ring_bytes_max), RANGE(1, INT64_MAX),
	  .help = "ceiling for one ring, with k, M or G (default: none)" },
	{ "private-bytes", BYTES, FIELD(private_bytes_max), RANGE(0, INT64_MAX), .live = true,
	  .help = "ceiling for all private rings together (default 512M)" },
	{ "private-streams", U32, FIELD(private_streams_max), RANGE(0, LIMIT_CLIENTS_MAX), .live = true,
	  .help = "private streams at once (default 64)" },
	{ "runtime-dir", STRING("DIR", runtime_dir), FIELD(runtime_dir),
	  .help = "where sockets live (default $LUMARING_RUNTIME_DIR, else see lumaringd(8))" },
	{ "group", STRING("NAME", group), FIELDS(group, gid),
	  .help = "group whose members may read (default: the daemon's own)" },
	{ "control-group", STRING("NAME", control_group), FIELDS(control_group, control_gid),
	  .help = "group whose members may also change what the camera does (default: none)" },
	{ "io", VALUE("auto|uring|epoll", io), FIELD(io), .help = "event loop (default auto)" },
	{ "wait-clients", U32, FIELD(wait_clients), RANGE(0, LIMIT_CLIENTS_MAX),
	  .help = "start the source when N clients have attached (default 0)" },
	{ "clients-max", U32, FIELD(clients_max), RANGE(1, LIMIT_CLIENTS_MAX),
	  .help = "connections at once (default 512)" },
	{ "clients-per-uid", U32, FIELD(clients_per_uid), RANGE(1, LIMIT_CLIENTS_MAX),
	  .help = "of these one uid's, root exempt (default: half of clients-max)" },
	{ "attach-rate", U32, FIELD(attach_rate), RANGE(1, LIMIT_ATTACH_RATE_MAX),
	  .help = "connections a second that a uid may open, root exempt (default 200)" },
	{ "control-connections", U32, FIELD(control_connections_max), RANGE(1, LIMIT_CONTROL_CONNECTIONS_MAX),
	  .help = "connections of the control socket at once, half of them one uid's (default 64)" },
	{ "control-message-bytes", BYTES, FIELD(control_message_bytes_max),
	  RANGE(LIMIT_CONTROL_MESSAGE_BYTES_MIN, LIMIT_CONTROL_MESSAGE_BYTES_MAX),
	  .help = "that a request may have, 4k to 1M (default 64k)" },
	{ "control-depth", U32, FIELD(control_depth_max), RANGE(LIMIT_CONTROL_DEPTH_MIN, LIMIT_CONTROL_DEPTH_MAX),
	  .help = "that a request may nest, 8 to 64 (default 16)" },
	{ "control-values", U32, FIELD(control_values_max),
	  RANGE(LIMIT_CONTROL_VALUES_MIN, LIMIT_CONTROL_VALUES_MAX),
	  .help = "that a request may hold, 32 to 4096 (default 256)" },
	{ "control-rate", U32, FIELD(control_rate), RANGE(1, LIMIT_CONTROL_RATE_MAX),
	  .help = "requests a second of a uid, root exempt (default 100)" },
	{ "control-message-ms", U32, FIELD(control_message_ms),
	  RANGE(LIMIT_CONTROL_MESSAGE_MS_MIN, LIMIT_CONTROL_MESSAGE_MS_MAX),
	  .help = "that a request may take from its first byte to its last (default 5000)" },
	{ "size-change-rate", U32, FIELD(size_change_rate), RANGE(1, LIMIT_SIZE_CHANGE_RATE_MAX), .live = true,
	  .help = "changes of size a second, 1 to 1000 (default 5)" },
	{ "copy-threads", VALUE("N|auto", copy_threads), FIELD(copy.threads),
	  .help = "threads that copy, 1 to 16 (default auto: as few as suffice)" },
	{ "copy-budget", .argument = CONFIG_VALUE, .placeholder = "PERCENT", .set = set_u32,
	  .print = print_u32, FIELD(copy_budget_percent), RANGE(1, 100),
	  .help = "of the time from frame to frame that a copy may take before auto adds threads (default 25)" },
	{ "copy-affinity", VALUE("LIST", copy_affinity), FIELD(copy.affinity),
	  .help = "CPUs to capture and copy on, such as 0,2-3 (default: any)" },
	{ "copy-scheduling", VALUE("CLASS", copy_scheduling), FIELDS(copy.policy, copy.priority),
	  .help = "to capture and copy in: other, fifo:PRIORITY or rr:PRIORITY, 1 to 99 (default: as started)" },
};
/* clang-format on */
const unsigned config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);
static_assert(sizeof(config_settings) / sizeof(config_settings[0]) <= CONFIG_SETTINGS_MAX, "places have room for all");

void config_key(const struct config_setting *setting, char *ret_key, size_t key_bytes)
{
	snprintf(ret_key, key_bytes, "%s%s", setting->name, setting->argument == CONFIG_STREAMS ? "s" : "");
	for (char *at = ret_key; *at; at++)
		if (*at == '-')
			*at = '_';
}

const struct config_setting *config_find(const char *key)
{
	for (unsigned i = 0; i < config_setting_count; i++) {
		char own[CONFIG_KEY_BYTES];

		config_key(&config_settings[i], own, sizeof(own));
		if (!strcmp(key, own))
			return &config_settings[i];
	}
	return NULL;
}

void config_copy_setting(const struct config_setting *setting, struct config *config, const struct config *from)
{
	const uint32_t bit = SOURCE_BIT(setting->control);

	config->places[setting - config_settings] = from->places[setting - config_settings];
	if (setting->argument == CONFIG_STREAMS)
		memcpy(config->stream_places, from->stream_places, sizeof(config->stream_places));
	if (setting->bytes) {
		memcpy(field(setting, config), field_of(setting, from), setting->bytes);
		return;
	}
	config->controls.given = (config->controls.given & ~bit) | (from->controls.given & bit);
	config->controls.values[setting->control] = from->controls.values[setting->control];
}
