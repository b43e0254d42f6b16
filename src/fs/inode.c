/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inode table. A guest may know a million files, the host grants us a
 * thousand descriptors; so an inode is a name, and descriptors are a cache.
 *
 * 1. An inode is in the table while the guest holds references (nlookup), has
 *    it open (handles), or a child is named relative to it (nchildren).
 * 2. (parent, name) is the newest name the guest used. The chain of parents
 *    ends at the root and has no cycles (3). The host may rename anything at
 *    any time, so what a walk down the chain finds counts only when its key is
 *    the inode's; else the answer is ESTALE, on which the guest looks the path
 *    up again.
 * 3. A directory that has children is not given a parent below itself, which
 *    stale names could otherwise bring about.
 * 4. When the guest removes the name we know, the descriptor is opened before
 *    and pinned until the guest forgets the inode. Pins are limited; the
 *    oldest lose their descriptor and become unreachable unless open.
 * 5. Unpinned descriptors are closed, least recently used first, between
 *    requests only: inside one request they may be borrowed. What else is to be
 *    closed waits until nobody waits for us.
 * 6. The inode of a single-file export is found by name at each use, and takes
 *    the identity of whatever regular file it finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "fs/fs_int.h"

#define HASH_MIN 256u
#define MAX_INODES_DEFAULT (1u << 20)

static uint32_t hash_of(const struct fs_server *s, const struct fs_key *key)
{
	uint64_t h = s->seed ^ key->ino;

	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h ^= key->btime_ns ^ ((uint64_t)key->major << 32 | key->minor);
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	h ^= key->mnt ^ ((uint64_t)key->type << 40);
	h = (h ^ (h >> 31)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h ^ (h >> 32)) & (s->hash_size - 1);
}

static struct fs_inode **name_slot(struct fs_server *s,
				   const struct fs_inode *parent,
				   const char *name)
{
	uint64_t h = s->seed ^ parent->nodeid;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return &s->names[(h ^ h >> 32) & (FS_NAMES - 1)];
}

struct fs_inode *fs_inode_by_name(struct fs_server *s,
				  const struct fs_inode *parent,
				  const char *name)
{
	struct fs_inode *in = *name_slot(s, parent, name);

	return in && in->parent == parent && !strcmp(in->name, name) ? in
								     : NULL;
}

static void name_drop(struct fs_server *s, struct fs_inode *in)
{
	struct fs_inode **slot;

	if (!in->name)
		return;
	slot = name_slot(s, in->parent, in->name);
	if (*slot == in)
		*slot = NULL;
	free(in->name);
	in->name = NULL;
}

bool fs_key_equal(const struct fs_key *a, const struct fs_key *b)
{
	return a->ino == b->ino && a->btime_ns == b->btime_ns &&
	       a->mnt == b->mnt && a->major == b->major &&
	       a->minor == b->minor && a->type == b->type;
}

static void hash_add(struct fs_server *s, struct fs_inode *in)
{
	struct fs_inode **bucket = &s->hash[hash_of(s, &in->key)];

	in->hash_next = *bucket;
	*bucket = in;
}

static void hash_del(struct fs_server *s, struct fs_inode *in)
{
	struct fs_inode **p = &s->hash[hash_of(s, &in->key)];

	while (*p != in)
		p = &(*p)->hash_next;
	*p = in->hash_next;
}

/* Doubling is an optimisation: without memory the chains just grow. */
static void hash_grow(struct fs_server *s)
{
	uint32_t old_size = s->hash_size;
	struct fs_inode **old = s->hash;
	struct fs_inode **hash =
		calloc((size_t)old_size * 2, sizeof(struct fs_inode *));

	if (!hash)
		return;
	s->hash = hash;
	s->hash_size = old_size * 2;
	for (uint32_t i = 0; i < old_size; i++) {
		for (struct fs_inode *in = old[i], *next; in; in = next) {
			next = in->hash_next;
			hash_add(s, in);
		}
	}
	free(old);
}

static void fd_install(struct fs_server *s, struct fs_inode *in, int *fd)
{
	in->fd = take_fd(fd);
	if (in->pinned) {
		list_add_tail(&s->pins, &in->lru);
		s->npins++;
	} else {
		list_add_tail(&s->fds, &in->lru);
		s->nfds++;
	}
}

void fs_close_later(struct fs_server *s, int *fd)
{
	if (*fd < 0)
		return;
	if (s->nclosing == ARRAY_SIZE(s->closing)) {
		close_fd(fd);
		return;
	}
	s->closing[s->nclosing++] = take_fd(fd);
}

