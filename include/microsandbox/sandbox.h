/* SPDX-License-Identifier: Apache-2.0 */
/* Life cycle of sandboxes, and what is known of them. */
#ifndef MICROSANDBOX_SANDBOX_H
#define MICROSANDBOX_SANDBOX_H

#include "microsandbox/network.h"

MSB_BEGIN_DECLS

typedef enum {
	MSB_STATUS_RUNNING,
	MSB_STATUS_DRAINING,
	MSB_STATUS_PAUSED,
	MSB_STATUS_STOPPED,
	MSB_STATUS_CRASHED,
} msb_status_t;
const char *msb_status_name(msb_status_t s); /* "Running", ... */

/* Create, boot, and wait until the guest is ready. */
int msb_sandbox_create(msb_t *m, const msb_config_t *c, msb_sandbox_t **ret,
		       msb_error_t **ret_err);
int msb_sandbox_get(msb_t *m, const char *name, msb_sandbox_t **ret,
		    msb_error_t **ret_err);
/*
 * Does not stop the sandbox, unless this handle is what it is attached to (see
 * msb_config_set_attached, msb_sandbox_start, msb_sandbox_hold): then it stops
 * by itself, gracefully, and nobody waits for it.
 */
void msb_sandbox_free(msb_sandbox_t *s);

/* Boot a stopped sandbox from its stored configuration. */
int msb_sandbox_start(msb_sandbox_t *s, bool attached, msb_error_t **ret_err);
/* Is what it takes still there: its root, values of its secrets? The sandbox
 * may be running. */
int msb_sandbox_check_start(const msb_sandbox_t *s, msb_error_t **ret_err);

/*
 * Untie a sandbox that was created, started or held by this handle from this
 * process: it goes on running. An ephemeral one then ends when its last command
 * does.
 */
int msb_sandbox_release(msb_sandbox_t *s, msb_error_t **ret_err);

typedef enum {
	MSB_STOP_NOT_RUNNING, /* nothing to do */
	MSB_STOP_GRACEFUL,    /* the guest flushed and powered off */
	MSB_STOP_FORCED,      /* killed: pending writes may be lost */
} msb_stop_result_t;
/* Get, and make sure that the guest's agent answers within timeout_ms; else
 * MSB_ERR_TIMEOUT, or MSB_ERR_SANDBOX_STATE when it does not run. */
int msb_sandbox_connect(msb_t *m, const char *name, uint64_t timeout_ms,
			msb_sandbox_t **ret, msb_error_t **ret_err);
/* Ask the guest to shut down, and do not wait for it. */
int msb_sandbox_request_stop(msb_sandbox_t *s, msb_error_t **ret_err);
/* timeout_ms 0 = kill at once. An expired timeout kills and is success. */
int msb_sandbox_stop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err);

typedef struct {
	size_t struct_size;  /* set by the caller to sizeof(...) */
	msb_status_t status; /* MSB_STATUS_STOPPED or MSB_STATUS_CRASHED */
	const char *reason;  /* as msb_sandbox_exit_reason() */
	int exit_code;	     /* of its startup command; -1: there was none */
} msb_exit_t;
/* Until it has ended, whoever started it; timeout_ms -1 waits. 1, or 0: it
 * still runs. *ret (may be NULL) borrows from s. */
int msb_sandbox_wait(msb_sandbox_t *s, int64_t timeout_ms, msb_exit_t *ret,
		     msb_error_t **ret_err);

/*
 * Use a sandbox that may be stopped. hold starts it when it is not running;
 * drop stops it again when a hold started it and no other holder, in any
 * process, is left (timeout and result as in msb_sandbox_stop). A process that
 * dies drops what it held. A sandbox that was started in any other way stays
 * running; starting a held one makes it stay.
 */
int msb_sandbox_hold(msb_sandbox_t *s, msb_error_t **ret_err);
int msb_sandbox_drop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err);

/* Remove state and record; force kills a running sandbox first. */
int msb_sandbox_remove(msb_sandbox_t *s, bool force, msb_error_t **ret_err);

/*
 * Changing a sandbox that exists, running or not. msb_sandbox_config() gives a
 * copy of its configuration; what may be changed in that, by the msb_config_...
 * functions, are environment, labels, the two limits of time, the policy of the
 * network (the first call about it replaces all of it) and published ports.
 *
 * msb_sandbox_modify() stores it, calls fn for every difference and returns
 * their number; with dry_run it stores nothing. MSB_ERR_SANDBOX_STATE with
 * ESTALE: somebody else has changed it since c was made.
 */
