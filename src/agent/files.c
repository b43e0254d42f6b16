/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own limit of open files. */
#include "agent/files.h"

bool files_raise(struct files *f)
{
	struct rlimit r;

	if (f->raised || getrlimit(RLIMIT_NOFILE, &f->before) < 0 ||
	    f->before.rlim_cur >= f->before.rlim_max)
		return false;
	r = f->before;
	r.rlim_cur = r.rlim_max;
	f->raised = setrlimit(RLIMIT_NOFILE, &r) == 0;
	return f->raised;
}

bool files_child_limit(const struct files *f, struct rlimit *ret)
{
	if (f->raised)
		*ret = f->before;
	return f->raised;
}
