/* SPDX-License-Identifier: Apache-2.0 */
/* Grammar of -v: SRC:DST[,opt...] and SRC:DST:opt[,opt...]. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "cli/grammar.h"

#define INVALID(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)

void volume_fini(struct volume *v)
{
	free(v->host);
	free(v->guest);
	v->host = v->guest = NULL;
}

struct seen {
	bool access, stat_virt, host_perms;
};

static int twice(const char *what, bool *seen, struct err *err)
{
	if (*seen)
		return INVALID(err,
			       "volume option `%s` specified more than once",
			       what);
	*seen = true;
	return 0;
}

/* Index of value in a list such as "strict|relaxed|off", or -1. */
static int choice(const char *list, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	for (const char *p = list;; p++, i++) {
		size_t n = strcspn(p, "|");

		if (n == len && !strncmp(p, value, n))
			return i;
		p += n;
		if (!*p)
			return -1;
	}
}

static int policy(const char *key, const char *list, const char *value,
		  bool *seen, int *ret, struct err *err)
{
	int i, rc = twice(key, seen, err);

	if (rc)
		return rc;
	i = choice(list, value);
	if (i < 0)
		return INVALID(err, "invalid %s \"%s\" (expected %s)", key,
			       value, list);
	*ret = i;
	return 0;
}

static int one_option(const char *opt, struct volume *v, struct seen *seen,
		      struct err *err)
{
	const char *eq = strchr(opt, '=');

	if (!strcmp(opt, "ro") || !strcmp(opt, "rw")) {
		v->readonly = opt[1] == 'o';
		return twice("ro`/`rw", &seen->access, err);
	}
	if (!strcmp(opt, "noexec")) {
		v->noexec = true;
		return 0;
	}
	if (!strcmp(opt, "nosuid")) {
		v->nosuid = true;
		return 0;
	}
	if (!strcmp(opt, "nodev")) {
		v->nodev = true;
		return 0;
	}
	if (str_starts(opt, "stat-virt="))
		return policy("stat-virt", "strict|relaxed|off", eq + 1,
			      &seen->stat_virt, &v->stat_virt, err);
	if (str_starts(opt, "host-perms="))
		return policy("host-perms", "private|mirror", eq + 1,
			      &seen->host_perms, &v->host_perms, err);
	if (!strcmp(opt, "follow-root-symlinks") || str_starts(opt, "quota="))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "volume option \"%s\" is not available yet",
			       opt);
	if (!eq && strcmp(opt, "exec") != 0 && strcmp(opt, "suid") != 0 &&
	    strcmp(opt, "dev") != 0)
		return INVALID(err, "volume option \"%s\" must be key=value",
			       opt);
	return INVALID(err, "unknown volume option \"%s\"", opt);
}

static int options(const char *list, struct volume *v, struct err *err)
{
	struct seen seen = { 0 };
	int rc = 0;

	while (!rc) {
		size_t len = strcspn(list, ",");
		const char *start = list;
		char opt[128];
		size_t n = len;

		while (n && (*start == ' ' || *start == '\t')) {
			start++;
			n--;
		}
		while (n && (start[n - 1] == ' ' || start[n - 1] == '\t'))
			n--;
		if (n >= sizeof(opt))
			return INVALID(err, "unknown volume option \"%.*s\"",
				       (int)n, start);
		memcpy(opt, start, n);
		opt[n] = 0;
		if (n)
			rc = one_option(opt, v, &seen, err);
		if (!list[len])
			break;
		list += len + 1;
	}
	return rc;
}

/*
 * The source ends at the first ':' that a '/' follows, so that a directory name
 * may hold a colon; without one at the first ':'.
 */
static const char *source_end(const char *text)
{
	const char *end = strstr(text, ":/");

	return end ? end : strchr(text, ':');
}

static bool is_named(const char *text, size_t len)
{
	return !(len == 1 && text[0] == '.') &&
	       !(len == 2 && !strncmp(text, "..", 2)) && text[0] != '/' &&
	       strncmp(text, "./", 2) != 0 && strncmp(text, "../", 3) != 0;
}

int grammar_volume(const char *text, struct volume *ret, struct err *err)
{
	const char *colon = source_end(text), *guest;
	struct volume v = { 0 };
	size_t guest_len;
	int rc;

	if (!colon || colon == text)
		return INVALID(err, "volume must be in format source:guest");
	if (is_named(text, (size_t)(colon - text)))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "named volumes are not available yet: give a "
			       "host directory or file such as ./data");
	guest = colon + 1;
	guest_len = strcspn(guest, ",:");
	if (guest[guest_len]) {
		rc = options(guest + guest_len + 1, &v, err);
		if (rc)
			return rc;
	}
	if (v.stat_virt == 2 && v.host_perms == 1)
		return INVALID(err, "stat-virt=off and host-perms=mirror "
				    "cannot be combined");
	v.host = strndup(text, (size_t)(colon - text));
	v.guest = strndup(guest, guest_len);
	if (!v.host || !v.guest) {
		volume_fini(&v);
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	}
	*ret = v;
	return 0;
}
