/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grammars of -v, --mount-dir, --mount-file, --mount-disk, --mount-named and
 * --tmpfs: a source, a place in the guest, and a list of options; and of what
 * copy takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "cli/grammar.h"

#define INVALID(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)
#define OPTION_MAX 128

void mount_arg_fini(struct mount_arg *m)
{
	free(m->source);
	free(m->guest);
	free(m->fstype);
	m->source = m->guest = m->fstype = NULL;
}

enum option_id {
	OPT_RO,
	OPT_RW,
	OPT_NOEXEC,
	OPT_NOSUID,
	OPT_NODEV,
	OPT_FOLLOW,
	OPT_STAT_VIRT,
	OPT_HOST_PERMS,
	OPT_QUOTA,
	OPT_VOLUME_KIND,
	OPT_SIZE,
	OPT_FORMAT,
	OPT_FSTYPE,
	OPT_COUNT
};

#define ON(flavour) (1u << MOUNT_ARG_##flavour)
#define ON_ALL (~0u)
#define ON_SHARES (ON(VOLUME) | ON(DIR) | ON(FILE) | ON(NAMED))

static const struct {
	const char *name;
	bool has_value;
	unsigned on; /* flavours that know it */
} known[OPT_COUNT] = {
	[OPT_RO] = { "ro", false, ON_ALL },
	[OPT_RW] = { "rw", false, ON_ALL },
	[OPT_NOEXEC] = { "noexec", false, ON_ALL },
	[OPT_NOSUID] = { "nosuid", false, ON_ALL },
	[OPT_NODEV] = { "nodev", false, ON_ALL },
	[OPT_FOLLOW] = { "follow-root-symlinks", false,
			 ON(VOLUME) | ON(DIR) | ON(FILE) },
	[OPT_STAT_VIRT] = { "stat-virt", true, ON_SHARES },
	[OPT_HOST_PERMS] = { "host-perms", true, ON_SHARES },
	[OPT_QUOTA] = { "quota", true, ON(VOLUME) | ON(DIR) | ON(NAMED) },
	[OPT_VOLUME_KIND] = { "kind", true, ON(NAMED) },
	[OPT_SIZE] = { "size", true, ON(NAMED) | ON(TMPFS) },
	[OPT_FORMAT] = { "format", true, ON(DISK) },
	[OPT_FSTYPE] = { "fstype", true, ON(DISK) },
};

struct parser {
	enum mount_flavour flavour;
	const char *noun; /* in messages: "volume option" */
	bool seen[OPT_COUNT];
	struct mount_arg m;
	struct err *err;
};

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

static int set_choice(struct parser *p, enum option_id id, const char *list,
		      const char *value, int *ret)
{
	int i = choice(list, value);

	if (i < 0)
		return INVALID(p->err, "invalid %s \"%s\" (expected %s)",
			       known[id].name, value, list);
	*ret = i;
	return 0;
}

static int set_kind(struct parser *p, const char *value)
{
	int kind = 0;
	int rc = set_choice(p, OPT_VOLUME_KIND, "dir|directory|disk", value,
			    &kind);

	p->m.disk = kind == 2;
	return rc;
}

static int set_size(struct parser *p, const char *value, uint32_t *ret)
{
	int rc = grammar_size(value, ret, p->err);

	if (!rc && !*ret)
		rc = INVALID(p->err, "size must be more than zero");
	return rc;
}

static int set_fstype(struct parser *p, const char *value)
{
	if (!*value || strpbrk(value, ";:= \t"))
		return INVALID(p->err, "invalid fstype \"%s\"", value);
	p->m.fstype = strdup(value);
	return p->m.fstype ? 0
			   : err_set(p->err, ERR_NO_MEMORY, ENOMEM,
				     "out of memory");
}

static int set_value(struct parser *p, enum option_id id, const char *value)
{
	struct mount_arg *m = &p->m;

	switch ((int)id) {
	case OPT_STAT_VIRT:
		return set_choice(p, id, "strict|relaxed|off", value,
				  &m->stat_virt);
	case OPT_HOST_PERMS:
		return set_choice(p, id, "private|mirror", value,
				  &m->host_perms);
	case OPT_QUOTA:
		m->has_quota = true;
		return grammar_size(value, &m->quota_mib, p->err);
	case OPT_VOLUME_KIND:
		return set_kind(p, value);
	case OPT_SIZE:
		return set_size(p, value, &m->size_mib);
	case OPT_FORMAT:
		return set_choice(p, id, "raw|qcow2|vmdk", value, &m->format);
	default:
		return set_fstype(p, value);
	}
}

