/* SPDX-License-Identifier: BSD-2-Clause */
/* exit.h - exit codes of lumaringd; documented in lumaringd(8) and --help. */
#ifndef LUMARING_EXIT_H
#define LUMARING_EXIT_H

enum exit_code {
	EXIT_OK = 0,
	EXIT_SYSTEM = 1, /* the system refused something: the sentence says what */
	EXIT_USAGE = 2,  /* command line or configuration */
	EXIT_BUSY = 3,   /* another daemon serves this camera */
	EXIT_SOURCE = 4, /* the source could not be opened, or failed */
	EXIT_ROOM = 5,   /* no room in shared memory, for a while */
	EXIT_HUNG = 6,   /* the camera or libcamera hangs: for a service manager, which starts the daemon anew */
};

#endif
