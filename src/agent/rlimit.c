/* SPDX-License-Identifier: Apache-2.0 */
/* Names and application of resource limits. */
#include "agent/rlimit.h"

#include <assert.h>
#include <errno.h>

/* Linux numbers; the same on every architecture we build for. */
static const char *const names[] = {
	[RLIMIT_CPU] = "cpu",		[RLIMIT_FSIZE] = "fsize",
	[RLIMIT_DATA] = "data",		[RLIMIT_STACK] = "stack",
	[RLIMIT_CORE] = "core",		[RLIMIT_RSS] = "rss",
	[RLIMIT_NPROC] = "nproc",	[RLIMIT_NOFILE] = "nofile",
	[RLIMIT_MEMLOCK] = "memlock",	[RLIMIT_AS] = "as",
	[RLIMIT_LOCKS] = "locks",	[RLIMIT_SIGPENDING] = "sigpending",
	[RLIMIT_MSGQUEUE] = "msgqueue", [RLIMIT_NICE] = "nice",
	[RLIMIT_RTPRIO] = "rtprio",	[RLIMIT_RTTIME] = "rttime",
};
static_assert(ARRAY_SIZE(names) == RLIMIT_NAMES,
	      "names[] doesn't match the kernel's list");

int rlimit_find(struct view name)
{
	for (int i = 0; i < RLIMIT_NAMES; i++)
		if (view_is(name, names[i]))
			return i;
	return -ENOENT;
}

int rlimit_apply_boot(const struct boot_rlimit *limits, size_t n,
		      struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct rlimit r = { .rlim_cur = limits[i].soft,
				    .rlim_max = limits[i].hard };
		int resource = rlimit_find(view_cstr(limits[i].resource));

		if (resource < 0)
			return err_set(err, ERR_INVALID, EINVAL,
				       "unknown resource limit '%s'",
				       limits[i].resource);
		if (setrlimit(resource, &r) < 0)
			return err_sys(err, ERR_IO, errno,
				       "set resource limit '%s'",
				       limits[i].resource);
	}
	return 0;
}
