/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a volume's files to the file server. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/volume_fs_int.h"

#define CLIENT_PID 1u

struct piece {
	const void *p;
	size_t len;
};

/* A request of arg and up to two pieces behind it; its reply is data, which has
 * room bytes. Its length, or -errno. */
static ssize_t call(struct volume_fs *v, uint32_t opcode, uint64_t node,
		    struct piece arg, struct piece one, struct piece two,
		    void *data, size_t room)
{
	struct fuse_in_header h = {
		.opcode = opcode, .nodeid = node, .unique = 1, .pid = CLIENT_PID
	};
	struct fuse_out_header o = { 0 };
	struct iovec in[] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)arg.p, arg.len },
		{ (void *)(uintptr_t)one.p, one.len },
		{ (void *)(uintptr_t)two.p, two.len },
	};
	struct iovec out[] = { { &o, sizeof(o) }, { data, room } };

	h.len = (uint32_t)(sizeof(h) + arg.len + one.len + two.len);
	if (fs_handle(v->s, in, ARRAY_SIZE(in), out, ARRAY_SIZE(out)) <
	    (ssize_t)sizeof(o))
		return -EIO;
	return o.error ? o.error : (ssize_t)(o.len - sizeof(o));
}

static struct piece none(void)
{
	return (struct piece){ "", 0 };
}

static struct piece text(const char *s)
{
	return (struct piece){ s, strlen(s) + 1 };
}

#define FIXED(x) ((struct piece){ &(x), sizeof(x) })

/* The reply of a fixed size, or none. */
static int fixed(struct volume_fs *v, uint32_t opcode, uint64_t node,
		 struct piece arg, struct piece one, struct piece two,
		 void *ret, size_t len)
{
	ssize_t n = call(v, opcode, node, arg, one, two, ret, len);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int vol_init(struct volume_fs *v)
{
	const struct fuse_init_in a = { .major = FUSE_KERNEL_VERSION,
					.minor = FUSE_KERNEL_MINOR_VERSION };
	struct fuse_init_out o;

	return fixed(v, FUSE_INIT, 0, FIXED(a), none(), none(), &o, sizeof(o));
}

/* ---- nodes -------------------------------------------------------------- */

static int hold(struct volume_fs *v, uint64_t node)
{
	if (v->nheld == v->held_cap) {
		size_t cap = v->held_cap ? 2 * v->held_cap : 64;
		uint64_t *more = reallocarray(v->held, cap, sizeof(*more));

		if (!more) {
			vol_forget(v, node);
			return -ENOMEM;
		}
		v->held = more;
		v->held_cap = cap;
	}
	v->held[v->nheld++] = node;
	return 0;
}

void vol_keep(struct volume_fs *v, uint64_t node)
{
	for (size_t i = v->nheld; i-- > 0;)
		if (v->held[i] == node) {
			v->held[i] = v->held[--v->nheld];
			return;
		}
}

void vol_forget(struct volume_fs *v, uint64_t node)
{
	const struct fuse_forget_in a = { .nlookup = 1 };
	struct fuse_in_header h = { .opcode = FUSE_FORGET,
				    .nodeid = node,
				    .len = sizeof(h) + sizeof(a) };
	struct iovec in[] = { { &h, sizeof(h) },
			      { (void *)(uintptr_t)&a, sizeof(a) } };

	(void)fs_handle(v->s, in, ARRAY_SIZE(in), NULL, 0); /* no reply */
}

void vol_release_nodes(struct volume_fs *v)
{
	while (v->nheld)
		vol_forget(v, v->held[--v->nheld]);
	fs_idle(v->s);
	fs_tell_growth(v->s);
}

int vol_lookup(struct volume_fs *v, uint64_t dir, const char *name,
	       struct fuse_entry_out *ret)
{
	int rc = fixed(v, FUSE_LOOKUP, dir, none(), text(name), none(), ret,
		       sizeof(*ret));

	return rc ? rc : hold(v, ret->nodeid);
}

/* ---- attributes --------------------------------------------------------- */

int vol_getattr(struct volume_fs *v, uint64_t node, const uint64_t *fh,
		struct fuse_attr *ret)
{
	const struct fuse_getattr_in a = { .getattr_flags =
						   fh ? FUSE_GETATTR_FH : 0,
					   .fh = fh ? *fh : 0 };
	struct fuse_attr_out o;
	int rc = fixed(v, FUSE_GETATTR, node, FIXED(a), none(), none(), &o,
		       sizeof(o));

	if (!rc)
		*ret = o.attr;
	return rc;
}

int vol_setattr(struct volume_fs *v, uint64_t node,
		const struct fuse_setattr_in *a)
{
	struct fuse_attr_out o;

	return fixed(v, FUSE_SETATTR, node, FIXED(*a), none(), none(), &o,
		     sizeof(o));
}

int vol_readlink(struct volume_fs *v, uint64_t node, char *buf)
{
	ssize_t n = call(v, FUSE_READLINK, node, none(), none(), none(), buf,
			 PATH_MAX - 1);

	if (n < 0)
		return (int)n;
	buf[n] = 0;
	if (!n || memchr(buf, 0, (size_t)n))
		return -ENOENT;
	return (int)n;
}

/* ---- names -------------------------------------------------------------- */

int vol_mkdir(struct volume_fs *v, uint64_t dir, const char *name,
	      struct fuse_entry_out *ret)
{
	const struct fuse_mkdir_in a = { .mode = 0777, .umask = VOL_UMASK };
	int rc = fixed(v, FUSE_MKDIR, dir, FIXED(a), text(name), none(), ret,
		       sizeof(*ret));

	return rc ? rc : hold(v, ret->nodeid);
}

int vol_symlink(struct volume_fs *v, uint64_t dir, const char *name,
		const char *target)
{
	struct fuse_entry_out e;
	int rc = fixed(v, FUSE_SYMLINK, dir, none(), text(name), text(target),
		       &e, sizeof(e));

	return rc ? rc : hold(v, e.nodeid);
}

int vol_unlink(struct volume_fs *v, uint64_t dir, const char *name, bool is_dir)
{
	return fixed(v, is_dir ? FUSE_RMDIR : FUSE_UNLINK, dir, none(),
		     text(name), none(), NULL, 0);
}

int vol_rename(struct volume_fs *v, uint64_t dir, const char *name,
	       uint64_t dir2, const char *name2)
{
	const struct fuse_rename2_in a = { .newdir = dir2 };

	return fixed(v, FUSE_RENAME2, dir, FIXED(a), text(name), text(name2),
		     NULL, 0);
}

/* ---- open files --------------------------------------------------------- */

int vol_create(struct volume_fs *v, uint64_t dir, const char *name,
	       uint32_t flags, uint32_t mode, uint64_t *ret_node,
	       uint64_t *ret_fh)
{
	const struct fuse_create_in a = { .flags = flags,
					  .mode = mode,
					  .umask = VOL_UMASK };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} o;
	int rc = fixed(v, FUSE_CREATE, dir, FIXED(a), text(name), none(), &o,
		       sizeof(o));

	if (rc)
		return rc;
	rc = hold(v, o.entry.nodeid);
	if (rc) {
		vol_close(v, o.open.fh);
		return rc;
	}
	*ret_node = o.entry.nodeid;
	*ret_fh = o.open.fh;
	return 0;
}

