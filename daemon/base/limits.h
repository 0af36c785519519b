/* SPDX-License-Identifier: BSD-2-Clause */
/* limits.h - every bound of the daemon in one place; README lists them. Each is tested at its value and one beyond. */
#ifndef LUMARING_LIMITS_H
#define LUMARING_LIMITS_H

#include <stdint.h>

#define LIMIT_CLIENTS 512u                        /* connections on the frame socket, unless --clients-max says else */
#define LIMIT_CLIENTS_MAX 16384u                  /* most that --clients-max takes */
#define LIMIT_ATTACH_RATE 200u                    /* connections a second that one uid may open, unless --attach-rate */
#define LIMIT_ATTACH_RATE_MAX 1000000u            /* most that --attach-rate takes */
#define LIMIT_STREAMS 16u                         /* shared streams of one camera */
#define LIMIT_PRIVATE_STREAMS 64u                 /* private ones, unless --private-streams says else */
#define LIMIT_PRIVATE_BYTES (UINT64_C(512) << 20) /* all private rings together */
#define LIMIT_STATUS_REQUESTS 16u                 /* being answered at once */
#define LIMIT_STATUS_REQUESTS_UID 4u              /* of these, one uid's; root has as many more */
#define LIMIT_STATUS_LISTED 2048u                 /* clients, and private streams, that a status lists */
#define LIMIT_CONFIG_BYTES (64u << 10)            /* size of a configuration file */
#define LIMIT_FRAMERATE 10000.0                   /* frames per second of a paced stand-in source */
#define LIMIT_ROW_BYTES (1u << 20)                /* that --row-bytes takes */
#define LIMIT_FRAME_BYTES (UINT64_C(4) << 30)     /* that --frame-bytes takes */

#endif
