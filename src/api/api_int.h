/* SPDX-License-Identifier: Apache-2.0 */
/* Objects behind the opaque types of microsandbox.h, shared by this room. */
#ifndef MSB_API_API_INT_H
#define MSB_API_API_INT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "microsandbox/microsandbox.h"
#include "store/catalogue.h"
#include "store/config_file.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/sandbox_config.h"

/* ---- errors: filled inside, converted once at the exported function ------ */

struct api_err {
	struct err err;
	struct strv details; /* KEY=VALUE */
};

/* Best effort: an error without its details is still the error. */
void api_detail(struct api_err *e, const char *key, const char *value);
void api_detail_n(struct api_err *e, const char *key, const void *value,
		  size_t len);
/* Hand e (emptied) to the caller as *ret, unless ret is NULL. Returns rc. */
int api_fail(struct api_err *e, int rc, msb_error_t **ret);
/* The same for what failed with a plain struct err. */
int api_fail_err(const struct err *err, int rc, msb_error_t **ret);
void api_err_clear(struct api_err *e);
int api_no_memory(struct err *err);
#ifdef __clang_analyzer__ /* as err_set() */
#define api_no_memory(err) ((void)api_no_memory(err), -1)
#endif

/* ---- home ---------------------------------------------------------------- */

/* A runtime this process started and has not yet reaped. */
struct child {
	pid_t pid;
	int pidfd; /* -1 on hosts without pidfds */
};

struct msb {
	struct home home;	 /* the state */
	struct home config_home; /* config.json and secrets; mostly the same */
	struct config_file cfg;
	pthread_mutex_t lock;
	struct catalogue *cat;	/* guarded by lock; NULL until needed */
	struct child *children; /* guarded by lock */
	size_t nchildren;
	/* guarded by lock; NULL until needed. See metrics.h */
	struct metrics_registry *metrics;
};

/* While something slower is waited for: catalogue_settle(), if it is open. */
void api_catalogue_settle(msb_t *m);
/*
 * The catalogue, opened on first use. *ret is NULL, without an error, when
 * there is none and create is false.
 */
int api_catalogue(msb_t *m, bool create, struct catalogue **ret,
		  struct err *err);
void api_child_add(msb_t *m, pid_t pid);
void api_children_reap(msb_t *m);

/* ---- configuration ------------------------------------------------------- */

struct network_wish;
struct secret_values;
struct volume_wish;
struct volume_hold;

struct msb_config {
	msb_t *m; /* borrowed */
	struct sandbox_config c;
	bool named;		 /* by the caller, not made up */
	bool workdir_given;	 /* likewise: the image's does not count */
	uint32_t upper_size_mib; /* 0 = default */
	msb_image_options_t *image_options; /* owned; NULL = defaults */
	bool attached;
	bool replace;
	uint64_t grace_ms;
	bool has_startup;
	struct strv startup; /* the user's words */
	size_t script_bytes;
	char *snapshot; /* path; the root is what it was taken above */
	struct volume_wish *wishes; /* one for each named mount */
	size_t nwishes;
	struct network_wish *net; /* owned */
	struct buf patches;	  /* encoded (protocol/patch.h) */
	size_t patch_bytes;	  /* of their contents */
	char *base; /* of a sandbox that exists: its stored text */
};

/* Guest path in its shortest form (no "//", ".", trailing "/"); malloc'ed.
 * Rejects relative ones, "..", "/", ":" and ";". */
int guest_path_parse(const char *path, char **ret, struct err *err);
/* The same, of what is no mount point: with ":" and ";". */
int guest_path_shorten(const char *path, char **ret, struct err *err);
/* Is path below dir, or dir itself? */
bool guest_path_is_below(const char *path, const char *dir);
int rlimit_parse(const char *resource, uint64_t soft, uint64_t hard,
		 struct rlimit_config *ret, struct err *err);
/* Add, or replace the limit of the same resource. */
int rlimits_set(struct rlimit_config **list, size_t *n,
		const struct rlimit_config *r);
/* "KEY=VALUE", malloc'ed, key checked. */
int env_entry(const char *key, const char *value, char **ret, struct err *err);
int user_check(const char *user, struct err *err);
/* Add a mount to c in its place: parents stay in front of children. Takes what
 * m holds, also on failure. */
int mounts_add(struct sandbox_config *c, struct mount_config *m,
	       struct err *err);
/* Hostname of the guest: as configured, or derived from the name. len >= 65. */
void hostname_derive(const struct sandbox_config *c, char *buf, size_t len);

/* The host path without links and relative parts, malloc'ed: the sandbox may be
 * started again from anywhere. */
int host_path_canonical(const char *path, char **ret, struct err *err);

/* The path as it is, malloc'ed, but not relative to where we are now: what it
 * leads to may change, and need not be there yet. */
int host_path_absolute(const char *path, char **ret, struct err *err);

/* As msb_config_set_image, of a kind that is known; format and fstype (NULL:
 * found out) are of disks. */
int config_set_root(msb_config_t *c, enum root_kind kind, const char *source,
		    const char *format, const char *fstype, struct err *err);
