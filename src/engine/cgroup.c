/* SPDX-License-Identifier: Apache-2.0 */
/* What the control groups of this process allow everything in it together. */
#include "engine/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/str.h"

#define PATH_SIZE 4096
/* Version 1 says "none" by the largest number of pages that fits. */
#define V1_NO_LIMIT (1ull << 62)

/* One file with a number or "max". */
static uint64_t read_limit(const char *path)
{
	uint64_t value = CGROUP_NO_LIMIT;
	const char *text;
	char word[32];
	struct buf b;

	buf_init(&b, 64);
	if (io_read_file_at(AT_FDCWD, path, &b) == 0 && buf_len(&b)) {
		text = buf_cstr(&b);
		if (text && sscanf(text, "%31s", word) == 1 &&
		    (str_to_u64(word, &value) || value >= V1_NO_LIMIT))
			value = CGROUP_NO_LIMIT;
	}
	buf_fini(&b);
	return value;
}

/* The least of a file in group, which begins with "/", and in those above. */
static uint64_t narrowest(const char *base, const char *group, const char *file)
{
	uint64_t least = CGROUP_NO_LIMIT;
	char path[PATH_SIZE], at[PATH_SIZE];
	char *slash;

	if (snprintf(at, sizeof(at), "%s", group) >= (int)sizeof(at) ||
	    strstr(group, "/..")) /* it lies outside of what we can see */
		at[0] = 0;
	for (;;) {
		if (snprintf(path, sizeof(path), "%s%s/%s", base, at, file) <
		    (int)sizeof(path)) {
			uint64_t value = read_limit(path);

			least = value < least ? value : least;
		}
		slash = strrchr(at, '/');
		if (!slash)
			return least;
		*slash = 0;
	}
}

/* "memory" in "cpu,memory"? */
static bool lists(const char *controllers, size_t len, const char *wanted)
{
	size_t n = strlen(wanted);

	for (size_t i = 0; i + n <= len; i++)
		if (!memcmp(controllers + i, wanted, n) &&
		    (i == 0 || controllers[i - 1] == ',') &&
		    (i + n == len || controllers[i + n] == ','))
			return true;
	return false;
}

static void take(uint64_t *limit, const char *mounted, const char *controller,
		 const char *group, const char *file)
{
	char base[PATH_SIZE];
	uint64_t value;

	if (snprintf(base, sizeof(base), "%s%s%s", mounted,
		     *controller ? "/" : "", controller) >= (int)sizeof(base))
		return;
	value = narrowest(base, group, file);
	if (value < *limit)
		*limit = value;
}

/* "4:memory:/user.slice" of version 1, "0::/user.slice" of version 2. */
static void take_line(const char *line, const char *mounted,
		      struct cgroup_limits *ret)
{
	const char *names = strchr(line, ':');
	const char *group = names ? strchr(names + 1, ':') : NULL;
	size_t len;

	if (!group || group[1] != '/')
		return;
	len = (size_t)(group - names - 1);
	names++;
	group++;
	if (!len) {
		take(&ret->memory, mounted, "", group, "memory.max");
		take(&ret->processes, mounted, "", group, "pids.max");
	}
	if (lists(names, len, "memory"))
		take(&ret->memory, mounted, "memory", group,
		     "memory.limit_in_bytes");
	if (lists(names, len, "pids"))
		take(&ret->processes, mounted, "pids", group, "pids.max");
}

void cgroup_limits_read(const char *own, const char *mounted,
			struct cgroup_limits *ret)
{
	char line[PATH_SIZE];

	ret->memory = ret->processes = CGROUP_NO_LIMIT;
	while (*own) {
		size_t len = strcspn(own, "\n");

		if (len < sizeof(line)) {
			memcpy(line, own, len);
			line[len] = 0;
			take_line(line, mounted, ret);
		}
		own += len + (own[len] != 0);
	}
}
