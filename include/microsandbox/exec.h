/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a guest. */
#ifndef MICROSANDBOX_EXEC_H
#define MICROSANDBOX_EXEC_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

msb_exec_options_t *msb_exec_options_new(void); /* NULL: out of memory */
void msb_exec_options_free(msb_exec_options_t *o);
/* argv[0] is the program; taken literally, no entrypoint is added. */
int msb_exec_options_set_command(msb_exec_options_t *o, const char *const *argv,
				 size_t n, msb_error_t **e);
/* On top of the sandbox's own environment; same key replaces. */
int msb_exec_options_add_env(msb_exec_options_t *o, const char *key,
			     const char *value, msb_error_t **e);
int msb_exec_options_set_cwd(msb_exec_options_t *o, const char *path,
			     msb_error_t **e);
int msb_exec_options_set_user(msb_exec_options_t *o, const char *user,
			      msb_error_t **e);
int msb_exec_options_add_rlimit(msb_exec_options_t *o, const char *resource,
				uint64_t soft, uint64_t hard, msb_error_t **e);
/* term: value of TERM when the environment has none; NULL = "xterm" */
void msb_exec_options_set_tty(msb_exec_options_t *o, bool tty, unsigned rows,
			      unsigned cols, const char *term);

/*
 * Kill the command after so long: its last event is then the error
 * MSB_ERR_EXEC_TIMEOUT, with the detail "timeout_ms". 0: never. Counted from
 * its start by whoever reads its events, or polls msb_exec_fd().
 */
void msb_exec_options_set_timeout_ms(msb_exec_options_t *o, uint64_t ms);
/* All of its standard input, instead of what msb_exec_write_stdin() brings; 0
 * bytes: none at all. Copied. */
int msb_exec_options_set_stdin(msb_exec_options_t *o, const void *data,
			       size_t len, msb_error_t **e);
/* How much msb_exec_run() and msb_exec_collect() keep of each stream; what
 * comes after is dropped. Default: MSB_OUTPUT_MAX_BYTES. */
#define MSB_OUTPUT_MAX_BYTES (256u << 20)
void msb_exec_options_set_output_max(msb_exec_options_t *o, size_t bytes);
/* The command is this script, for the shell that s is configured with. */
int msb_exec_options_set_shell(msb_exec_options_t *o, const msb_sandbox_t *s,
			       const char *script, msb_error_t **e);

/*
 * What `run` and `exec` execute: entrypoint, command and shell of the stored
 * configuration combined with the user's words by the documented table.
 * Returns a malloc'ed NULL-terminated vector (one msb_free), or *ret_argv =
 * NULL when there is nothing to run. interactive allows the shell fallback.
 */
int msb_sandbox_resolve_command(const msb_sandbox_t *s, bool with_entrypoint,
				const char *const *user_argv, size_t n,
				bool interactive, char ***ret_argv,
				size_t *ret_n, msb_error_t **ret_err);

/* Start a command over a connection of its own. Freeing the handle of an
 * unfinished command kills that command. */
int msb_exec_start(msb_sandbox_t *s, const msb_exec_options_t *o,
		   msb_exec_t **ret, msb_error_t **ret_err);
void msb_exec_free(msb_exec_t *x);

/*
 * For a loop of the caller's own: call msb_exec_next with timeout 0 until it
 * gives MSB_EXEC_NONE, then poll this for POLLIN, and so on. It becomes
 * readable for events, for input that can be sent on, and for the end of the
 * command's time. Stays the same for the life of x.
 */
int msb_exec_fd(const msb_exec_t *x);

