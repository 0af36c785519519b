/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deliver.h - what becomes of a captured frame: for every stream of the plan it is published, or counted under the one
 * cause why not, and the clients are told.
 *
 * The capture thread's. Allocates nothing, takes no lock, logs nothing and waits for nobody but its own copy workers.
 */
#ifndef LUMARING_DELIVER_H
#define LUMARING_DELIVER_H

#include "copy/pool.h"
#include "copy/tuner.h"
#include "plan.h"
#include "source/source.h"

/*
 * Streams that are, all together, a small part of what there is to copy go first and are told at once: who follows a
 * small object does not wait for the whole image. At most so many clients, since whoever waits for the whole image
 * waits for that.
 */
#define DELIVER_EARLY_CLIENTS 8u
#define DELIVER_EARLY_PART 16u

struct deliver {
	struct source *source; /* whose frames these are */
	struct publish_teller teller;
	struct copy_pool *pool;
	struct tuner tuner; /* any thread may look: tuner_view() */
};

/* What is to be done with a frame: delivered, or counted under the cause why it is not. */
#define DELIVER_IT LUMARING_LOST_CAUSES

/*
 * Copy a frame into a slot of each stream's ring, publish it, and tell the clients of the small ones; or only count it
 * under `cause`, if that is not DELIVER_IT: it is damaged, or has been overtaken by a newer one. The source is told
 * that its pixels are read if they are. When this returns they are not needed any more.
 */
void deliver_copy(struct deliver *deliver, struct plan *plan, const struct source_frame *frame, uint64_t sequence,
		  unsigned cause);

/* Tell all others. */
void deliver_tell(struct deliver *deliver, struct plan *plan);

#endif
