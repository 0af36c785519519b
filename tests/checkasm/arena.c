/* SPDX-License-Identifier: BSD-2-Clause */
/* arena.c - memory between two pages that must not be touched. */
#include "checkasm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

uint8_t *arena_create(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *all = mmap(NULL, ARENA_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED || mprotect(all + page, ARENA_BYTES, PROT_READ | PROT_WRITE)) {
		perror("checkasm: memory");
		exit(1);
	}
	return all + page;
}

uint8_t *arena_place(uint8_t *arena, const struct side *side, size_t bytes)
{
	if (bytes + 2 * CHECK_GUARD_BYTES + 64 > ARENA_BYTES) {
		fprintf(stderr, "checkasm: %zu bytes are more than an arena holds\n", bytes);
		exit(1);
	}
	switch (side->place) {
	case PLACE_BEGIN:
		return arena;
	case PLACE_END:
		return arena + ARENA_BYTES - bytes;
	case PLACE_FREE:
	case PLACES:
		break;
	}
	return arena + CHECK_GUARD_BYTES + side->align;
}
