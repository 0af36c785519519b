/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - what the daemon was told: defaults, then the configuration file, then the command line. One table of
 * settings serves both, so that a value means the same and is refused with the same sentence wherever it stands.
 */
#ifndef LUMARING_CONFIG_H
#define LUMARING_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"
#include "base/names.h"
#include "base/paths.h"
#include "base/pixels.h"
#include "copy/pool.h"
#include "loop/loop.h"
#include "source/source.h"
#include "stream.h"

struct config {
	char camera[LUMARING_NAME_MAX + 1];
	char source[16];                                       /* name, see source.h */
	char source_path[PATHS_BYTES];                         /* replay, raw: after the colon */
	uint32_t width, height;                                /* 0: the source's own */
	struct pixels_layout layout;                           /* name NULL: the source's own */
	uint32_t row_bytes;                                    /* raw; 0: as many as its pixels take */
	uint64_t frame_bytes;                                  /* raw; 0: rows and colour */
	enum lumaring_luma_range luma_range;                   /* raw; unknown: its default */
	char framerate[FRAMERATE_BYTES];                       /* as it was written; "": not at all */
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
};

enum config_argument {
	CONFIG_FLAG,  /* --unpaced, "unpaced": true */
	CONFIG_VALUE, /* --slots 8, "slots": 8 */
};

/* One setting: --name on the command line, "name" (with _ for -) in the file. */
struct config_setting {
	const char *name;
	enum config_argument argument;
	const char *placeholder; /* for --help */
	const char *help;
	/* `what` is the option or the file and key, for the sentence in `error`. */
	int (*set)(struct config *config, const char *what, const char *value, char *error, size_t error_bytes);
};

extern const struct config_setting config_settings[];
extern const unsigned config_setting_count;

void config_init(struct config *config);

/* Read a file into `config`: 0, or a negative errno with one sentence that names file and place. */
int config_read_file(struct config *config, const char *path, char *error, size_t error_bytes);

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

/* Fill in what was left open and check what depends on more than one setting. */
int config_finish(struct config *config, char *error, size_t error_bytes);

#endif