int msb_sandbox_config(const msb_sandbox_t *s, msb_config_t **ret,
		       msb_error_t **ret_err);
/* 1, or 0: there was none. */
int msb_config_remove_env(msb_config_t *c, const char *key);
int msb_config_remove_label(msb_config_t *c, const char *key);
/* [BIND:]HOST[/tcp|/udp]; likewise. */
int msb_config_remove_port(msb_config_t *c, const char *port, msb_error_t **e);

typedef enum {
	MSB_CHANGE_NOW,		 /* also: it does not run */
	MSB_CHANGE_NEW_COMMANDS, /* those that run go on as they are */
	MSB_CHANGE_NEXT_START,
} msb_change_time_t;
typedef struct {
	size_t struct_size;
	/* "label", "env", "max_duration", "idle_timeout", "policy", "port" */
	const char *field;
	const char *name; /* key, or port; NULL for what there is one of */
	bool removed;	  /* else set or added */
	msb_change_time_t when;
} msb_change_t;
typedef void (*msb_change_fn)(void *ctx, const msb_change_t *change);
int msb_sandbox_modify(msb_sandbox_t *s, const msb_config_t *c, bool dry_run,
		       msb_change_fn fn, void *ctx, msb_error_t **ret_err);

/* As of the last msb_sandbox_get / _refresh / _start / _stop. */
int msb_sandbox_refresh(msb_sandbox_t *s, msb_error_t **ret_err);
const char *msb_sandbox_name(const msb_sandbox_t *s);
msb_status_t msb_sandbox_status(const msb_sandbox_t *s);
const char *msb_sandbox_image(const msb_sandbox_t *s); /* as typed, or path */
int64_t msb_sandbox_created_unix_ms(const msb_sandbox_t *s);
int64_t msb_sandbox_updated_unix_ms(const msb_sandbox_t *s);
bool msb_sandbox_is_ephemeral(const msb_sandbox_t *s);
/* Why the last boot ended ("Completed", "IdleTimeout", ...), or NULL. */
const char *msb_sandbox_exit_reason(const msb_sandbox_t *s);
/* What led to that reason, if the runtime said so: "secret-violation", or "".
 * buf is always terminated. */
void msb_sandbox_exit_cause(const msb_sandbox_t *s, char *buf, size_t len);
/* KEY=VALUE, sorted; NULL past the end. */
const char *msb_sandbox_label(const msb_sandbox_t *s, size_t i);
/* Stored configuration as JSON text (see docs/json.md); owned by s. */
const char *msb_sandbox_config_json(const msb_sandbox_t *s);
/*
 * Engine, mode, CPU and jail layers of the running machine as JSON text, or
 * NULL when it is not running; owned by s.
 */
const char *msb_sandbox_machine_json(const msb_sandbox_t *s);
/*
 * Addresses, published ports and policy as they apply to the sandbox, as JSON
 * text (docs/json.md), to be freed with msb_free().
 */
int msb_sandbox_network_json(const msb_sandbox_t *s, char **ret,
			     msb_error_t **ret_err);
/* As msb_config_net_explain, of its stored policy. */
int msb_sandbox_net_explain(const msb_sandbox_t *s, const msb_net_question_t *q,
			    char **ret_json, msb_error_t **ret_err);
/* Host process id of the runtime, -1 when not running. */
int msb_sandbox_pid(const msb_sandbox_t *s);
/* Directory that holds exec.log, runtime.log, kernel.log; owned by s. */
const char *msb_sandbox_log_dir(const msb_sandbox_t *s);
/* Path of the agent socket; owned by s. */
const char *msb_sandbox_agent_socket(const msb_sandbox_t *s);

/* All stored sandboxes after mending, newest first. */
int msb_sandbox_list(msb_t *m, msb_list_t **ret, msb_error_t **ret_err);
/* Of these, those that have all of the labels: KEY, or KEY=VALUE. */
int msb_sandbox_list_labelled(msb_t *m, const char *const *labels, size_t n,
			      msb_list_t **ret, msb_error_t **ret_err);
size_t msb_list_count(const msb_list_t *l);
const msb_sandbox_t *msb_list_item(const msb_list_t *l,
				   size_t i); /* borrowed */
void msb_list_free(msb_list_t *l);

MSB_END_DECLS

#endif
