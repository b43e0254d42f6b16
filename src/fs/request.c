/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request from bytes to bytes: the table of operations, the checks that
 * are the same for all of them, session start and end, and the reply.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "base/iov.h"
#include "fs/ops.h"

/* From later versions of <linux/fuse.h>. */
#define FS_OP_STATX 52
#define FS_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#define FS_MIN_MINOR 31
/* Descriptors above the limit that may wait for fs_idle(). */
#define FDS_SLACK 8u

enum {
	OP_WRITE = 1 << 0,   /* changes something: not on read-only exports */
	OP_BULK = 1 << 1,    /* the body after arg stays where it is */
	OP_NOREPLY = 1 << 2, /* never answered */
	OP_NONODE = 1 << 3,  /* nodeid means nothing */
	OP_DIRECT = 1 << 4,  /* the handler fills the guest's buffers */
};

struct op {
	fs_op_fn *fn;
	uint16_t arg_len; /* fixed part of the body */
	uint16_t out_min; /* reply body that must fit */
	uint8_t names;	  /* file names after the fixed part */
	uint8_t flags;
};

static ssize_t op_init(struct fs_server *s, struct fs_req *r);

static ssize_t op_destroy(struct fs_server *s, struct fs_req *r)
{
	(void)r;
	fs_server_reset(s);
	return 0;
}

static ssize_t op_forget(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_forget_in *a = r->arg;
	struct fs_inode *in = fs_inode_by_id(s, r->h.nodeid);

	if (in)
		fs_inode_forget(s, in, a->nlookup);
	return 0;
}

static ssize_t op_batch_forget(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_batch_forget_in *a = r->arg;
	size_t count = r->in_len / sizeof(struct fuse_forget_one);

	if (count > a->count)
		count = a->count;
	for (size_t i = 0; i < count; i++) {
		struct fuse_forget_one one;
		struct fs_inode *in;

		(void)iov_read(r->in_iov, r->nin, r->in_off + i * sizeof(one),
			       &one, sizeof(one)); /* in_len covers it */
		in = fs_inode_by_id(s, one.nodeid);
		if (in)
			fs_inode_forget(s, in, one.nlookup);
	}
	return 0;
}

/* Requests are done when they are answered; there is nothing to interrupt. */
static ssize_t op_interrupt(struct fs_server *s, struct fs_req *r)
{
	(void)s;
	(void)r;
	return 0;
}

