/* SPDX-License-Identifier: Apache-2.0 */
/* Files as programs have them: shared by threads, and connected again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/cancel.h"
#include "api/exec_int.h"
#include "api/fs_int.h"
#include "api/volume_fs.h"

/* A handle of an earlier connection must not be taken for one of this: the
 * upper bits say which it is of. */
#define EPOCH_SHIFT 48
#define EPOCH_MASK 0xffffu

struct fs_share {
	pthread_mutex_t lock; /* of the struct msb_fs that this belongs to */
	const msb_t *m;
	char *sandbox; /* NULL: a volume */
	uint64_t epoch;
};

int fs_connect(const msb_t *m, const char *sandbox, struct msb_fs *ret,
	       struct err *err)
{
	*ret = (struct msb_fs){ .wait_ms = FS_WAIT_MS };
	return sandbox_connect(m, sandbox, AGENT_HANDSHAKE_MS, &ret->c, err);
}

/* ---- making -------------------------------------------------------------- */

static msb_fs_t *fs_new(const msb_t *m, const char *sandbox)
{
	msb_fs_t *fs = calloc(1, sizeof(*fs));
	struct fs_share *share = calloc(1, sizeof(*share));

	if (share) {
		(void)pthread_mutex_init(&share->lock, NULL); /* cannot fail */
		share->m = m;
		share->sandbox = sandbox ? strdup(sandbox) : NULL;
	}
	if (fs)
		fs->c.fd = -1;
	if (fs && share && (share->sandbox || !sandbox)) {
		fs->share = share;
		return fs;
	}
	if (share)
		free(share->sandbox);
	free(share);
	free(fs);
	return NULL;
}

void msb_fs_free(msb_fs_t *fs)
{
	if (!fs)
		return;
	fs_disconnect(fs);
	(void)pthread_mutex_destroy(&fs->share->lock);
	free(fs->share->sandbox);
	free(fs->share);
	free(fs);
}

static int fail(msb_fs_t *fs, const struct err *err, int rc, msb_error_t **ret)
{
	msb_fs_free(fs);
	return api_fail_err(err, rc, ret);
}

/* In place of what is left of an earlier connection. */
static int connect_again(msb_fs_t *fs, struct err *err)
{
	struct fs_share *share = fs->share;
	struct msb_fs now;
	int rc;

	fs_disconnect(fs);
	fs->broken = true;
	rc = fs_connect(share->m, share->sandbox, &now, err);
	if (rc)
		return rc;
	*fs = now;
	fs->share = share;
	share->epoch = (share->epoch + 1) & EPOCH_MASK;
	return 0;
}

int msb_fs_connect(msb_sandbox_t *s, msb_fs_t **ret, msb_error_t **ret_err)
{
	struct err err = { 0 };
	msb_fs_t *fs = fs_new(s->m, s->name);
	int rc = fs ? connect_again(fs, &err) : api_no_memory(&err);

	if (rc)
		return fail(fs, &err, rc, ret_err);
	*ret = fs;
	return 0;
}

int msb_fs_open_volume(const msb_volume_t *v, msb_fs_t **ret,
		       msb_error_t **ret_err)
{
	struct err err = { 0 };
	msb_fs_t *fs = NULL;
	int rc;

	if (msb_volume_kind(v) != MSB_VOLUME_DIR) {
		rc = err_set(&err, ERR_UNSUPPORTED, EOPNOTSUPP,
			     "volume '%s' is a disk: only sandboxes see its "
			     "files",
			     msb_volume_name(v));
		return fail(NULL, &err, rc, ret_err);
	}
	fs = fs_new(NULL, NULL);
	rc = fs ? volume_fs_open(msb_volume_path(v), msb_volume_quota_mib(v),
				 &fs->volume, &err)
		: api_no_memory(&err);
	if (rc)
		return fail(fs, &err, rc, ret_err);
	*ret = fs;
	return 0;
}

/* ---- using --------------------------------------------------------------- */

/* Has the sandbox hung up while nobody asked anything? */
static bool has_ended(const msb_fs_t *fs)
{
	uint8_t byte;
	ssize_t n = recv(fs->c.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return !n || (n < 0 && errno != EAGAIN && errno != EINTR);
}

int fs_enter(msb_fs_t *fs, struct err *err)
{
	int rc = 0;

	if (!fs->share)
		return 0;
	rc = cancel_mutex_lock(&fs->share->lock);
	if (rc)
		return err_sys(err, ERR_AGENT, -rc, "wait for a connection");
	if (!fs->volume && (fs->broken || has_ended(fs)))
		rc = connect_again(fs, err);
	return rc ? fs_leave(fs, rc) : 0;
}

int fs_leave(msb_fs_t *fs, int rc)
{
	if (fs->share)
		(void)pthread_mutex_unlock(&fs->share->lock);
	return rc;
}

int fs_handle_out(const msb_fs_t *fs, uint64_t *handle, struct err *err)
{
	if (!fs->share)
		return 0;
	if (*handle >> EPOCH_SHIFT)
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the guest's answer makes no sense");
	*handle |= fs->share->epoch << EPOCH_SHIFT;
	return 0;
}

int fs_enter_handle(msb_fs_t *fs, uint64_t *handle, struct err *err)
{
	int rc = fs_enter(fs, err);

	if (rc || !fs->share)
		return rc;
	if (*handle >> EPOCH_SHIFT != fs->share->epoch)
		return fs_leave(fs, err_set(err, ERR_FS, EBADF,
					    "this file is not open any more: "
					    "the connection was lost"));
	*handle &= ((uint64_t)1 << EPOCH_SHIFT) - 1;
	return 0;
}
