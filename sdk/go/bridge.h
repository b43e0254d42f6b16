/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go calls of libmicrosandbox where it waits: the same functions, with the
 * token of a context in front. A token belongs to a thread, and a goroutine
 * may change threads between two calls of C; so it is set, used and taken away
 * in one.
 */
#ifndef GOMSB_BRIDGE_H
#define GOMSB_BRIDGE_H

#include <microsandbox/microsandbox.h>
#include <stdint.h>
#include <stdlib.h>

#define GOMSB_RETURN(k, call)                                                  \
	do {                                                                   \
		msb_cancel_t *before = msb_cancel_use(k);                      \
		int64_t rc = (call);                                           \
                                                                               \
		(void)msb_cancel_use(before);                                  \
		return rc;                                                     \
	} while (0)

/* A function that waits, by its parameters with and without their types. */
#define GOMSB_WRAP(name, params, args)                                         \
	static inline int64_t gomsb_##name params                              \
	{                                                                      \
		GOMSB_RETURN(k, msb_##name args);                              \
	}

/* It takes types of parameters for products. */
/* clang-format off */

/* ---- sandboxes ----------------------------------------------------------- */

GOMSB_WRAP(sandbox_create,
	   (msb_cancel_t *k, msb_t *m, const msb_config_t *c,
	    msb_sandbox_t **ret, msb_error_t **e),
	   (m, c, ret, e))
GOMSB_WRAP(sandbox_get,
	   (msb_cancel_t *k, msb_t *m, const char *name, msb_sandbox_t **ret,
	    msb_error_t **e),
	   (m, name, ret, e))
GOMSB_WRAP(sandbox_list,
	   (msb_cancel_t *k, msb_t *m, msb_list_t **ret, msb_error_t **e),
	   (m, ret, e))
GOMSB_WRAP(sandbox_list_labelled,
	   (msb_cancel_t *k, msb_t *m, const char *const *labels, size_t n,
	    msb_list_t **ret, msb_error_t **e),
	   (m, labels, n, ret, e))
GOMSB_WRAP(sandbox_start,
	   (msb_cancel_t *k, msb_sandbox_t *s, bool attached, msb_error_t **e),
	   (s, attached, e))
GOMSB_WRAP(sandbox_connect,
	   (msb_cancel_t *k, msb_t *m, const char *name, uint64_t timeout_ms,
	    msb_sandbox_t **ret, msb_error_t **e),
	   (m, name, timeout_ms, ret, e))
GOMSB_WRAP(sandbox_request_stop,
	   (msb_cancel_t *k, msb_sandbox_t *s, msb_error_t **e), (s, e))
GOMSB_WRAP(sandbox_stop,
	   (msb_cancel_t *k, msb_sandbox_t *s, uint64_t timeout_ms,
	    msb_stop_result_t *ret, msb_error_t **e),
	   (s, timeout_ms, ret, e))
GOMSB_WRAP(sandbox_wait,
	   (msb_cancel_t *k, msb_sandbox_t *s, int64_t timeout_ms,
	    msb_exit_t *ret, msb_error_t **e),
	   (s, timeout_ms, ret, e))
GOMSB_WRAP(sandbox_release,
	   (msb_cancel_t *k, msb_sandbox_t *s, msb_error_t **e), (s, e))
GOMSB_WRAP(sandbox_remove,
	   (msb_cancel_t *k, msb_sandbox_t *s, bool force, msb_error_t **e),
	   (s, force, e))
GOMSB_WRAP(sandbox_ping,
	   (msb_cancel_t *k, msb_sandbox_t *s, uint64_t timeout_ms,
	    uint64_t *ret_us, msb_error_t **e),
	   (s, timeout_ms, ret_us, e))
GOMSB_WRAP(sandbox_touch,
	   (msb_cancel_t *k, msb_sandbox_t *s, uint64_t timeout_ms,
	    msb_error_t **e),
	   (s, timeout_ms, e))
GOMSB_WRAP(sandbox_metrics,
	   (msb_cancel_t *k, msb_sandbox_t *s, msb_metrics_t *ret,
	    msb_error_t **e),
	   (s, ret, e))

/* ---- commands ------------------------------------------------------------ */

GOMSB_WRAP(exec_run,
	   (msb_cancel_t *k, msb_sandbox_t *s, const msb_exec_options_t *o,
	    msb_exec_output_t *ret, msb_error_t **e),
	   (s, o, ret, e))
GOMSB_WRAP(exec_start,
	   (msb_cancel_t *k, msb_sandbox_t *s, const msb_exec_options_t *o,
	    msb_exec_t **ret, msb_error_t **e),
	   (s, o, ret, e))
GOMSB_WRAP(exec_next,
	   (msb_cancel_t *k, msb_exec_t *x, int timeout_ms,
	    msb_exec_event_t *ev, msb_error_t **e),
	   (x, timeout_ms, ev, e))
GOMSB_WRAP(exec_collect,
	   (msb_cancel_t *k, msb_exec_t *x, msb_exec_output_t *ret,
	    msb_error_t **e),
	   (x, ret, e))

GOMSB_WRAP(exec_send_stdin,
	   (msb_cancel_t *k, msb_exec_t *x, const uint8_t *data, size_t len,
	    msb_error_t **e),
	   (x, data, len, e))
/* Bytes of Go's are uint8_t here and below: of void *, cgo would look through
 * all of the memory that they are in. */
static inline int gomsb_exec_options_set_stdin(msb_exec_options_t *o,
					       const uint8_t *data, size_t len,
					       msb_error_t **e)
{
	return msb_exec_options_set_stdin(o, data, len, e);
}

/* ---- files --------------------------------------------------------------- */

GOMSB_WRAP(fs_connect,
	   (msb_cancel_t *k, msb_sandbox_t *s, msb_fs_t **ret, msb_error_t **e),
	   (s, ret, e))
GOMSB_WRAP(fs_stat,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, bool follow,
	    msb_fs_info_t *ret, msb_error_t **e),
	   (fs, path, follow, ret, e))