/* Format and file system of a disk image; *ret_fstype is malloc'ed, or left
 * alone when fstype is NULL. */
int disk_format_parse(const char *format, const char *fstype, const char *path,
		      enum disk_format *ret, char **ret_fstype,
		      struct err *err);

/* Does the guest have memory enough to take its patches from? */
int patches_check(const msb_config_t *c, struct err *err);
/* Keep them in the directory of the sandbox, for the boot that makes them. */
int patches_keep(const msb_config_t *c, const char *name, struct err *err);

/* Is a root on the host still there, and of its kind? */
int root_check(const struct root_config *r, struct err *err);

/* ---- commands ------------------------------------------------------------ */

/*
 * Entrypoint, command and shell combined with the user's words. out (empty)
 * receives the vector; it stays empty when there is nothing to run.
 */
int command_resolve(const struct sandbox_config *c, bool with_entrypoint,
		    const char *const *user_argv, size_t n, bool interactive,
		    struct strv *out);

/* The shell of c and what it takes to have it run a script; out is empty. */
int command_shell(const struct sandbox_config *c, const char *script,
		  struct strv *out);

struct msb_exec_options {
	struct strv argv;
	struct strv env;
	char *cwd, *user, *term;
	struct rlimit_config *rlimits;
	size_t nrlimits;
	bool tty;
	uint16_t rows, cols;
	uint64_t timeout_ms; /* 0 = none */
	bool stdin_given;
	uint8_t *stdin_data;
	size_t stdin_len;
	size_t output_max;
};

/* ---- sandboxes ----------------------------------------------------------- */

/*
 * What a handle knows of its sandbox. Operations work on rows of their own and
 * then publish them here; texts that were given out stay where they are until
 * the handle is freed, so no thread can take them from another.
 */
struct sandbox_facts {
	pthread_mutex_t lock;	/* of all the others; held for moments only */
	struct sandbox_row row; /* as of the last refresh */
	msb_status_t status;
	int pid;
	char *machine_json;
	struct strv labels; /* of the row; read when somebody asks */
	bool labels_known;
	struct strv given; /* texts, each once */
	/*
	 * What keeps the sandbox attached to this process, -1 = nothing. They
	 * change under the sandbox's lifecycle lock, but for a release.
	 */
	int watchdog_fd;
	int users_fd; /* shared lock on users.lock: held, see start.c */
};

struct msb_sandbox {
	msb_t *m; /* borrowed */
	char *name;
	char *log_dir, *agent_sock; /* absolute paths */
	struct sandbox_facts *facts;
};

/* Handle for a row (which is taken); NULL when out of memory. */
msb_sandbox_t *sandbox_new(msb_t *m, struct sandbox_row *row);
/* Take over a row (emptied), and what the directory tells just now. */
void sandbox_publish(msb_sandbox_t *s, struct sandbox_row *row);
/* Look at the directory again. */
void sandbox_look(msb_sandbox_t *s);
/* Look it up again; ERR_SANDBOX_NOT_FOUND. */
int sandbox_refresh(msb_sandbox_t *s, struct err *err);
/* It is gone, record and all: what remains to be said of it. */
void sandbox_set_ended(msb_sandbox_t *s);
/* The stored configuration; the caller frees it. */
int sandbox_config_of(const msb_sandbox_t *s, struct sandbox_config *ret,
		      struct err *err);
/* Its text, malloc'ed; NULL: out of memory. */
char *sandbox_config_text(const msb_sandbox_t *s);
/* malloc'ed; NULL: it does not run. */
char *sandbox_machine_text(const msb_sandbox_t *s);
uint32_t sandbox_slot(const msb_sandbox_t *s);
int sandbox_exit_code(const msb_sandbox_t *s);
/* Labels of a row; one whose configuration makes no sense has none. */
void row_labels(const struct sandbox_row *r, struct strv *ret);
/* Under the lifecycle lock: take over what attaches it, in place of what did
 * so before; *fds are emptied. -1: not attached. */
void sandbox_attach_fds(msb_sandbox_t *s, int *watchdog_fd, int *users_fd);
void sandbox_detach_fds(msb_sandbox_t *s);
bool sandbox_is_attached(const msb_sandbox_t *s);
/* Under the lifecycle lock: -1, or what stays open as long. */
int sandbox_users_fd(const msb_sandbox_t *s);
/* Untie it from its watchdog, if there is one: 0 or -errno. */
int sandbox_release_watchdog(msb_sandbox_t *s);
/* A copy of its watchdog's write end, or -1. */
int sandbox_watchdog_dup(const msb_sandbox_t *s);

/* Row of name, or ERR_SANDBOX_NOT_FOUND. */
int row_get(msb_t *m, const char *name, struct sandbox_row *ret,
	    struct err *err);
/* The same, with *ret_n = 0 or 1 rows. */
int row_find(msb_t *m, const char *name, struct sandbox_row *ret,
	     struct err *err);

/*
 * Change the state of r in the catalogue and in *r; reason and exit code as in
 * catalogue_set_status. 1, or 0 when the row is gone.
 */
int row_set_status(msb_t *m, struct sandbox_row *r, enum row_status status,
		   const char *reason, int exit_code, struct err *err);