static void fd_drop(struct fs_server *s, struct fs_inode *in)
{
	if (in->fd < 0)
		return;
	list_del(&in->lru);
	if (in->pinned)
		s->npins--;
	else
		s->nfds--;
	if (in->pinned && !in->handles)
		fs_quota_closing(s, in->fd);
	fs_close_later(s, &in->fd);
}

bool fs_fds_trim(struct fs_server *s, uint32_t keep)
{
	bool any = s->nclosing || s->nfds > keep;

	while (s->nclosing)
		close_fd(&s->closing[--s->nclosing]);
	while (s->nfds > keep) {
		int fd;

		fd_drop(s, container_of(s->fds.next, struct fs_inode, lru));
		fd = s->closing[--s->nclosing];
		close_fd(&fd);
	}
	return any;
}

void fs_idle(struct fs_server *s)
{
	(void)fs_fds_trim(s, s->max_fds);
}

/* Invariant 4. The newest pin is never the victim. */
static void pins_trim(struct fs_server *s)
{
	if (s->npins > s->max_fds)
		fd_drop(s, container_of(s->pins.next, struct fs_inode, lru));
}

static struct fs_inode *inode_new(struct fs_server *s, const struct fs_key *key)
{
	struct fs_inode *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->fd = -1;
	in->key = *key;
	list_init(&in->lru);
	if (slots_add(&s->inodes, in, &in->nodeid)) {
		free(in);
		return NULL;
	}
	if (s->inodes.used > s->hash_size)
		hash_grow(s);
	hash_add(s, in);
	return in;
}

/* Free the inode and then its ancestors, as far as nothing holds them. */
static void inode_put(struct fs_server *s, struct fs_inode *in)
{
	while (in && in != s->root && !in->nlookup && !in->handles &&
	       !in->nchildren) {
		struct fs_inode *parent = in->parent;

		if (in == s->single)
			s->single = NULL;
		hash_del(s, in);
		slots_del(&s->inodes, in->nodeid);
		fd_drop(s, in);
		name_drop(s, in);
		free(in);
		if (parent)
			parent->nchildren--;
		in = parent;
	}
}

static void unname(struct fs_server *s, struct fs_inode *in)
{
	struct fs_inode *parent = in->parent;

	name_drop(s, in);
	in->parent = NULL;
	if (parent) {
		parent->nchildren--;
		inode_put(s, parent);
	}
}

static bool is_below(const struct fs_inode *in, const struct fs_inode *top)
{
	for (; in; in = in->parent)
		if (in == top)
			return true;
	return false;
}

/* Invariants 2 and 3. */
static int set_name(struct fs_server *s, struct fs_inode *in,
		    struct fs_inode *parent, const char *name)
{
	char *copy;

	if (in == s->root)
		return 0; /* a directory bound below itself */
	if (in->parent == parent && in->name && !strcmp(in->name, name))
		return 0;
	if (in->nchildren && is_below(parent, in))
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	parent->nchildren++; /* before unname, which may free it */
	unname(s, in);
	in->parent = parent;
	in->name = copy;
	*name_slot(s, parent, copy) = in;
	if (in->pinned) {
		in->pinned = false;
		if (in->fd >= 0) {
			list_del(&in->lru);
			list_add_tail(&s->fds, &in->lru);
			s->npins--;
			s->nfds++;
		}
	}
	return 0;
}

int fs_table_init(struct fs_server *s, uint32_t max_inodes)
{
	struct rlimit rl;
	struct statx st;
	struct fs_key key;
	int rc = fs_statx(s->root_fd, "", &st);
	uint32_t limit = 1024;

	if (rc)
		return rc;
	if (getrandom(&s->seed, sizeof(s->seed), 0) < 0)
		return -errno;
	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < 8192)
		limit = (uint32_t)rl.rlim_cur / 8;
	s->max_fds = limit > 16 ? limit : 16;
	list_init(&s->fds);
	list_init(&s->pins);
	slots_init(&s->inodes, max_inodes ? max_inodes : MAX_INODES_DEFAULT);
	slots_init(&s->handles, FS_MAX_HANDLES);
	s->hash_size = HASH_MIN;
	s->hash = calloc(HASH_MIN, sizeof(struct fs_inode *));
	if (!s->hash)
		return -ENOMEM;
	fs_key_of(s, &st, &key);
	s->root = inode_new(s, &key);
	return s->root ? 0 : -ENOMEM;
}