static int open_node(struct volume_fs *v, uint32_t opcode, uint64_t node,
		     uint32_t flags, uint64_t *ret_fh)
{
	const struct fuse_open_in a = { .flags = flags };
	struct fuse_open_out o;
	int rc =
		fixed(v, opcode, node, FIXED(a), none(), none(), &o, sizeof(o));

	if (!rc)
		*ret_fh = o.fh;
	return rc;
}

int vol_open(struct volume_fs *v, uint64_t node, uint32_t flags,
	     uint64_t *ret_fh)
{
	return open_node(v, FUSE_OPEN, node, flags, ret_fh);
}

static void release(struct volume_fs *v, uint32_t opcode, uint64_t fh)
{
	const struct fuse_release_in a = { .fh = fh };

	/* what was written is the host's; nothing is left to fail */
	(void)fixed(v, opcode, 0, FIXED(a), none(), none(), NULL, 0);
}

void vol_close(struct volume_fs *v, uint64_t fh)
{
	release(v, FUSE_RELEASE, fh);
}

ssize_t vol_read(struct volume_fs *v, uint64_t node, uint64_t fh, uint64_t off,
		 void *data, size_t len)
{
	const struct fuse_read_in a = { .fh = fh,
					.offset = off,
					.size = (uint32_t)len };

	return call(v, FUSE_READ, node, FIXED(a), none(), none(), data, len);
}

int vol_write(struct volume_fs *v, const struct vol_file *f, uint64_t off,
	      const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		struct fuse_write_in a = {
			.fh = f->fh,
			.offset = off,
			.size = len < VOL_IO ? (uint32_t)len : VOL_IO,
			.flags = f->append ? O_APPEND : 0,
		};
		struct fuse_write_out o;
		int rc = fixed(v, FUSE_WRITE, f->node, FIXED(a),
			       (struct piece){ p, a.size }, none(), &o,
			       sizeof(o));

		if (rc)
			return rc;
		if (!o.size || o.size > len)
			return -EIO;
		p += o.size;
		off += o.size;
		len -= o.size;
	}
	return 0;
}

/* ---- directories -------------------------------------------------------- */

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The entries of one reply; *off is behind the last one. */
static int entries(struct volume_fs *v, size_t len, uint64_t *off,
		   vol_entry_fn fn, void *ctx)
{
	struct fuse_direntplus e;
	int rc = 0;

	for (size_t pos = 0; len - pos >= FUSE_NAME_OFFSET_DIRENTPLUS;) {
		char name[FS_NAME_MAX + 1];

		memcpy(&e, v->out + pos, FUSE_NAME_OFFSET_DIRENTPLUS);
		if (e.dirent.namelen > FS_NAME_MAX ||
		    FUSE_DIRENTPLUS_SIZE(&e) > len - pos)
			return -EIO;
		memcpy(name, v->out + pos + FUSE_NAME_OFFSET_DIRENTPLUS,
		       e.dirent.namelen);
		name[e.dirent.namelen] = 0;
		pos += FUSE_DIRENTPLUS_SIZE(&e);
		*off = e.dirent.off;
		if (!rc && !is_dots(name))
			rc = fn(ctx, name,
				e.entry_out.nodeid ? &e.entry_out.attr : NULL);
		/* all of them have been told to us */
		if (e.entry_out.nodeid)
			vol_forget(v, e.entry_out.nodeid);
	}
	return rc;
}

int vol_readdir(struct volume_fs *v, uint64_t node, vol_entry_fn fn, void *ctx)
{
	struct fuse_read_in a = { .size = VOL_REPLY };
	int rc = open_node(v, FUSE_OPENDIR, node, O_RDONLY, &a.fh);
	ssize_t n = 0;

	if (rc)
		return rc;
	do {
		n = call(v, FUSE_READDIRPLUS, node, FIXED(a), none(), none(),
			 v->out, VOL_REPLY);
		if (n > 0)
			rc = entries(v, (size_t)n, &a.offset, fn, ctx);
	} while (n > 0 && !rc);
	release(v, FUSE_RELEASEDIR, a.fh);
	return n < 0 ? (int)n : rc;
}