/* clang-format off: a table */
static const struct op ops[] = {
	[FUSE_INIT] = { op_init, 16, sizeof(struct fuse_init_out), 0,
			OP_NONODE },
	[FUSE_DESTROY] = { op_destroy, 0, 0, 0, OP_NONODE },
	[FUSE_FORGET] = { op_forget, sizeof(struct fuse_forget_in), 0, 0,
			  OP_NONODE | OP_NOREPLY },
	[FUSE_BATCH_FORGET] = { op_batch_forget,
				sizeof(struct fuse_batch_forget_in), 0, 0,
				OP_NONODE | OP_NOREPLY | OP_BULK },
	[FUSE_INTERRUPT] = { op_interrupt, 0, 0, 0, OP_NONODE | OP_NOREPLY },

	[FUSE_LOOKUP] = { fs_op_lookup, 0, sizeof(struct fuse_entry_out), 1,
			  0 },
	[FUSE_UNLINK] = { fs_op_unlink, 0, 0, 1, OP_WRITE },
	[FUSE_RMDIR] = { fs_op_rmdir, 0, 0, 1, OP_WRITE },
	[FUSE_RENAME] = { fs_op_rename, sizeof(struct fuse_rename_in), 0, 2,
			  OP_WRITE },
	[FUSE_RENAME2] = { fs_op_rename2, sizeof(struct fuse_rename2_in), 0, 2,
			   OP_WRITE },
	[FUSE_LINK] = { fs_op_link, sizeof(struct fuse_link_in),
			sizeof(struct fuse_entry_out), 1, OP_WRITE },

	[FUSE_GETATTR] = { fs_op_getattr, sizeof(struct fuse_getattr_in),
			   sizeof(struct fuse_attr_out), 0, 0 },
	[FS_OP_STATX] = { fs_op_statx, 24, 288, 0, 0 },
	[FUSE_SETATTR] = { fs_op_setattr, sizeof(struct fuse_setattr_in),
			   sizeof(struct fuse_attr_out), 0, OP_WRITE },
	[FUSE_ACCESS] = { fs_op_access, sizeof(struct fuse_access_in), 0, 0,
			  0 },
	[FUSE_STATFS] = { fs_op_statfs, 0, sizeof(struct fuse_statfs_out), 0,
			  0 },
	[FUSE_READLINK] = { fs_op_readlink, 0, 1, 0, 0 },

	[FUSE_CREATE] = { fs_op_create, sizeof(struct fuse_create_in),
			  sizeof(struct fuse_entry_out) +
				  sizeof(struct fuse_open_out),
			  1, OP_WRITE },
	[FUSE_TMPFILE] = { fs_op_tmpfile, sizeof(struct fuse_create_in),
			   sizeof(struct fuse_entry_out) +
				   sizeof(struct fuse_open_out),
			   0, OP_WRITE },
	[FUSE_MKNOD] = { fs_op_mknod, sizeof(struct fuse_mknod_in),
			 sizeof(struct fuse_entry_out), 1, OP_WRITE },
	[FUSE_MKDIR] = { fs_op_mkdir, sizeof(struct fuse_mkdir_in),
			 sizeof(struct fuse_entry_out), 1, OP_WRITE },
	[FUSE_SYMLINK] = { fs_op_symlink, 0, sizeof(struct fuse_entry_out), 1,
			   OP_WRITE },

	[FUSE_OPEN] = { fs_op_open, sizeof(struct fuse_open_in),
			sizeof(struct fuse_open_out), 0, 0 },
	[FUSE_READ] = { fs_op_read, sizeof(struct fuse_read_in), 0, 0,
			OP_DIRECT },
	[FUSE_WRITE] = { fs_op_write, sizeof(struct fuse_write_in),
			 sizeof(struct fuse_write_out), 0, OP_WRITE | OP_BULK },
	/* May arrive after the inode's FORGET, which has its own queue. */
	[FUSE_RELEASE] = { fs_op_release, sizeof(struct fuse_release_in), 0, 0,
			   OP_NONODE },
	[FUSE_FLUSH] = { fs_op_flush, sizeof(struct fuse_flush_in), 0, 0, 0 },
	[FUSE_FSYNC] = { fs_op_fsync, sizeof(struct fuse_fsync_in), 0, 0, 0 },
	[FUSE_FALLOCATE] = { fs_op_fallocate, sizeof(struct fuse_fallocate_in),
			     0, 0, OP_WRITE },
	[FUSE_LSEEK] = { fs_op_lseek, sizeof(struct fuse_lseek_in),
			 sizeof(struct fuse_lseek_out), 0, 0 },
	[FUSE_COPY_FILE_RANGE] = { fs_op_copy_file_range,
				   sizeof(struct fuse_copy_file_range_in),
				   sizeof(struct fuse_write_out), 0, OP_WRITE },

	[FUSE_OPENDIR] = { fs_op_opendir, sizeof(struct fuse_open_in),
			   sizeof(struct fuse_open_out), 0, 0 },
	[FUSE_READDIR] = { fs_op_readdir, sizeof(struct fuse_read_in), 0, 0,
			   0 },
	[FUSE_READDIRPLUS] = { fs_op_readdirplus, sizeof(struct fuse_read_in),
			       0, 0, 0 },
	[FUSE_RELEASEDIR] = { fs_op_release, sizeof(struct fuse_release_in), 0,
			      0, OP_NONODE },
	[FUSE_FSYNCDIR] = { fs_op_fsyncdir, sizeof(struct fuse_fsync_in), 0, 0,
			    0 },

	[FUSE_SETXATTR] = { fs_op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0, 0,
			    OP_WRITE },
	[FUSE_GETXATTR] = { fs_op_getxattr, sizeof(struct fuse_getxattr_in), 0,
			    0, 0 },
	[FUSE_LISTXATTR] = { fs_op_listxattr, sizeof(struct fuse_getxattr_in),
			     0, 0, 0 },
	[FUSE_REMOVEXATTR] = { fs_op_removexattr, 0, 0, 0, OP_WRITE },
};
/* clang-format on */

ssize_t fs_reply(struct fs_server *s, const void *data, size_t len)
{
	memcpy(s->out, data, len);
	return (ssize_t)len;
}

/* Capabilities taken when the guest's kernel offers them. */
static uint64_t wanted_flags(const struct fs_server *s)
{
	uint64_t flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC |
			 FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_ASYNC_DIO |
			 FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
			 FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;

	if (!s->file)
		flags |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	if (s->cache == FS_CACHE_NEVER)
		flags |= FS_DIRECT_IO_ALLOW_MMAP;
	else
		flags |= FUSE_CACHE_SYMLINKS; /* a link never changes */
	return flags;
}

static ssize_t op_init(struct fs_server *s, struct fs_req *r)
{
	struct fuse_init_out o = { .major = FUSE_KERNEL_VERSION,
				   .minor = FUSE_KERNEL_MINOR_VERSION };
	struct fuse_init_in a = { 0 };
	uint64_t flags;

	memcpy(&a, r->arg, 16);
	if (r->rest_len >= sizeof(a.flags2))
		memcpy(&a.flags2, r->rest, sizeof(a.flags2));
	if (a.major < FUSE_KERNEL_VERSION ||
	    (a.major == FUSE_KERNEL_VERSION && a.minor < FS_MIN_MINOR))
		return -EPROTO;
	if (a.major > FUSE_KERNEL_VERSION) /* the guest asks again, lower */
		return fs_reply(s, &o, sizeof(o));
	fs_server_reset(s);
	if (!s->root)
		return -ENOMEM;
	flags = a.flags;
	if (a.flags & FUSE_INIT_EXT)
		flags |= (uint64_t)a.flags2 << 32;
	flags &= wanted_flags(s);
	o.flags = (uint32_t)flags;
	o.flags2 = (uint32_t)(flags >> 32);
	o.max_readahead = a.max_readahead;
	o.max_background = 64;
	o.congestion_threshold = 48;
	o.max_write = FS_MAX_WRITE;
	o.max_pages = FS_MAX_PAGES;
	o.time_gran = 1;
	s->inited = true;
	return fs_reply(s, &o, sizeof(o));
}

