/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool_create.c - see pool.h: begins and ends the threads, their CPUs and scheduling class, their scratch. The thread
 * that will not be the caller may create and destroy; nothing here is on the frame path.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "copy/pool_private.h"

cpu_set_t pool_cpus(const cpu_set_t *affinity)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		CPU_ZERO(&cpus);
	else if (CPU_COUNT(affinity))
		CPU_AND(&cpus, &cpus, affinity);
	return cpus;
}

unsigned copy_pool_threads_default(const cpu_set_t *affinity)
{
	cpu_set_t cpus = pool_cpus(affinity);
	unsigned count = (unsigned)CPU_COUNT(&cpus);

	if (count > COPY_THREADS_MAX)
		count = COPY_THREADS_MAX;
	return count ? count : 1;
}

static const char *policy_name(int policy)
{
	return policy == SCHED_FIFO ? "fifo" : policy == SCHED_RR ? "rr" : "other";
}

static int refuse_thread(const struct copy_pool_config *config, int error, char *text, size_t text_bytes)
{
	if (error == EPERM)
		snprintf(text, text_bytes,
			 "the copy threads may not have scheduling class %s, priority %d: that takes root, "
			 "CAP_SYS_NICE, or LimitRTPRIO=%d in the unit, with what else realtime.conf among its examples "
			 "has",
			 policy_name(config->policy), config->priority, config->priority);
	else if (error == EINVAL && CPU_COUNT(&config->affinity))
		snprintf(text, text_bytes,
			 "the copy threads cannot begin: none of the CPUs given for them can be used");
	else
		snprintf(text, text_bytes, "the copy threads cannot begin: %s", strerror(error));
	return -error;
}

static void set_attributes(pthread_attr_t *attributes, const struct copy_pool_config *config)
{
	struct sched_param parameters = { .sched_priority = config->priority };

	if (CPU_COUNT(&config->affinity))
		pthread_attr_setaffinity_np(attributes, sizeof(config->affinity), &config->affinity);
	if (config->policy == COPY_POLICY_INHERITED)
		return;
	pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(attributes, config->policy);
	pthread_attr_setschedparam(attributes, &parameters);
}

static void *do_nothing(void *argument)
{
	return argument;
}

/* Begin the workers; or, where there is none, a thread that shows that copy_pool_enter() is allowed. */
static int begin_threads(struct copy_pool *pool, const pthread_attr_t *attributes)
{
	pthread_t thread;
	int error;

	if (pool->config.threads == 1) {
		error = pthread_create(&thread, attributes, do_nothing, NULL);
		if (!error)
			pthread_join(thread, NULL);
		return error;
	}
	for (; pool->threads < pool->config.threads; pool->threads++) {
		struct worker *worker = &pool->workers_of[pool->threads];

		*worker = (struct worker){ .pool = pool, .index = pool->threads, .kept_off = -1 };
		error = pthread_create(&worker->thread, attributes, pool_worker, worker);
		if (error)
			return error;
	}
	return 0;
}

static int begin(struct copy_pool *pool, char *text, size_t text_bytes)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error = pthread_attr_init(&attributes);

	if (error)
		return refuse_thread(&pool->config, error, text, text_bytes);
	set_attributes(&attributes, &pool->config);
	/* The threads inherit the mask, so no signal can reach them, not even while they begin. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = begin_threads(pool, &attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error ? refuse_thread(&pool->config, error, text, text_bytes) : 0;
}

static size_t scratch_bytes(const struct copy_pool *pool)
{
	return pool->scratch_stride * pool->config.threads;
}

/* All of it there from now on. */
static int map_scratch(struct copy_pool *pool)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	if (!pool->config.scratch_bytes)
		return 0;
	pool->scratch_stride = (pool->config.scratch_bytes + page_bytes - 1) / page_bytes * page_bytes;
	pool->scratch = memory_map(scratch_bytes(pool));
	if (!pool->scratch)
		return -ENOMEM;
	memset(pool->scratch, 0, scratch_bytes(pool));
	return 0;
}

int copy_pool_create(const struct copy_pool_config *config, struct copy_pool **ret_pool, char *text, size_t text_bytes)
{
	struct copy_pool *pool = aligned_alloc(LINE_BYTES, sizeof(*pool));
	int r = -ENOMEM;

	if (config->threads > COPY_THREADS_MAX) {
		snprintf(text, text_bytes, "%u copy threads were asked for, 1..%u are possible", config->threads,
			 COPY_THREADS_MAX);
		free(pool);
		return -EINVAL;
	}
	if (pool) {
		memset(pool, 0, sizeof(*pool));
		pool->config = *config;
		if (!config->threads)
			pool->config.threads = copy_pool_threads_default(&config->affinity);
		pool->threads = 1;
		r = map_scratch(pool);
	}
	if (r < 0)
		snprintf(text, text_bytes, "no memory for the copy threads");
	else
		r = begin(pool, text, text_bytes);
	if (r < 0)
		copy_pool_destroy(pool);
	else
		*ret_pool = pool;
	return r;
}

void copy_pool_destroy(struct copy_pool *pool)
{
	if (!pool)
		return;
	/* Relaxed: ordered by C2. */
	__atomic_store_n(&pool->stopping, true, __ATOMIC_RELAXED);
	pool_call(pool, pool->threads);
	for (unsigned i = 1; i < pool->threads; i++)
		pthread_join(pool->workers_of[i].thread, NULL);
	memory_unmap(pool->scratch, scratch_bytes(pool));
	free(pool);
}

int copy_pool_enter(const struct copy_pool *pool)
{
	const struct copy_pool_config *config = &pool->config;
	struct sched_param parameters = { .sched_priority = config->priority };
	int error = 0;

	if (CPU_COUNT(&config->affinity))
		error = pthread_setaffinity_np(pthread_self(), sizeof(config->affinity), &config->affinity);
	if (!error && config->policy != COPY_POLICY_INHERITED)
		error = pthread_setschedparam(pthread_self(), config->policy, &parameters);
	return -error;
}
