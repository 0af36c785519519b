/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - what the daemon was told: defaults, then the configuration files, then the command line. One table of
 * settings serves them all, so that a value means the same, is refused with the same sentence and is shown in the same
 * way wherever it stands. Main thread.
 *
 * config_load() of config_load.h does all of this, at start and whenever the files are to be read anew.
 */
#ifndef LUMARING_CONFIG_H
#define LUMARING_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/paths.h"
#include "base/pixels.h"
#include "copy/pool.h"
#include "loop/loop.h"
#include "source/source.h"
#include "stream.h"

#define CONFIG_SETTINGS_MAX 64u
#define CONFIG_KEY_BYTES 40u /* room for the longest key */
/* The vendor's file, the camera's, and its drop-ins. */
#define CONFIG_FILES_MAX (LIMIT_CONFIG_FILES + 2)

/* Where a setting was said last. */
struct config_place {
	enum { CONFIG_BY_DEFAULT, CONFIG_BY_FILE, CONFIG_BY_OPTION } by;
	bool faulty;   /* and was refused: the value is that of before */
	unsigned file; /* CONFIG_BY_FILE: of the files */
	uint32_t line, column;
};

/* config_init() makes one, config_clear() ends it. */
struct config {
	char camera[LUMARING_NAME_MAX + 1];
	char source[16];                     /* name, see source.h */
	char source_path[PATHS_BYTES];       /* replay, raw: the file; libcamera: id, index, model or location */
	uint32_t width, height;              /* 0: the source's own */
	struct pixels_layout layout;         /* name NULL: the source's own */
	uint32_t row_bytes;                  /* raw; 0: as many as its pixels take */
	uint64_t frame_bytes;                /* raw; 0: rows and colour */
	enum lumaring_luma_range luma_range; /* raw; unknown: its default */
	enum source_memory memory;           /* libcamera */
	uint32_t buffer_count;               /* libcamera; 0: the default */
	uint32_t sensor_width, sensor_height, sensor_depth; /* libcamera: mode of the sensor, 0: its choice */
	char framerate[FRAMERATE_BYTES];     /* as it was written; "": not at all */
	uint64_t frame_duration_min_ns, frame_duration_max_ns; /* equal for one rate; 0: the source's own */
	bool unpaced, loop;
	struct source_controls controls;
	struct stream_config streams[LIMIT_STREAMS];
	unsigned stream_count;
	uint32_t slot_count;        /* 0: the stream's default */
	uint64_t ring_bytes_max;    /* 0: no ceiling */
	uint64_t private_bytes_max; /* all private rings together */
	uint32_t private_streams_max;
	char runtime_dir[PATHS_BYTES]; /* "": the default */
	char group[64];                /* whose members may read; "": the daemon's own */
	gid_t gid;                     /* of `group`, (gid_t)-1: leave */
	char control_group[64];        /* whose members may change; "": none */
	gid_t control_gid;             /* of `control_group`, (gid_t)-1: none */
	enum loop_backend io;
	unsigned wait_clients, clients_max;
	unsigned clients_per_uid; /* 0: half of clients_max */
	unsigned attach_rate;     /* connections a second and uid */
	uint32_t control_connections_max;
	uint32_t control_message_bytes_max, control_depth_max, control_values_max;
	uint32_t control_rate;        /* requests a second and uid; twice as many after a pause */
	uint32_t control_message_ms;  /* from a request's first byte to its last */
	uint32_t size_change_rate;    /* a second */
	struct copy_pool_config copy; /* threads 0: as many as suffice, found while running */
	unsigned copy_budget_percent; /* of the frame period */

	/* Where all this comes from: not settings themselves. */
	char config_dir[PATHS_BYTES];  /* of the camera's file and drop-ins; "": with --config FILE there are none */
	char *files[CONFIG_FILES_MAX]; /* that were read, in this order; allocated */
	unsigned file_count;
	struct config_place places[CONFIG_SETTINGS_MAX]; /* by the index of the setting */
	struct config_place stream_places[LIMIT_STREAMS];
};

/* Sentences for people about all that is wrong. Zero-initialise. */
struct config_faults {
	char *lines[LIMIT_CONFIG_FAULTS]; /* "FILE:LINE:COLUMN: KEY: what is wrong", "--OPTION: what is wrong", ... */
	unsigned count;                   /* of the lines */
	unsigned more;                    /* that there was no room for */
};