/* The names behind the fixed part: NUL-terminated, in order. */
static int parse_names(struct fs_req *r, unsigned count)
{
	const char **name[] = { &r->name, &r->name2 };

	for (unsigned i = 0; i < count && i < ARRAY_SIZE(name); i++) {
		const uint8_t *end = memchr(r->rest, 0, r->rest_len);
		int rc;

		if (!end)
			return -EINVAL;
		*name[i] = (const char *)r->rest;
		rc = fs_name_check(*name[i]);
		if (rc)
			return rc;
		r->rest_len -= (size_t)(end + 1 - r->rest);
		r->rest = end + 1;
	}
	return 0;
}

/* Copy what of the body has to be looked at into scratch memory. */
static int load_body(struct fs_server *s, struct fs_req *r, const struct op *op)
{
	size_t len = r->h.len - sizeof(r->h);
	size_t want = op->flags & OP_BULK ? op->arg_len : len;

	if (len < op->arg_len)
		return -EINVAL;
	if (want > FS_SCRATCH)
		return -E2BIG;
	if (iov_read(r->in_iov, r->nin, sizeof(r->h), s->in, want) != want)
		return -EINVAL;
	r->arg = s->in;
	r->rest = s->in + op->arg_len;
	r->rest_len = want - op->arg_len;
	r->in_off = sizeof(r->h) + op->arg_len;
	r->in_len = len - op->arg_len;
	return 0;
}

static ssize_t run(struct fs_server *s, struct fs_req *r, const struct op *op)
{
	ssize_t rc = load_body(s, r, op);

	if (!rc)
		rc = parse_names(r, op->names);
	if (rc)
		return rc;
	if (r->room < op->out_min)
		return -EINVAL;
	if (!s->inited && op->fn != op_init)
		return -EIO;
	if (op->flags & OP_WRITE && s->readonly)
		return -EROFS;
	if (!(op->flags & OP_NONODE)) {
		r->inode = fs_inode_by_id(s, r->h.nodeid);
		if (!r->inode)
			return -ESTALE;
		/* The directory of a single-file export exists nowhere. */
		if (op->flags & OP_WRITE && s->file && r->inode == s->root)
			return -EPERM;
	}
	rc = op->fn(s, r);
	/* Handlers that fail have undone what they did. */
	if ((rc == -EMFILE || rc == -ENFILE) && fs_fds_trim(s, 0))
		rc = op->fn(s, r);
	return rc;
}

static const struct op *op_find(uint32_t opcode)
{
	if (opcode >= ARRAY_SIZE(ops) || !ops[opcode].fn)
		return NULL;
	return &ops[opcode];
}

static ssize_t reply_put(struct fs_server *s, const struct fs_req *r,
			 const struct op *op, ssize_t rc)
{
	struct fuse_out_header o = { .len = sizeof(o), .unique = r->h.unique };

	if (rc > 0 && (size_t)rc > r->room)
		rc = -EIO;
	if (rc < 0) {
		o.error = (int32_t)rc;
	} else {
		o.len += (uint32_t)rc;
		if (!op || !(op->flags & OP_DIRECT))
			(void)iov_write(r->out_iov, r->nout, sizeof(o), s->out,
					(size_t)rc);
	}
	(void)iov_write(r->out_iov, r->nout, 0, &o, sizeof(o));
	return (ssize_t)o.len;
}

ssize_t fs_handle(struct fs_server *s, const struct iovec *in, unsigned nin,
		  const struct iovec *out, unsigned nout)
{
	size_t in_len = iov_len(in, nin), out_len = iov_len(out, nout);
	struct fs_req r = {
		.in_iov = in, .nin = nin, .out_iov = out, .nout = nout
	};
	const struct op *op;
	bool answer;
	ssize_t rc;

	if (iov_read(in, nin, 0, &r.h, sizeof(r.h)) != sizeof(r.h))
		return 0;
	if (s->nfds > s->max_fds + FDS_SLACK)
		(void)fs_fds_trim(s, s->max_fds);
	op = op_find(r.h.opcode);
	answer = out_len >= sizeof(struct fuse_out_header) &&
		 !(op && op->flags & OP_NOREPLY);
	if (answer)
		r.room = out_len - sizeof(struct fuse_out_header);
	else if (op && !(op->flags & OP_NOREPLY))
		return 0; /* nobody could learn what it did */
	if (!op)
		rc = -ENOSYS;
	else if (r.h.len < sizeof(r.h) || r.h.len > in_len)
		rc = -EINVAL;
	else
		rc = run(s, &r, op);
	return answer ? reply_put(s, &r, op, rc) : 0;
}