void fs_table_fini(struct fs_server *s)
{
	for (uint32_t i = 0; i < s->handles.n; i++)
		if (s->handles.v[i].p)
			fs_handle_close(s, s->handles.v[i].p);
	for (uint32_t i = 0; i < s->inodes.n; i++) {
		struct fs_inode *in = s->inodes.v[i].p;

		if (!in)
			continue;
		fd_drop(s, in);
		free(in->name);
		free(in);
	}
	(void)fs_fds_trim(s, UINT32_MAX);
	slots_fini(&s->handles);
	slots_fini(&s->inodes);
	free(s->hash);
	s->hash = NULL;
	memset(s->names, 0, sizeof(s->names));
	s->root = s->single = NULL;
	s->nfds = s->npins = 0;
	s->dirbuf.owner = 0;
}

struct fs_inode *fs_inode_by_id(struct fs_server *s, uint64_t nodeid)
{
	struct fs_inode *in = slots_get(&s->inodes, nodeid);

	/* One that is only a path to others is not the guest's to use. */
	if (in && in != s->root && !in->nlookup)
		return NULL;
	return in;
}

struct fs_inode *fs_inode_by_key(struct fs_server *s, const struct fs_key *key)
{
	struct fs_inode *in = s->hash[hash_of(s, key)];

	while (in && !fs_key_equal(&in->key, key))
		in = in->hash_next;
	return in;
}

static void rekey(struct fs_server *s, struct fs_inode *in,
		  const struct fs_key *key)
{
	hash_del(s, in);
	in->key = *key;
	in->seen.ctime_ns = in->ov_ctime_ns = in->ov_until_ms = 0;
	hash_add(s, in);
}

int fs_inode_get(struct fs_server *s, const struct fs_key *key,
		 struct fs_inode *parent, const char *name, int *fd,
		 struct fs_inode **ret)
{
	struct fs_inode *in = fs_inode_by_key(s, key);
	int rc;

	if (!in && s->single) { /* invariant 6 */
		in = s->single;
		rekey(s, in, key);
		fd_drop(s, in);
	}
	if (!in) {
		if (s->inodes.used >= s->inodes.max)
			return -ENFILE;
		in = inode_new(s, key);
		if (!in)
			return -ENOMEM;
	}
	rc = parent ? set_name(s, in, parent, name) : 0;
	if (rc) {
		inode_put(s, in);
		return rc;
	}
	if (s->file)
		s->single = in;
	in->pinned = !in->parent && in != s->root;
	if (in->fd < 0 && *fd >= 0)
		fd_install(s, in, fd);
	in->nlookup++;
	pins_trim(s);
	*ret = in;
	return 0;
}

void fs_inode_forget(struct fs_server *s, struct fs_inode *in, uint64_t n)
{
	in->nlookup -= n < in->nlookup ? n : in->nlookup;
	inode_put(s, in);
}

int fs_inode_hold(struct fs_server *s, struct fs_inode *in, int *fd_in)
{
	autoclose int own = -1;
	int fd;

	if (in->fd < 0 && *fd_in >= 0) {
		fd_install(s, in, fd_in);
		return 0;
	}
	fd = fs_inode_fd(s, in);
	if (fd < 0)
		return fd;
	if (in->fd >= 0)
		return 0;
	own = fs_reopen(s, fd, O_PATH); /* fd is of a handle, may be closed */
	if (own < 0)
		return own;
	fd_install(s, in, &own);
	return 0;
}

void fs_inode_orphan(struct fs_server *s, struct fs_inode *in)
{
	if (in->pinned || in == s->root)
		return;
	in->pinned = true;
	if (in->fd >= 0) {
		list_del(&in->lru);
		list_add_tail(&s->pins, &in->lru);
		s->nfds--;
		s->npins++;
	}
	unname(s, in);
	pins_trim(s);
	inode_put(s, in);
}

int fs_inode_move(struct fs_server *s, struct fs_inode *in,
		  struct fs_inode *parent, const char *name)
{
	return set_name(s, in, parent, name);
}

/* Invariant 2: fd was found where in should be. It is taken. */
static int check_step(struct fs_server *s, const struct fs_inode *in, int found)
{
	autoclose int fd = found;
	struct fs_key key;
	struct statx st;
	int rc;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ESTALE;
	if (fd < 0)
		return fd;
	rc = fs_statx(fd, "", &st);
	if (rc)
		return rc;
	fs_key_of(s, &st, &key);
	if (!fs_key_equal(&key, &in->key))
		return -ESTALE;
	return take_fd(&fd);
}

