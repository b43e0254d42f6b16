/* SPDX-License-Identifier: Apache-2.0 */
/* Types, errors, cancelling, and the home directory. */
#ifndef MICROSANDBOX_CORE_H
#define MICROSANDBOX_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MSB_EXTERN_C_BEGIN extern "C" {
#define MSB_EXTERN_C_END }
#else
#define MSB_EXTERN_C_BEGIN
#define MSB_EXTERN_C_END
#endif
#if defined(__GNUC__)
#define MSB_BEGIN_DECLS                                                        \
	_Pragma("GCC visibility push(default)") MSB_EXTERN_C_BEGIN
#define MSB_END_DECLS MSB_EXTERN_C_END _Pragma("GCC visibility pop")
#else
#define MSB_BEGIN_DECLS MSB_EXTERN_C_BEGIN
#define MSB_END_DECLS MSB_EXTERN_C_END
#endif

MSB_BEGIN_DECLS

typedef struct msb msb_t; /* one home directory, opened */
typedef struct msb_error msb_error_t;
typedef struct msb_config msb_config_t;	  /* description of a sandbox */
typedef struct msb_sandbox msb_sandbox_t; /* handle to a stored sandbox */
typedef struct msb_list msb_list_t;	  /* snapshot of all sandboxes */
typedef struct msb_exec_options msb_exec_options_t;
typedef struct msb_exec msb_exec_t;   /* one command in a guest */
typedef struct msb_image msb_image_t; /* an image in the cache */
typedef struct msb_image_list msb_image_list_t;
typedef struct msb_image_options msb_image_options_t;
typedef struct msb_volume msb_volume_t; /* what is known of a named volume */
typedef struct msb_volume_list msb_volume_list_t;
typedef struct msb_fs msb_fs_t; /* files of a running guest */
typedef struct msb_snapshot msb_snapshot_t;
typedef struct msb_snapshot_list msb_snapshot_list_t;
typedef struct msb_release msb_release_t; /* of msb itself, to install */
typedef struct msb_log msb_log_t; /* what a sandbox has logged, being read */
typedef struct msb_cancel msb_cancel_t;
typedef struct msb_agent msb_agent_t; /* a client of a guest's agent */
typedef struct msb_agent_stream msb_agent_stream_t;

/* ---- errors -------------------------------------------------------------- */

typedef enum {
	MSB_ERR_NONE,
	MSB_ERR_IO,
	MSB_ERR_INVALID,
	MSB_ERR_SANDBOX_NOT_FOUND,
	MSB_ERR_SANDBOX_EXISTS,
	MSB_ERR_SANDBOX_RUNNING,
	MSB_ERR_SANDBOX_STATE,
	MSB_ERR_DATABASE,
	MSB_ERR_RUNTIME,
	MSB_ERR_BOOT,
	MSB_ERR_PROTOCOL,
	MSB_ERR_AGENT,
	MSB_ERR_EXEC_FAILED,
	MSB_ERR_TIMEOUT,
	MSB_ERR_UNSUPPORTED,
	MSB_ERR_NO_SPACE,
	MSB_ERR_PERMISSION,
	MSB_ERR_NO_MEMORY,
	MSB_ERR_FS,
	MSB_ERR_IMAGE,
	MSB_ERR_IMAGE_NOT_FOUND,
	MSB_ERR_IMAGE_IN_USE,
	MSB_ERR_VOLUME_NOT_FOUND,
	MSB_ERR_VOLUME_EXISTS,
	MSB_ERR_VOLUME_IN_USE,
	MSB_ERR_SNAPSHOT_NOT_FOUND,
	MSB_ERR_SNAPSHOT_EXISTS,
	MSB_ERR_SNAPSHOT_SOURCE,
	MSB_ERR_SNAPSHOT_IMAGE_MISSING,
	MSB_ERR_SNAPSHOT_INTEGRITY,
	MSB_ERR_MISSED_ROTATION,
	MSB_ERR_INVALID_CURSOR,
	MSB_ERR_METRICS_DISABLED,
	MSB_ERR_METRICS_UNAVAILABLE,
	MSB_ERR_CANCELLED,    /* msb_cancel_trigger() */
	MSB_ERR_EXEC_TIMEOUT, /* the command was killed for its time limit */
	MSB_ERR_PATCH,	      /* of a root file system */
	MSB_ERR_FS_NOT_FOUND, /* MSB_ERR_FS with ENOENT, told apart */
	MSB_ERR_AGENT_BUSY,   /* the sandbox has as many clients as it takes */
	MSB_ERR_AGENT_CLOSED, /* this client has been closed */
} msb_error_kind_t;

msb_error_kind_t msb_error_kind(const msb_error_t *e);
const char *msb_error_kind_name(
	msb_error_kind_t kind); /* "sandbox_not_found" */
/*
 * One line, without the category: for MSB_ERR_SANDBOX_NOT_FOUND just the name.
 * msb_error_text() is the line with its category in front, as msb prints it
 * after "error: ": "sandbox not found: box", "invalid config: ...".
 */
const char *msb_error_message(const msb_error_t *e);
const char *msb_error_text(const msb_error_t *e);
int msb_error_errno(const msb_error_t *e); /* 0 when none applies */
/*
 * Further text of a boot or exec failure, each NULL when absent:
 * "stage" (boot: mount, build_vm, config, network, image, patch, other),
 * "sandbox", "kind" (exec failure: not_found, permission_denied, ...),
 * "errno_name", "command", "kernel_log" (last lines, when the kernel died).
 * Of logs that cannot be read on: "file", "offset".
 */
const char *msb_error_detail(const msb_error_t *e, const char *key);
/* All of them, in turn: "KEY=VALUE"; NULL past the end. */
const char *msb_error_detail_item(const msb_error_t *e, size_t i);
void msb_error_free(msb_error_t *e);

void msb_free(void *p);
const char *msb_version(void); /* "0.1.0" */
/* Of the interface: grows whenever something is added to it. */
#define MSB_ABI_VERSION 1u
unsigned msb_abi_version(void);
/* Is this part of the interface there? "exec", "fs", "agent", "patches", ...
 * (docs/sdk.md); unknown names are not. */
bool msb_feature_supported(const char *name);

/* ---- cancelling ---------------------------------------------------------- */

/*
 * With a token, one thread ends what another one waits for: the call fails with
 * MSB_ERR_CANCELLED, and what it had begun is undone, as after any failure.
 * What is waited for outside of the library, by polling one of its descriptors,
 * is not concerned.
 */
msb_cancel_t *msb_cancel_new(void); /* NULL: out of memory or descriptors */
/* Once for all: every later call with this token fails, too. From any thread,
 * also from a signal handler. */
void msb_cancel_trigger(msb_cancel_t *c);
void msb_cancel_free(msb_cancel_t *c);
/*
 * From now on, calls of the calling thread end when c is triggered; NULL: they
 * do not. Gives what was set before, to be set again.
 */
msb_cancel_t *msb_cancel_use(msb_cancel_t *c);

/* ---- home ---------------------------------------------------------------- */

/*
 * Open the state directory: home, or when NULL $MSB_HOME, ~/.microsandbox.
 * Created (0700) when missing. Reads config.json.
 */
int msb_open(const char *home, msb_t **ret, msb_error_t **ret_err);
/* After everything that came from m has been freed. */
void msb_close(msb_t *m);
const char *msb_home(const msb_t *m);

/* Remove what a home has outside of its directory, once no sandbox is left. */
void msb_home_forget(const msb_t *m);

/* Mend the records of sandboxes whose process has gone. Best effort. */
void msb_reconcile(msb_t *m);

MSB_END_DECLS

#endif
