/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own_futex.h - the pool's sleep, held up as a busy machine may hold it up: syscall(2) in the one program that includes
 * it. While held, a thread that slept in a futex stays until it is released, however it was woken.
 */
#ifndef LUMARING_OWN_FUTEX_H
#define LUMARING_OWN_FUTEX_H

#include <dlfcn.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool own_futex_held;         /* atomic */
static unsigned own_futex_sleepers; /* atomic: threads that sleep or are held; all orders here seq_cst */

static long (*system_call)(long number, ...);

__attribute__((constructor)) static void own_futex_begin(void)
{
	system_call = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
}

/* Counted out before it looks: who holds the others and then counts sees either that, or one that stays. */
static bool own_futex_may_go(void)
{
	__atomic_sub_fetch(&own_futex_sleepers, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&own_futex_held, __ATOMIC_SEQ_CST))
		return true;
	__atomic_add_fetch(&own_futex_sleepers, 1, __ATOMIC_SEQ_CST);
	return false;
}

long syscall(long number, ...)
{
	void *words[6];
	va_list arguments;
	bool sleeps;
	long r;

	va_start(arguments, number);
	for (unsigned i = 0; i < 6; i++)
		words[i] = va_arg(arguments, void *);
	va_end(arguments);
	sleeps = number == SYS_futex && ((uintptr_t)words[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
	__atomic_add_fetch(&own_futex_sleepers, sleeps, __ATOMIC_SEQ_CST);
	r = system_call(number, words[0], words[1], words[2], words[3], words[4], words[5]);
	while (sleeps && (__atomic_load_n(&own_futex_held, __ATOMIC_SEQ_CST) || !own_futex_may_go()))
		sched_yield();
	return r;
}

static void own_futex_hold(void)
{
	__atomic_store_n(&own_futex_held, true, __ATOMIC_SEQ_CST);
}

static void own_futex_release(void)
{
	__atomic_store_n(&own_futex_held, false, __ATOMIC_SEQ_CST);
}

/* While held: wait until so many are there, and so none is anywhere else. */
static void own_futex_wait_all(unsigned threads)
{
	while (__atomic_load_n(&own_futex_sleepers, __ATOMIC_SEQ_CST) != threads)
		sched_yield();
}

#endif