static void set_flag(struct mount_arg *m, enum option_id id)
{
	m->readonly |= id == OPT_RO;
	m->noexec |= id == OPT_NOEXEC;
	m->nosuid |= id == OPT_NOSUID;
	m->nodev |= id == OPT_NODEV;
	m->follow_symlinks |= id == OPT_FOLLOW;
}

static int unknown_option(const struct parser *p, const char *opt)
{
	if (!strcmp(opt, "exec") || !strcmp(opt, "suid") || !strcmp(opt, "dev"))
		return INVALID(p->err,
			       "unsupported mount option `%s`: it is the "
			       "default",
			       opt);
	if (!strchr(opt, '='))
		return INVALID(p->err, "%s \"%s\" must be key=value", p->noun,
			       opt);
	return INVALID(p->err, "unknown %s \"%s\"", p->noun, opt);
}

static int find_option(const char *opt, size_t key_len)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (strlen(known[i].name) == key_len &&
		    !strncmp(known[i].name, opt, key_len))
			return i;
	return -1;
}

static int one_option(struct parser *p, const char *opt)
{
	size_t key_len = strcspn(opt, "=");
	int id = find_option(opt, key_len);
	bool access = id == OPT_RO || id == OPT_RW;

	if (id < 0 || known[id].has_value != (opt[key_len] == '='))
		return unknown_option(p, opt);
	if (!(known[id].on & (1u << p->flavour)))
		return INVALID(p->err, "%s `%s` is not valid here", p->noun,
			       known[id].name);
	if (p->seen[id] || (access && (p->seen[OPT_RO] || p->seen[OPT_RW])))
		return INVALID(p->err, "%s `%s` specified more than once",
			       p->noun, access ? "ro`/`rw" : known[id].name);
	p->seen[id] = true;
	if (known[id].has_value)
		return set_value(p, (enum option_id)id, opt + key_len + 1);
	set_flag(&p->m, (enum option_id)id);
	return 0;
}