GOMSB_WRAP(fs_exists,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, msb_error_t **e),
	   (fs, path, e))
GOMSB_WRAP(fs_mkdir,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, int mode,
	    msb_error_t **e),
	   (fs, path, mode, e))
GOMSB_WRAP(fs_remove,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, msb_error_t **e),
	   (fs, path, e))
GOMSB_WRAP(fs_remove_dir,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, bool recursive,
	    msb_error_t **e),
	   (fs, path, recursive, e))
GOMSB_WRAP(fs_copy,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *from, const char *to,
	    msb_error_t **e),
	   (fs, from, to, e))
GOMSB_WRAP(fs_rename,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *from, const char *to,
	    msb_error_t **e),
	   (fs, from, to, e))
GOMSB_WRAP(fs_symlink,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *target,
	    const char *path, msb_error_t **e),
	   (fs, target, path, e))
GOMSB_WRAP(fs_read_link,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, char **ret,
	    msb_error_t **e),
	   (fs, path, ret, e))
GOMSB_WRAP(fs_real_path,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, char **ret,
	    msb_error_t **e),
	   (fs, path, ret, e))
GOMSB_WRAP(fs_set_stat,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, bool follow,
	    const msb_fs_attrs_t *attrs, msb_error_t **e),
	   (fs, path, follow, attrs, e))
GOMSB_WRAP(fs_read_file,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, size_t max,
	    void **ret, size_t *ret_len, msb_error_t **e),
	   (fs, path, max, ret, ret_len, e))
GOMSB_WRAP(fs_write_file,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, const uint8_t *data,
	    size_t len, int mode, bool append, msb_error_t **e),
	   (fs, path, data, len, mode, append, e))
GOMSB_WRAP(fs_open,
	   (msb_cancel_t *k, msb_fs_t *fs, const char *path, unsigned flags,
	    int mode, uint64_t *ret, msb_error_t **e),
	   (fs, path, flags, mode, ret, e))
