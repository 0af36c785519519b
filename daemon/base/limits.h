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
#define LIMIT_LOG_LINES 5u                        /* about clients of one uid, then they are left out */
#define LIMIT_LOG_QUIET_S 10u                     /* until it was quiet for so long; and without failure, an outage */
#define LIMIT_LOG_MOST_S 600u                     /* or at most for so long */
#define LIMIT_LOG_UIDS 64u                        /* that have lines of their own at the same time */
#define LIMIT_CONFIG_BYTES (64u << 10)            /* size of a configuration file */
#define LIMIT_CONFIG_DEPTH 4u                     /* arrays and objects inside each other in one */
#define LIMIT_CONFIG_VALUES 512u                  /* values in one */
#define LIMIT_CONFIG_FILES 64u                    /* drop-ins of a camera */
#define LIMIT_CONFIG_FAULTS 200u                  /* that are told of at once */
#define LIMIT_CONTROL_CONNECTIONS 64u             /* on the control socket, unless --control-connections says else */
#define LIMIT_CONTROL_CONNECTIONS_MAX 4096u       /* most that it takes */
#define LIMIT_CONTROL_MESSAGE_BYTES (64u << 10)   /* of a request, unless --control-message-bytes says else */
#define LIMIT_CONTROL_MESSAGE_BYTES_MIN 4096u     /* least and most that it takes */
#define LIMIT_CONTROL_MESSAGE_BYTES_MAX (1u << 20)
#define LIMIT_CONTROL_DEPTH 16u    /* nesting of a request, unless --control-depth says else */
#define LIMIT_CONTROL_DEPTH_MIN 8u /* least and most that it takes: Configure needs six */
#define LIMIT_CONTROL_DEPTH_MAX 64u
#define LIMIT_CONTROL_VALUES 256u    /* values in a request, unless --control-values says else */
#define LIMIT_CONTROL_VALUES_MIN 32u /* least and most that it takes */
#define LIMIT_CONTROL_VALUES_MAX 4096u
#define LIMIT_CONTROL_RATE 100u           /* requests a second and uid, unless --control-rate says else */
#define LIMIT_CONTROL_RATE_MAX 1000000u   /* most that it takes */
#define LIMIT_CONTROL_MESSAGE_MS 5000u    /* from a request's first byte to its last */
#define LIMIT_CONTROL_MESSAGE_MS_MIN 100u /* least and most that --control-message-ms takes */
#define LIMIT_CONTROL_MESSAGE_MS_MAX 3600000u
#define LIMIT_CONTROL_TURNED_AWAY 8u           /* connections that get one answer, why they get no other */
#define LIMIT_CONTROL_TURNED_AWAY_MS 1000u     /* to ask for it and to take it */
#define LIMIT_CONTROL_ANSWER_BYTES (64u << 10) /* not taken by a peer: no more are made, a single one may be longer */
#define LIMIT_SIZE_CHANGE_RATE 5u              /* changes of size a second, unless --size-change-rate says else */
#define LIMIT_SIZE_CHANGE_RATE_MAX 1000u       /* most that it takes */
#define LIMIT_EXPOSURE_US 1000000000u          /* that --exposure-us takes */
#define LIMIT_GAIN_MILLI 1000000u              /* that --analogue-gain-milli takes */
#define LIMIT_EXPOSURE_VALUE_MILLI 8000        /* that --exposure-value-milli takes, both ways */
#define LIMIT_BRIGHTNESS_MILLI 1000            /* that --brightness-milli takes, both ways */
#define LIMIT_FACTOR_MILLI 32000u              /* that --contrast-milli and --sharpness-milli take */
#define LIMIT_CROP 65535u                      /* that --scaler-crop-x and the like take */
#define LIMIT_SENSOR_BITS 32u                  /* of a sample, that --sensor-mode takes */
#define LIMIT_FRAMERATE 10000.0                /* frames per second of a paced stand-in source */
#define LIMIT_ROW_BYTES (1u << 20)             /* that --row-bytes takes */
#define LIMIT_FRAME_BYTES (UINT64_C(4) << 30)  /* that --frame-bytes takes */
#define LIMIT_POOL_BYTES (UINT64_C(2) << 30)   /* all capture buffers of a source */

#endif