typedef enum {
	MSB_EXEC_NONE, /* nothing within the timeout, or a signal handler ran */
	MSB_EXEC_STARTED,
	MSB_EXEC_STDOUT, /* also everything of a terminal */
	MSB_EXEC_STDERR,
	MSB_EXEC_STDIN_ERROR, /* message in data; the command goes on */
	MSB_EXEC_EXITED,      /* last event; given again when asked again */
} msb_exec_event_kind_t;
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(msb_exec_event_t) */
	msb_exec_event_kind_t kind;
	const void *data; /* valid until the next msb_exec_next or _free */
	size_t len;
	uint32_t pid;  /* STARTED */
	int exit_code; /* EXITED: -1 when a signal ended it */
	int signal;    /* EXITED: that signal, 0 if unknown or none */
} msb_exec_event_t;
/*
 * Next event; timeout_ms -1 waits. A program that could not be started is the
 * error MSB_ERR_EXEC_FAILED; a lost connection MSB_ERR_AGENT.
 */
int msb_exec_next(msb_exec_t *x, int timeout_ms, msb_exec_event_t *ev,
		  msb_error_t **ret_err);

/*
 * Input, signals and sizes may be sent by any thread, also while another one
 * is in msb_exec_next; they do not wait for that one.
 *
 * Queue input: the number of bytes taken. When there are fewer of them than
 * len, poll msb_exec_stdin_fd() for POLLOUT and go on. What has been queued is
 * written by the next call of this kind, or by msb_exec_next;
 * msb_exec_wants_write() tells that something waits for that.
 */
int64_t msb_exec_write_stdin(msb_exec_t *x, const void *data, size_t len,
			     msb_error_t **ret_err);
int msb_exec_stdin_fd(const msb_exec_t *x);
bool msb_exec_wants_write(const msb_exec_t *x);
/* All of it, waiting until it is on its way or the command has ended. */
int msb_exec_send_stdin(msb_exec_t *x, const void *data, size_t len,
			msb_error_t **ret_err);
int msb_exec_close_stdin(msb_exec_t *x, msb_error_t **ret_err);
int msb_exec_resize(msb_exec_t *x, unsigned rows, unsigned cols,
		    msb_error_t **ret_err);
int msb_exec_signal(msb_exec_t *x, int signal, msb_error_t **ret_err);
/* Leave the command running without this client; x is then only to be freed.
 * msb_sandbox_attach() comes back to it. */
int msb_exec_detach(msb_exec_t *x, msb_error_t **ret_err);
/* Come back to the most recently detached command that still runs. Its events
 * continue (output since the detach is in exec.log only). */
int msb_sandbox_attach(msb_sandbox_t *s, msb_exec_t **ret,
		       msb_error_t **ret_err);
bool msb_exec_is_tty(const msb_exec_t *x);
/* Of its session in the protocol, unique within one boot of the sandbox. */
uint32_t msb_exec_id(const msb_exec_t *x);

typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	int exit_code;	    /* -1 when a signal ended it */
	int signal;	    /* that signal, or 0 */
	void *out, *err;    /* of a terminal, all is in out */
	size_t out_len, err_len;
	bool truncated; /* there was more than is kept */
} msb_exec_output_t;
/* Run a command to its end. Its standard input is empty, if the options have
 * none. Also on MSB_ERR_EXEC_TIMEOUT, *ret has what it had written. */
int msb_exec_run(msb_sandbox_t *s, const msb_exec_options_t *o,
		 msb_exec_output_t *ret, msb_error_t **ret_err);
/* Everything from now to its end of a command that was started. */
int msb_exec_collect(msb_exec_t *x, msb_exec_output_t *ret,
		     msb_error_t **ret_err);
/* Release what a msb_exec_output_t refers to. */
void msb_exec_output_clear(msb_exec_output_t *output);

/*
 * Does the guest's agent answer within timeout_ms? *ret_us (not NULL): how long
 * the answer took. To be asked does not keep a sandbox from being idle.
 */
int msb_sandbox_ping(msb_sandbox_t *s, uint64_t timeout_ms, uint64_t *ret_us,
		     msb_error_t **ret_err);
/* The same, and the time to its idle limit begins anew. */
int msb_sandbox_touch(msb_sandbox_t *s, uint64_t timeout_ms,
		      msb_error_t **ret_err);

/* Is path a directory in the guest? 1 yes, 0 no, negative: error. */
int msb_sandbox_is_dir(msb_sandbox_t *s, const char *path,
		       msb_error_t **ret_err);

MSB_END_DECLS

#endif