static int options(struct parser *p, const char *list)
{
	int rc = 0;

	while (!rc) {
		size_t len = strcspn(list, ",");
		const char *start = list;
		char opt[OPTION_MAX];
		size_t n = len;

		while (n && (*start == ' ' || *start == '\t')) {
			start++;
			n--;
		}
		while (n && (start[n - 1] == ' ' || start[n - 1] == '\t'))
			n--;
		if (n >= sizeof(opt))
			return INVALID(p->err, "unknown %s \"%.*s\"", p->noun,
				       (int)(n & 0xfff), start);
		memcpy(opt, start, n);
		opt[n] = 0;
		if (n)
			rc = one_option(p, opt);
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

static bool is_path_like(const char *text, size_t len)
{
	return (len == 1 && text[0] == '.') ||
	       (len == 2 && !strncmp(text, "..", 2)) || text[0] == '/' ||
	       !strncmp(text, "./", 2) || !strncmp(text, "../", 3);
}

/* What only the whole of the options tells. */
static int check(const struct parser *p)
{
	const struct mount_arg *m = &p->m;

	if (m->stat_virt == 2 && m->host_perms == 1)
		return INVALID(p->err, "stat-virt=off and host-perms=mirror "
				       "cannot be combined");
	if (m->named && p->seen[OPT_FOLLOW])
		return INVALID(p->err,
			       "%s `follow-root-symlinks` is not valid here",
			       p->noun);
	if (p->flavour != MOUNT_ARG_NAMED)
		return 0;
	if (m->disk != p->seen[OPT_SIZE])
		return INVALID(p->err, "kind=disk and size= belong together");
	if (m->disk && (p->seen[OPT_QUOTA] || p->seen[OPT_STAT_VIRT] ||
			p->seen[OPT_HOST_PERMS]))
		return INVALID(p->err, "kind=disk has neither a quota nor "
				       "stat-virt and host-perms");
	return 0;
}

static int set_places(struct parser *p, const char *source, size_t source_len,
		      const char *guest, size_t guest_len)
{
	p->m.source = source ? strndup(source, source_len) : NULL;
	p->m.guest = strndup(guest, guest_len);
	if ((source && !p->m.source) || !p->m.guest)
		return err_set(p->err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	return 0;
}

static int finish(struct parser *p, int rc, struct mount_arg *ret)
{
	if (rc)
		mount_arg_fini(&p->m);
	else
		*ret = p->m;
	return rc;
}

void copy_arg_fini(struct copy_arg *c)
{
	free(c->sandbox);
	free(c->path);
	c->sandbox = c->path = NULL;
}

int grammar_copy(const char *text, struct copy_arg *ret, struct err *err)
{
	size_t len = strcspn(text, ":");
	bool host = !text[len] || is_path_like(text, strlen(text));
	struct copy_arg c = { .sandbox = NULL };

	if (!*text)
		return INVALID(err, "path to copy must not be empty");
	if (!host && (!len || text[len + 1] != '/'))
		return INVALID(
			err,
			"ambiguous copy endpoint: %s (NAME:/path is in a "
			"sandbox, ./path is here)",
			text);
	c.path = strdup(host ? text : text + len + 1);
	if (!host)
		c.sandbox = strndup(text, len);
	if (!c.path || (!host && !c.sandbox)) {
		copy_arg_fini(&c);
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	}
	*ret = c;
	return 0;
}

int grammar_mount(enum mount_flavour flavour, const char *text,
		  struct mount_arg *ret, struct err *err)
{
	struct parser p = { .flavour = flavour,
			    .noun = flavour == MOUNT_ARG_VOLUME
					    ? "volume option"
					    : "mount option",
			    .m.format = -1,
			    .err = err };
	const char *colon = source_end(text), *guest;
	size_t guest_len;
	bool path_like;
	int rc;

	if (!colon || colon == text)
		return INVALID(err, "%s must be in format source:guest",
			       flavour == MOUNT_ARG_VOLUME ? "volume"
							   : "mount");
	path_like = is_path_like(text, (size_t)(colon - text));
	if (flavour == MOUNT_ARG_NAMED && path_like)
		return INVALID(err,
			       "--mount-named takes the name of a volume, not "
			       "a path: %.*s",
			       (int)((colon - text) & 0xfff), text);
	p.m.named = flavour == MOUNT_ARG_NAMED ||
		    (flavour == MOUNT_ARG_VOLUME && !path_like);
	guest = colon + 1;
	guest_len = strcspn(guest, ",:");
	rc = set_places(&p, text, (size_t)(colon - text), guest, guest_len);
	if (!rc && guest[guest_len])
		rc = options(&p, guest + guest_len + 1);
	if (!rc)
		rc = check(&p);
	return finish(&p, rc, ret);
}

/* Is the only further part of a --tmpfs its options, not its size? */
static bool is_option_list(const char *part)
{
	static const char *const refused[] = { "exec", "suid", "dev" };
	int id = find_option(part, strlen(part));

	if (strpbrk(part, ",=") || (id >= 0 && !known[id].has_value))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (!strcmp(part, refused[i]))
			return true;
	return false;
}

static int tmpfs_size(struct parser *p, const char *text, size_t len)
{
	char size[OPTION_MAX];

	if (!len || len >= sizeof(size))
		return INVALID(p->err, "tmpfs must be in format "
				       "PATH[:SIZE][:OPTIONS]");
	memcpy(size, text, len);
	size[len] = 0;
	p->seen[OPT_SIZE] = true;
	return set_size(p, size, &p->m.size_mib);
}

int grammar_tmpfs(const char *text, struct mount_arg *ret, struct err *err)
{
	struct parser p = { .flavour = MOUNT_ARG_TMPFS,
			    .noun = "mount option",
			    .m.format = -1,
			    .err = err };
	size_t len = strcspn(text, ":");
	const char *rest = text[len] ? text + len + 1 : NULL;
	int rc;

	if (!len)
		return INVALID(err, "tmpfs path must not be empty");
	rc = set_places(&p, NULL, 0, text, len);
	if (!rc && rest && (strchr(rest, ':') || !is_option_list(rest))) {
		len = strcspn(rest, ":");
		rc = tmpfs_size(&p, rest, len);
		rest = rest[len] ? rest + len + 1 : NULL;
	}
	if (!rc && rest)
		rc = options(&p, rest);
	return finish(&p, rc, ret);
}
