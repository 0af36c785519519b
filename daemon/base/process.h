/* SPDX-License-Identifier: BSD-2-Clause */
/* process.h - which process is which: a pid together with its start time names one for good. Thread-safe. */
#ifndef LUMARING_PROCESS_H
#define LUMARING_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat). 0: there is none, or it has ended and
 * its parent has not noticed yet.
 */
uint64_t process_start_ticks(pid_t pid);

/*
 * True while the process that was started then lives; also while there is one of its number whose start cannot be seen,
 * where /proc hides the processes of others.
 */
bool process_is(pid_t pid, uint64_t start_ticks);

/* True when the process has ended, also if its parent has not noticed yet. Pids of other namespaces, 0, never have. */
bool process_has_ended(pid_t pid);

/* True while the caller has a controlling terminal. A hangup (SIGHUP) that comes with its end is that of the terminal.
 */
bool process_has_terminal(void);

/*
 * The 16 bytes of /proc/sys/kernel/random/boot_id or, where that is hidden, of LUMARING_BOOT_ID in the environment. 0,
 * -errno of reading it, or -EBADMSG.
 */
int boot_id_read(uint8_t ret_id[16]);

#endif
