/* SPDX-License-Identifier: Apache-2.0 */
/* Users of the guest. */
#include "agent/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define FILE_MAX_SIZE (8u << 20)
#define SETTLE_NS (100 * NSEC_PER_MSEC)

static struct view trim(struct view v)
{
	while (v.len && (v.p[0] == ' ' || (v.p[0] >= 9 && v.p[0] <= 13))) {
		v.p++;
		v.len--;
	}
	while (v.len && (v.p[v.len - 1] == ' ' ||
			 (v.p[v.len - 1] >= 9 && v.p[v.len - 1] <= 13)))
		v.len--;
	return v;
}

/* Cut the text up to sep off the front of *rest; false at its end. */
static bool next_part(struct view *rest, char sep, struct view *ret)
{
	const uint8_t *end;

	if (!rest->p)
		return false;
	end = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
	ret->p = rest->p;
	if (!end) {
		ret->len = rest->len;
		*rest = (struct view){ 0 };
		return true;
	}
	ret->len = (size_t)(end - rest->p);
	rest->len -= ret->len + 1;
	rest->p = end + 1;
	return true;
}

static bool same(struct view a, struct view b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static bool to_u32(struct view v, uint32_t *ret)
{
	uint64_t n = 0;

	if (!v.len || v.len > 10)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (v.p[i] - '0');
	}
	if (n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* name:password:uid:gid:gecos:home:shell; shorter lines may lack the tail. */
static bool passwd_parse(struct view line, struct passwd_entry *e)
{
	struct view skip, uid, gid;

	*e = (struct passwd_entry){ 0 };
	if (!next_part(&line, ':', &e->name) || !e->name.len ||
	    !next_part(&line, ':', &skip) || !next_part(&line, ':', &uid) ||
	    !next_part(&line, ':', &gid) || !to_u32(uid, &e->uid) ||
	    !to_u32(gid, &e->gid))
		return false;
	if (next_part(&line, ':', &skip))
		(void)next_part(&line, ':', &e->home); /* absent: no home */
	return true;
}

int passwd_find(struct view text, struct view name, uint32_t uid,
		struct passwd_entry *ret)
{
	struct passwd_entry e;
	struct view line;

	while (next_part(&text, '\n', &line)) {
		if (!passwd_parse(line, &e))
			continue;
		if (name.p ? same(e.name, name) : e.uid == uid) {
			*ret = e;
			return 0;
		}
	}
	return -ENOENT;
}

/* name:password:gid:member,member,... */
static bool group_parse(struct view line, struct view *name, uint32_t *gid,
			struct view *members)
{
	struct view skip, id;

	*members = (struct view){ 0 };
	if (!next_part(&line, ':', name) || !name->len ||
	    !next_part(&line, ':', &skip) || !next_part(&line, ':', &id) ||
	    !to_u32(id, gid))
		return false;
	(void)next_part(&line, ':', members); /* absent: no members */
	return true;
}

int group_find(struct view text, struct view name, uint32_t *ret_gid)
{
	struct view line, found, members;
	uint32_t gid;

	while (next_part(&text, '\n', &line)) {
		if (!group_parse(line, &found, &gid, &members) ||
		    !same(found, name))
			continue;
		*ret_gid = gid;
		return 0;
	}
	return -ENOENT;
}

static bool has_member(struct view members, struct view user)
{
	struct view one;

	while (next_part(&members, ',', &one))
		if (same(trim(one), user))
			return true;
	return false;
}

size_t group_list(struct view text, struct view user, uint32_t gid, gid_t *ret,
		  size_t max)
{
	struct view line, name, members;
	size_t n = 0, i;
	uint32_t found;

	if (!max)
		return 0;
	ret[n++] = gid;
	while (n < max && next_part(&text, '\n', &line)) {
		if (!group_parse(line, &name, &found, &members) ||
		    !has_member(members, user))
			continue;
		for (i = 0; i < n && ret[i] != found; i++)
			;
		if (i == n)
			ret[n++] = found;
	}
	return n;
}

bool user_spec_is_blank(struct view spec)
{
	return !spec.p || !trim(spec).len;
}

int user_spec_parse(struct view spec, struct user_spec *ret, struct err *err)
{
	struct user_spec s = { 0 };

	spec = trim(spec);
	if (!spec.len || !next_part(&spec, ':', &s.user))
		return err_set(err, ERR_INVALID, EINVAL,
			       "user spec has empty user");
	s.user = trim(s.user);
	if (!s.user.len)
		return err_set(err, ERR_INVALID, EINVAL,
			       "user spec has empty user");
	if (spec.p) {
		s.group = trim(spec);
		if (!s.group.len)
			return err_set(err, ERR_INVALID, EINVAL,
				       "user spec has empty group");
		s.group_is_id = to_u32(s.group, &s.gid);
	}
	s.user_is_id = to_u32(s.user, &s.uid);
	*ret = s;
	return 0;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void forget(struct text_file *f)
{
	free(f->text);
	*f = (struct text_file){ 0 };
}

/* A change within one tick of the clock may leave no trace in the times. */
static bool is_settled(const struct stat *st)
{
	uint64_t now = clock_wall_ns();
	uint64_t changed = (uint64_t)st->st_ctim.tv_sec * NSEC_PER_SEC +
			   (uint64_t)st->st_ctim.tv_nsec;

	return now > changed && now - changed > SETTLE_NS;
}

static void load(struct text_file *f, const char *path)
{
	/* not blocking: the guest may have put a FIFO there */
	autoclose int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct buf b = { .max = FILE_MAX_SIZE };

	forget(f);
	if (fd < 0 || fstat(fd, &f->st) < 0 || !S_ISREG(f->st.st_mode))
		return;
	(void)io_read_all(fd, &b); /* what was read so far is used */
	f->len = buf_len(&b);
	f->settled = is_settled(&f->st);
	f->text = buf_take_str(&b);
	if (!f->text)
		f->len = 0;
	buf_fini(&b);
}

/* The whole file as it is now; a missing or unreadable one is empty. */
static struct view text_of(struct text_file *f, const char *path)
{
	struct stat st;

	if (!f->settled || stat(path, &st) < 0 || !unchanged(&st, &f->st))
		load(f, path);
	return (struct view){ (const uint8_t *)f->text, f->len };
}

void user_files_fini(struct user_files *f)
{
	forget(&f->passwd);
	forget(&f->group);
}

static void set_home(struct user_creds *c, struct view home)
{
	if (!home.len || home.len >= sizeof(c->home) ||
	    memchr(home.p, 0, home.len))
		return;
	memcpy(c->home, home.p, home.len);
	c->home[home.len] = 0;
}

/* No user asked for: root as it is, at home where passwd says. */
static void implicit_root(struct view passwd, struct user_creds *c)
{
	struct passwd_entry e;
	struct stat st;

	c->change = false;
	if (passwd_find(passwd, (struct view){ 0 }, 0, &e) == 0)
		set_home(c, e.home);
	if (!c->home[0])
		set_home(c, view_cstr(stat("/root", &st) == 0 ? "/root" : "/"));
}

static int resolve(struct user_files *f, const struct user_spec *s,
		   struct view passwd, struct user_creds *c, struct err *err)
{
	struct view wanted = { 0 }; /* a name, or nothing: then by number */
	struct passwd_entry e = { 0 };
	struct view groups;
	bool known;

	if (!s->user_is_id)
		wanted = s->user;
	known = passwd_find(passwd, wanted, s->uid, &e) == 0;
	if (!known && !s->user_is_id)
		return err_set(err, ERR_INVALID, ENOENT,
			       "guest user not found: %.*s", (int)s->user.len,
			       (const char *)s->user.p);
	groups = text_of(&f->group, "/etc/group");
	c->change = true;
	c->uid = known ? e.uid : s->uid;
	c->gid = known ? e.gid : getgid();
	if (s->group_is_id) {
		c->gid = s->gid;
	} else if (s->group.p && group_find(groups, s->group, &c->gid)) {
		return err_set(err, ERR_INVALID, ENOENT,
			       "guest group not found: %.*s", (int)s->group.len,
			       (const char *)s->group.p);
	}
	if (known) {
		c->ngroups = group_list(groups, e.name, c->gid, c->groups,
					USER_GROUPS_MAX);
		set_home(c, e.home);
	}
	return 0;
}

int user_resolve(struct user_files *f, struct view spec, struct user_creds *ret,
		 struct err *err)
{
	struct view passwd = text_of(&f->passwd, "/etc/passwd");
	struct user_spec s = { 0 };
	int rc;

	ret->change = false;
	ret->uid = ret->gid = 0;
	ret->ngroups = 0;
	ret->home[0] = 0;
	if (user_spec_is_blank(spec)) {
		implicit_root(passwd, ret);
		return 0;
	}
	rc = user_spec_parse(spec, &s, err);
	return rc ? rc : resolve(f, &s, passwd, ret, err);
}