GOMSB_WRAP(fs_close,
	   (msb_cancel_t *k, msb_fs_t *fs, uint64_t handle, msb_error_t **e),
	   (fs, handle, e))
GOMSB_WRAP(fs_fstat,
	   (msb_cancel_t *k, msb_fs_t *fs, uint64_t handle, msb_fs_info_t *ret,
	    msb_error_t **e),
	   (fs, handle, ret, e))
GOMSB_WRAP(fs_fset_stat,
	   (msb_cancel_t *k, msb_fs_t *fs, uint64_t handle,
	    const msb_fs_attrs_t *attrs, msb_error_t **e),
	   (fs, handle, attrs, e))
GOMSB_WRAP(fs_pread,
	   (msb_cancel_t *k, msb_fs_t *fs, uint64_t handle, uint64_t offset,
	    uint8_t *data, size_t len, msb_error_t **e),
	   (fs, handle, offset, data, len, e))
GOMSB_WRAP(fs_pwrite,
	   (msb_cancel_t *k, msb_fs_t *fs, uint64_t handle, uint64_t offset,
	    const uint8_t *data, size_t len, msb_error_t **e),
	   (fs, handle, offset, data, len, e))

/* ---- logs ---------------------------------------------------------------- */

GOMSB_WRAP(log_open,
	   (msb_cancel_t *k, msb_t *m, const char *sandbox,
	    const msb_log_options_t *o, msb_log_t **ret, msb_error_t **e),
	   (m, sandbox, o, ret, e))

/* ---- images, volumes, snapshots ------------------------------------------ */

GOMSB_WRAP(image_pull,
	   (msb_cancel_t *k, msb_t *m, const char *ref,
	    const msb_image_options_t *o, bool *ret_cached, msb_error_t **e),
	   (m, ref, o, ret_cached, e))
GOMSB_WRAP(image_load,
	   (msb_cancel_t *k, msb_t *m, int fd, const char *input,
	    const char *const *refs, size_t n, const msb_image_options_t *o,
	    msb_image_list_t **ret, msb_error_t **e),
	   (m, fd, input, refs, n, o, ret, e))
GOMSB_WRAP(image_save,
	   (msb_cancel_t *k, msb_t *m, const char *const *refs, size_t n,
	    msb_archive_t format, int fd, const msb_image_options_t *o,
	    msb_error_t **e),
	   (m, refs, n, format, fd, o, e))
GOMSB_WRAP(image_remove,
	   (msb_cancel_t *k, msb_t *m, const char *ref, bool force,
	    msb_error_t **e),
	   (m, ref, force, e))
GOMSB_WRAP(image_prune,
	   (msb_cancel_t *k, msb_t *m, msb_image_freed_t *ret,
	    msb_error_t **e),
	   (m, ret, e))
GOMSB_WRAP(release_find,
	   (msb_cancel_t *k, msb_t *m, const msb_release_query_t *q,
	    msb_release_t **ret, msb_error_t **e),
	   (m, q, ret, e))
GOMSB_WRAP(release_install,
	   (msb_cancel_t *k, const msb_release_t *r, bool again,
	    const msb_image_options_t *o, msb_error_t **e),
	   (r, again, o, e))
GOMSB_WRAP(volume_remove,
	   (msb_cancel_t *k, msb_t *m, const char *name, msb_error_t **e),
	   (m, name, e))
GOMSB_WRAP(volume_used_bytes,
	   (msb_cancel_t *k, const msb_volume_t *v, uint64_t *ret,
	    msb_error_t **e),
	   (v, ret, e))
GOMSB_WRAP(snapshot_create,
	   (msb_cancel_t *k, msb_t *m, const char *sandbox, const char *dest,
	    const msb_snapshot_options_t *o, msb_snapshot_t **ret,
	    msb_error_t **e),
	   (m, sandbox, dest, o, ret, e))
GOMSB_WRAP(snapshot_verify,
	   (msb_cancel_t *k, const msb_snapshot_t *s, msb_error_t **e), (s, e))
