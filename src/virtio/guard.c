/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal handler has no context argument, so the guards live in a table of
 * the process. An entry is touched by its owner alone, also from the handler,
 * which runs on the thread that faulted: nothing else needs to be ordered.
 */
#include "virtio/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_GUARDS 512

struct guard {
	uint8_t *base;
	size_t len;
	pid_t owner; /* thread id, atomic; 0 = free */
	bool lost;
};

static struct guard table[MAX_GUARDS];
static struct sigaction previous;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

static struct guard *find(const uint8_t *addr)
{
	pid_t self = gettid();

	for (size_t i = 0; i < MAX_GUARDS; i++) {
		struct guard *g = &table[i];

		if (__atomic_load_n(&g->owner, __ATOMIC_RELAXED) == self &&
		    addr >= g->base && (size_t)(addr - g->base) < g->len)
			return g;
	}
	return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *ucontext)
{
	int saved = errno;
	struct guard *g = find(info->si_addr);

	(void)ucontext;
	if (g && !g->lost &&
	    mmap(g->base, g->len, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0) != MAP_FAILED)
		g->lost = true;
	else
		/* not ours: the access is repeated and meets the other one */
		(void)sigaction(sig, &previous, NULL);
	errno = saved;
}

/* Again when somebody else has taken the signal since. */
static int install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction now;
	int rc = 0;

	sigemptyset(&sa.sa_mask);
	pthread_mutex_lock(&install_lock);
	if (sigaction(SIGBUS, NULL, &now) < 0)
		rc = -errno;
	if (!rc && now.sa_sigaction != on_sigbus) {
		previous = now;
		if (sigaction(SIGBUS, &sa, NULL) < 0)
			rc = -errno;
	}
	pthread_mutex_unlock(&install_lock);
	return rc;
}

int guard_add(void *base, size_t len, struct guard **ret)
{
	pid_t self = gettid();
	sigset_t bus;
	int rc = install();

	if (rc)
		return rc;
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	(void)pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
	for (size_t i = 0; i < MAX_GUARDS; i++) {
		struct guard *g = &table[i];
		pid_t none = 0;

		if (!__atomic_compare_exchange_n(&g->owner, &none, self, false,
						 __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		g->base = base;
		g->len = len;
		g->lost = false;
		*ret = g;
		return 0;
	}
	return -ENOSPC;
}

bool guard_lost(const struct guard *g)
{
	/* changed by the handler, behind the compiler's back */
	return *(const volatile bool *)&g->lost;
}

struct guard *guard_remove(struct guard *g)
{
	if (!g)
		return NULL;
	g->base = NULL;
	g->len = 0;
	__atomic_store_n(&g->owner, 0, __ATOMIC_RELEASE);
	return NULL;
}