/* Open name in dirfd as the inode it should be. */
static int open_step(struct fs_server *s, int dirfd, const struct fs_inode *in)
{
	return check_step(s, in, fs_open_child(s, dirfd, in->name));
}

/* The same for several steps at once, from the one below dirfd to in. */
static int open_steps(struct fs_server *s, int dirfd,
		      const struct fs_inode *step, const struct fs_inode *in)
{
	char path[PATH_MAX];
	size_t len = 0;

	for (;; step = step->down) {
		size_t n = strlen(step->name);

		if (n + 1 > sizeof(path) - len)
			return -ENAMETOOLONG;
		memcpy(path + len, step->name, n);
		len += n;
		path[len++] = step == in ? 0 : '/';
		if (step == in)
			break;
	}
	return check_step(s, in, fs_open_path(s, dirfd, path));
}

/* Invariant 6. */
static int single_fd(struct fs_server *s)
{
	struct fs_inode *in = s->single;
	autoclose int fd = fs_open_child(s, s->root_fd, s->file);
	struct fs_key key;
	struct statx st;

	if (fd < 0 || fs_statx(fd, "", &st) || !S_ISREG(st.stx_mode))
		return in->fd >= 0 ? in->fd : -ESTALE; /* the one it was */
	fs_key_of(s, &st, &key);
	if (fs_key_equal(&key, &in->key) && in->fd >= 0)
		return in->fd;
	rekey(s, in, &key);
	fd_drop(s, in);
	fd_install(s, in, &fd);
	return in->fd;
}

static int borrowed_fd(struct fs_server *s, struct fs_inode *in)
{
	if (in == s->root)
		return s->root_fd;
	if (in->fd >= 0) {
		struct list *lru = in->pinned ? &s->pins : &s->fds;

		list_del(&in->lru);
		list_add_tail(lru, &in->lru);
		return in->fd;
	}
	return in->handles ? in->handles->fd : -1;
}

int fs_inode_fd(struct fs_server *s, struct fs_inode *in)
{
	autoclose int temp = -1; /* of an ancestor not worth caching */
	struct fs_inode *top = in, *step;
	uint32_t depth = 0;
	int fd;

	if (in == s->single)
		return single_fd(s);
	in->down = NULL;
	while ((fd = borrowed_fd(s, top)) < 0) {
		if (!top->parent || ++depth > FS_MAX_DEPTH)
			return -ESTALE;
		top->parent->down = top;
		top = top->parent;
	}
	/* Keep the file and its directory: siblings are looked up next. */
	step = top->down;
	if (depth > 2) {
		int next = open_steps(s, fd, step, in->parent);

		if (next >= 0) { /* else it is told apart step by step */
			fd = next;
			fd_install(s, in->parent, &next);
			step = in;
		}
	}
	for (; step; step = step->down) {
		int next = open_step(s, fd, step);

		close_fd(&temp);
		if (next < 0)
			return next;
		fd = next;
		if (!step->down || !step->down->down)
			fd_install(s, step, &next);
		else
			temp = next;
	}
	return fd;
}

struct fs_handle *fs_handle_get(struct fs_server *s, uint64_t fh,
				const struct fs_inode *in, bool dir)
{
	struct fs_handle *h = slots_get(&s->handles, fh);

	return h && (!in || h->inode == in) && h->dir == dir ? h : NULL;
}

int fs_handle_add(struct fs_server *s, struct fs_inode *in, int *fd, bool dir,
		  uint64_t *ret_fh)
{
	struct fs_handle *h = calloc(1, sizeof(*h));
	int rc = h ? slots_add(&s->handles, h, &h->fh) : -ENOMEM;

	if (rc) {
		free(h);
		return rc;
	}
	h->inode = in;
	h->dir = dir;
	h->fd = take_fd(fd);
	h->next = in->handles;
	in->handles = h;
	*ret_fh = h->fh;
	return 0;
}

void fs_handle_close(struct fs_server *s, struct fs_handle *h)
{
	struct fs_handle **p = &h->inode->handles;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	if (s->dirbuf.owner == h->fh)
		s->dirbuf.owner = 0;
	slots_del(&s->handles, h->fh);
	if (h->fd >= 0 && h->inode->fd < 0 && !h->inode->handles)
		fs_quota_closing(s, h->fd);
	fs_close_later(s, &h->fd);
	inode_put(s, h->inode);
	free(h);
}