/* Add a sentence. What is beyond the room for them is counted. */
void config_fault(struct config_faults *faults, const char *format, ...) __attribute__((format(printf, 2, 3)));
void config_faults_clear(struct config_faults *faults);

static inline bool config_is_good(const struct config_faults *faults)
{
	return faults->count + faults->more == 0;
}

enum config_argument {
	CONFIG_FLAG,    /* --unpaced, "unpaced": true or false */
	CONFIG_BOOL,    /* --auto-exposure true, "auto_exposure": true or false */
	CONFIG_VALUE,   /* --slots 8, "slots": 8 */
	CONFIG_STREAMS, /* --stream NAME..., "streams": [{"name": ...}] */
};

/* One setting: --name on the command line, "name" (with _ for -) in the files; --stream is "streams" there. */
struct config_setting {
	const char *name;
	enum config_argument argument;
	bool live;               /* can change while the daemon runs; else it needs a restart */
	const char *placeholder; /* for --help */
	const char *help;
	/* `what` is the option, or file, place and key, for the sentence in `error`. Flags are "true" or "false". */
	int (*set)(const struct config_setting *setting, struct config *config, const char *what, const char *value,
		   char *error, size_t error_bytes);
	/* Write the value in force as the files would have it, null: the default, which has no value. */
	void (*print)(const struct config_setting *setting, const struct config *config, struct json *json,
		      const char *name);
	size_t offset, bytes;     /* its fields in struct config */
	int64_t minimum, maximum; /* of numbers */
	unsigned control;         /* of the fields `controls`: which */
};

extern const struct config_setting config_settings[];
extern const unsigned config_setting_count;

/* The setting's name in files, "copy_threads". */
void config_key(const struct config_setting *setting, char *ret_key, size_t key_bytes);
/* The setting of a name in files, NULL: there is none. */
const struct config_setting *config_find(const char *key);

/* Copy what a setting says, with its place, from one configuration to another; files are not copied. */
void config_copy_setting(const struct config_setting *setting, struct config *config, const struct config *from);

void config_init(struct config *config);
void config_clear(struct config *config);

/*
 * Read a file over what `config` says already. `camera`, if it is not NULL, is the one whose file this is: another in
 * the file is a fault. False: there is no such file. All faults go to `faults`, values at fault are left as they were.
 */
bool config_read_file(struct config *config, const char *path, const char *camera, struct config_faults *faults);

/*
 * Say one thing of a stream, "format" for example; the keys are those of "streams" in the file but for "name". -EINVAL
 * with a sentence, also for a key that there is not.
 */
int config_set_stream(struct stream_config *stream, const char *what, const char *key, const char *value, char *error,
		      size_t error_bytes);

/* All that --stream says of one: NAME[=X,Y,W,H][,KEY=VALUE]... -EINVAL with a sentence, but for the name. */
int config_read_stream(struct stream_config *ret_stream, const char *what, const char *value, char *error,
		       size_t error_bytes);

/* A stream of the configuration: -EINVAL (name, duplicate) or -E2BIG with a sentence. */
int config_add_stream(struct config *config, const char *what, const struct stream_config *stream, char *error,
		      size_t error_bytes);

/* All streams as "streams" has them. */
void config_print_streams(const struct config_setting *setting, const struct config *config, struct json *json,
			  const char *name);

/* Fill in what was left open and check what depends on more than one setting. */
void config_finish(struct config *config, struct config_faults *faults);

/*
 * Every key with its value, one a line, as a file that says the same again; the caller's to free(3). NULL: no memory.
 */
char *config_text(const struct config *config);

/* Settings that differ. */
struct config_changes {
	const struct config_setting *live[CONFIG_SETTINGS_MAX], *restart[CONFIG_SETTINGS_MAX];
	unsigned live_count, restart_count;
};

/* 0 or -ENOMEM. */
int config_compare(const struct config *config, const struct config *next, struct config_changes *ret_changes);

/*
 * After a change while running: take over the live settings that differ, and the list of files. Those that need a
 * restart stay as they are, and are named again by the next comparison. `next` is good for config_clear() alone then.
 */
void config_adopt(struct config *config, struct config *next, const struct config_changes *changes);

#endif
