/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time of the processes of a uml machine. */
#include "engine/uml/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Numbers of up to seven digits and a space. */
#define LIST_MAX (UML_USAGE_CHILDREN * 8u + 1)

void uml_usage_init(struct uml_usage *u, pid_t kernel, unsigned vcpus)
{
	char path[64];

	*u = (struct uml_usage){ .kernel = kernel,
				 .vcpus = vcpus,
				 .look_ns = clock_mono_ns() };
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
		       (int)kernel, (int)kernel);
	u->children_fd = open(path, O_RDONLY | O_CLOEXEC);
	u->all_visible = u->children_fd >= 0 && vcpus == 1;
}

void uml_usage_fini(struct uml_usage *u)
{
	close_fd(&u->children_fd);
}

/* The clock of another process's CPU time, as clock_getcpuclockid(3) makes it:
 * it needs no right and no file. False: there is no such process. */
static bool cpu_ns_of(pid_t pid, uint64_t *ret)
{
	clockid_t clock = (clockid_t)(~(unsigned)pid << 3 | 2);
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return false;
	*ret = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	return true;
}

/* What is known of a child since the last look, which is taken out. */
static bool take_known(struct uml_usage *u, pid_t pid, uint64_t *ret_ns)
{
	for (size_t i = 0; i < u->nchildren; i++)
		if (u->child[i].pid == pid) {
			*ret_ns = u->child[i].ns;
			u->child[i] = u->child[--u->nchildren];
			return true;
		}
	return false;
}

/* Count a child that is there; it joins the new list. max_ns: what it can have
 * used since the last look. */
static void count_child(struct uml_usage *u, pid_t pid, uint64_t max_ns,
			struct uml_child *list, size_t *n)
{
	uint64_t now, before = 0;

	if (!cpu_ns_of(pid, &now))
		return; /* it has just ended: one that is known is missed */
	/* a number may have been given to another process meanwhile, even to
	 * one that has nothing to do with us */
	if (take_known(u, pid, &before) && now < before)
		before = 0;
	u->children_ns += now - before < max_ns ? now - before : max_ns;
	list[(*n)++] = (struct uml_child){ pid, now };
}

/* False: some are missing. */
static bool count_children(struct uml_usage *u, uint64_t max_ns)
{
	struct uml_child list[UML_USAGE_CHILDREN];
	char text[LIST_MAX], *p = text;
	size_t n = 0;
	bool all;
	ssize_t len = u->children_fd < 0
			      ? -1
			      : pread(u->children_fd, text, LIST_MAX - 1, 0);

	if (len < 0)
		return false;
	text[len] = 0;
	while (n < UML_USAGE_CHILDREN) {
		long pid = strtol(p, &p, 10);

		/* the last number of a list that is too long may be cut off */
		if (pid <= 0 || (!*p && (size_t)len == LIST_MAX - 1))
			break;
		count_child(u, (pid_t)pid, max_ns, list, &n);
	}
	all = !u->nchildren && (size_t)len < LIST_MAX - 1;
	memcpy(u->child, list, n * sizeof(list[0]));
	u->nchildren = n;
	return all;
}

void uml_usage_look(struct uml_usage *u, bool *ret_missed)
{
	uint64_t now = clock_mono_ns(), ns;
	uint64_t max_ns = (now - u->look_ns) * u->vcpus;

	if (cpu_ns_of(u->kernel, &ns) && ns > u->kernel_ns)
		u->kernel_ns = ns;
	*ret_missed = !count_children(u, max_ns) || !u->all_visible;
	u->look_ns = now;
}
