/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * holders.h - who may have a camera that is busy: the processes that have a media or video device open. Looks at /proc,
 * once and for a bounded time; who comes or goes meanwhile may be missed. Thread-safe.
 */
#ifndef LUMARING_SOURCE_HOLDERS_H
#define LUMARING_SOURCE_HOLDERS_H

#include <stddef.h>

/* Beyond these it is not looked: processes, and descriptors of one. */
#define HOLDERS_PROCESSES_MAX 32768u
#define HOLDERS_DESCRIPTORS_MAX 4096u
/* Named at most, those of the lowest numbers. */
#define HOLDERS_NAMED_MAX 8u

/*
 * How many other processes have /dev/media* or /dev/video* open, as far as we may see that (root with all its
 * capabilities may see all). `text` names them, as many as it has room for: "wireplumber (pid 812), motion (pid 900)
 * and 2 more"; "" for none. Names are what processes call themselves, bytes that are no printable ASCII as "\x1b".
 * proc_directory NULL: /proc.
 */
unsigned holders_find(const char *proc_directory, char *text, size_t text_bytes);

#endif