/* Is the runtime of name alive? 1, 0, -errno. Waits for one that is ending. */
int sandbox_alive(const msb_t *m, const char *name);

/* ---- transitions: all need the lifecycle lock -----------------------------
 */

/*
 * What became of row, whose runtime is dead: the row gets its last state, or
 * it is removed with its directory (ephemeral, half-made). Afterwards *r is
 * the row as it is now; 1, or 0 when it is gone.
 */
int mend_row(msb_t *m, struct sandbox_row *r, struct err *err);
/* Remove directory, then row. */
int erase_row(msb_t *m, const struct sandbox_row *r, struct err *err);
/*
 * Mend r if it needs it and nobody else is at it: takes the lock only when it
 * is free. 1: *r is as it is now; 0: it is gone.
 */
int reconcile_row(msb_t *m, struct sandbox_row *r, struct err *err);

/*
 * End the runtime of row r: through the guest until timeout_ms have passed,
 * then by force. Not running is MSB_STOP_NOT_RUNNING. The row is mended. For
 * watchdog_fd (-1: none) see runtime_process_wait().
 */
int stop_row(msb_t *m, struct sandbox_row *r, int watchdog_fd,
	     uint64_t timeout_ms, msb_stop_result_t *ret, struct err *err);
/* The runtime of a sandbox; one that has just begun is given time to say who
 * it is. -ESRCH: it is dead. */
int process_open(int runtime_dirfd, struct runtime_process *ret);
/* Why that could not be done to it. */
int process_err(struct err *err, int rc, const char *name);
/* Kill the runtime without asking anybody, also one that is still booting.
 * 1 done, 0 there was none. */
int kill_runtime(msb_t *m, const char *name, struct err *err);

/* ---- launching ------------------------------------------------------------
 */

struct artefacts {
	char *runtime;	 /* msb-runtime */
	char *kernel;	 /* of the engine */
	char *initramfs; /* with the guest agent */
};
/* Find them; the message of a missing one says where it was looked for. tls:
 * the runtime with a TLS library in it. */
int artefacts_find(const msb_t *m, const char *engine, bool tls,
		   struct artefacts *ret, struct err *err);
void artefacts_fini(struct artefacts *a);
/*
 * Directory this code was loaded from, or that of the msb that config.json
 * names, with a "/" at its end; malloc'ed.
 */
char *artefact_own_dir(const msb_t *m);
/* msb-image, malloc'ed. */
int artefact_find_worker(const msb_t *m, char **ret, struct err *err);
/* Archive of an image that comes with the product, malloc'ed; NULL: none. */
char *artefact_find_image(const msb_t *m, const char *name);

/* What a boot needs from the host, found before anything is changed. */
struct boot_plan {
	const char *engine; /* "uml" or "kvm" */
	struct artefacts files;
	/* Of an image: the parts of its disk in order, and to whom in the
	 * guest those files of mounts belong that are the user's own. */
	struct strv lower;
	uint32_t uid, gid;
	int secrets_fd; /* their values, -1 = none */
};
#define BOOT_PLAN_INIT                                                         \
	{                                                                      \
		.secrets_fd = -1                                               \
	}
/* given: the values of a sandbox that is about to be made; NULL: those kept
 * with it. */
int boot_plan_make(const msb_t *m, const struct sandbox_config *c,
		   const struct secret_values *given, struct boot_plan *ret,
		   struct err *err);
void boot_plan_fini(struct boot_plan *p);

struct boot {
	const struct sandbox_config *config;
	struct boot_plan *plan;	    /* its descriptor is given to the runtime */
	const struct strv *startup; /* resolved command, empty = none */
	uint32_t slot;		    /* of the sandbox, for its addresses */
	int watchdog_rd;	    /* read end for the runtime, -1 = none */
};

/* How far a failed boot came, for what is to be kept of it. */
enum boot_stage {
	BOOT_NOT_STARTED, /* there is no machine and nothing in its logs */
	BOOT_MACHINE,	  /* the machine did not come up */
	BOOT_CHECKS,	  /* it came up, but is not as asked for; stopped */
};

/*
 * Start the runtime of a sandbox whose directory exists, wait until its guest
 * is ready, check the work directory. *ret_stage is set on failure; nothing
 * runs then.
 */
int boot_sandbox(msb_t *m, const struct boot *b, enum boot_stage *ret_stage,
		 struct api_err *e);

/*
 * Boot row r again (locked, dead). Its state is set, also after a failure.
 */
int start_row(msb_t *m, struct sandbox_row *r, int watchdog_rd,
	      struct api_err *e);

/* A pipe for a watchdog: fds[0] for the runtime, fds[1] for its creator. */
int watchdog_pipe(int fds[2], struct err *err);
/* Tell the runtime to ignore the end of its creator from now on. */
int watchdog_release(int fd);

/* Is the running sandbox one that ends with its last holder? */
bool sandbox_is_temporary(const msb_t *m, const char *name);
/* Make a temporary sandbox stay. */
int sandbox_make_permanent(msb_t *m, const char *name, struct err *err);

#endif