GOMSB_WRAP(snapshot_remove,
	   (msb_cancel_t *k, msb_t *m, const char *ref, bool force,
	    msb_error_t **e),
	   (m, ref, force, e))
GOMSB_WRAP(snapshot_reindex,
	   (msb_cancel_t *k, msb_t *m, const char *dir, msb_error_t **e),
	   (m, dir, e))
GOMSB_WRAP(snapshot_export,
	   (msb_cancel_t *k, msb_t *m, const char *ref, const char *path,
	    bool parents, bool plain, msb_error_t **e),
	   (m, ref, path, parents, plain, e))
GOMSB_WRAP(snapshot_import,
	   (msb_cancel_t *k, msb_t *m, const char *path, const char *dest,
	    msb_snapshot_t **ret, msb_error_t **e),
	   (m, path, dest, ret, e))

/* ---- agent client -------------------------------------------------------- */

GOMSB_WRAP(agent_connect,
	   (msb_cancel_t *k, msb_t *m, const char *sandbox, uint64_t timeout_ms,
	    msb_agent_t **ret, msb_error_t **e),
	   (m, sandbox, timeout_ms, ret, e))
GOMSB_WRAP(agent_connect_path,
	   (msb_cancel_t *k, const char *path, uint64_t timeout_ms,
	    msb_agent_t **ret, msb_error_t **e),
	   (path, timeout_ms, ret, e))
GOMSB_WRAP(agent_request,
	   (msb_cancel_t *k, msb_agent_t *a, uint8_t flags, const uint8_t *body,
	    size_t len, int timeout_ms, msb_agent_frame_t *ret,
	    msb_error_t **e),
	   (a, flags, body, len, timeout_ms, ret, e))
GOMSB_WRAP(agent_stream_open,
	   (msb_cancel_t *k, msb_agent_t *a, uint8_t flags, const uint8_t *body,
	    size_t len, msb_agent_stream_t **ret, msb_error_t **e),
	   (a, flags, body, len, ret, e))
GOMSB_WRAP(agent_stream_next,
	   (msb_cancel_t *k, msb_agent_stream_t *st, int timeout_ms,
	    msb_agent_frame_t *ret, msb_error_t **e),
	   (st, timeout_ms, ret, e))
GOMSB_WRAP(agent_send,
	   (msb_cancel_t *k, msb_agent_t *a, uint32_t id, uint8_t flags,
	    const uint8_t *body, size_t len, msb_error_t **e),
	   (a, id, flags, body, len, e))

static inline int64_t gomsb_agent_encode(const char *type,
					 const uint8_t *payload, size_t len,
					 void **ret, size_t *ret_len,
					 msb_error_t **e)
{
	return msb_agent_encode(type, payload, len, ret, ret_len, e);
}

/* clang-format on */

/* ---- in bridge.c --------------------------------------------------------- */

/*
 * The next entry and the place behind it. 1: also *ret_cursor is to be freed;
 * 0: there will be none; else an error.
 */
int64_t gomsb_log_next(msb_cancel_t *k, msb_log_t *l, msb_log_entry_t *ret,
		       char **ret_cursor, msb_error_t **e);

/* Functions with a callback: h is a handle of Go's, which is called with it. */
int64_t gomsb_fs_list(msb_cancel_t *k, msb_fs_t *fs, const char *path,
		      uintptr_t h, msb_error_t **e);
int64_t gomsb_metrics_all(msb_cancel_t *k, msb_t *m, uintptr_t h,
			  msb_error_t **e);
int64_t gomsb_doctor(msb_cancel_t *k, msb_t *m, uintptr_t h, msb_error_t **e);
int64_t gomsb_volume_prune(msb_cancel_t *k, msb_t *m, uintptr_t h,
			   msb_error_t **e);
int64_t gomsb_copy(msb_cancel_t *k, msb_sandbox_t *from, const char *from_path,
		   msb_sandbox_t *to, const char *to_path, uintptr_t h,
		   msb_error_t **e);
void gomsb_image_progress(msb_image_options_t *o, uintptr_t h);

#endif
