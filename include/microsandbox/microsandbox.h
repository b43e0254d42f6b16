/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrosandbox: run untrusted workloads in small virtual machines.
 *
 * Conventions
 *  - Functions that can fail return 0 (or a positive count) on success and a
 *    negative errno on failure, and then set *ret_err when ret_err is not NULL;
 *    free it with msb_error_free().
 *  - Opaque objects are made by ..._new / ..._create / ..._get and released by
 *    ..._free, which accepts NULL.
 *  - Strings passed in are copied; strings returned as const char * are owned
 *    by the object they came from; char ** results are freed with msb_free().
 *  - Text is UTF-8. Units are part of the name.
 *  - An object may be used by one thread at a time; different objects may be
 *    used by different threads at once.
 */
#ifndef MICROSANDBOX_H
#define MICROSANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

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
 * "stage" (boot: mount, build_vm, config, network, image, other),
 * "sandbox", "kind" (exec failure: not_found, permission_denied, ...),
 * "errno_name", "command", "kernel_log" (last lines, when the kernel died).
 * Of logs that cannot be read on: "file", "offset".
 */
const char *msb_error_detail(const msb_error_t *e, const char *key);
void msb_error_free(msb_error_t *e);

void msb_free(void *p);
const char *msb_version(void); /* "0.1.0" */

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

/* ---- description of a sandbox -------------------------------------------- */

/* Defaults come from config.json (sandbox_defaults). */
int msb_config_new(msb_t *m, msb_config_t **ret, msb_error_t **ret_err);
void msb_config_free(msb_config_t *c);

/* 1 to 128 of [A-Za-z0-9][A-Za-z0-9_.-]*; without a name one is made up. */
int msb_config_set_name(msb_config_t *c, const char *name, msb_error_t **e);
/*
 * What begins with "." or "/" is a path: a directory, or a disk image. Anything
 * else is a reference: [registry/]repository[:tag][@digest].
 */
int msb_config_set_image(msb_config_t *c, const char *image, msb_error_t **e);
/* How a reference is looked up and pulled; copied. */
int msb_config_set_image_options(msb_config_t *c, const msb_image_options_t *o,
				 msb_error_t **e);
/* Size of the writable layer above an image; of references only. */
int msb_config_set_oci_upper_size_mib(msb_config_t *c, uint32_t mib,
				      msb_error_t **e);
/*
 * The image that a snapshot was taken above, with a copy of what it kept;
 * instead of an image.
 */
int msb_config_set_snapshot(msb_config_t *c, const char *ref, msb_error_t **e);
int msb_config_set_cpus(msb_config_t *c, unsigned cpus, msb_error_t **e);
int msb_config_set_memory_mib(msb_config_t *c, uint32_t mib, msb_error_t **e);
int msb_config_set_workdir(msb_config_t *c, const char *path, msb_error_t **e);
int msb_config_set_shell(msb_config_t *c, const char *shell, msb_error_t **e);
int msb_config_set_hostname(msb_config_t *c, const char *name, msb_error_t **e);
int msb_config_set_user(msb_config_t *c, const char *user, msb_error_t **e);
int msb_config_set_entrypoint(msb_config_t *c, const char *const *argv,
			      size_t n, msb_error_t **e);
int msb_config_set_cmd(msb_config_t *c, const char *const *argv, size_t n,
		       msb_error_t **e);
/* error, warn, info, debug or trace */
int msb_config_set_log_level(msb_config_t *c, const char *level,
			     msb_error_t **e);
int msb_config_add_env(msb_config_t *c, const char *key, const char *value,
		       msb_error_t **e);
/* Found again by msb_sandbox_list_labelled(); the same key replaces. Those of
 * the image are below them. */
int msb_config_add_label(msb_config_t *c, const char *key, const char *value,
			 msb_error_t **e);
/* resource: "nofile", "nproc", ...; UINT64_MAX = unlimited. Applies to PID 1
 * and everything below it. */
int msb_config_add_rlimit(msb_config_t *c, const char *resource, uint64_t soft,
			  uint64_t hard, msb_error_t **e);
/* Executable /.msb/scripts/<name>; contents verbatim. */
int msb_config_add_script(msb_config_t *c, const char *name, const void *data,
			  size_t len, msb_error_t **e);

typedef enum {
	MSB_STAT_VIRT_STRICT,
	MSB_STAT_VIRT_RELAXED,
	MSB_STAT_VIRT_OFF
} msb_stat_virt_t;
typedef enum { MSB_HOST_PERMS_PRIVATE, MSB_HOST_PERMS_MIRROR } msb_host_perms_t;
enum {
	MSB_MOUNT_READONLY = 1 << 0,
	MSB_MOUNT_NOEXEC = 1 << 1,
	MSB_MOUNT_NOSUID = 1 << 2,
	MSB_MOUNT_NODEV = 1 << 3,
	/* Bind: symbolic links in the host path are followed. */
	MSB_MOUNT_FOLLOW_SYMLINKS = 1 << 4,
};
#define MSB_QUOTA_NONE UINT64_MAX
#define MSB_BIND_QUOTA_MIB 4096
/* What does not fit the kind of mount must be left zero. */
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned flags;
	msb_stat_virt_t stat_virt;   /* bind, named directory */
	msb_host_perms_t host_perms; /* bind, named directory */
	/* Bind of a directory: how far guests may grow it. 0 is the default,
	 * MSB_BIND_QUOTA_MIB, MSB_QUOTA_NONE no limit. */
	uint64_t quota_mib;
	uint32_t size_mib;  /* tmpfs; 0 = the guest kernel's default */
	const char *format; /* disk: "raw", "qcow2"; NULL = by its name */
	const char *fstype; /* disk; NULL = what is found */
} msb_mount_options_t;

/*
 * Mounts; options may be NULL. Parents are mounted before what is below them,
 * whatever the order of the calls.
 *
 * bind: share a host directory or file. host is made absolute now. A symbolic
 * link in it is an error without MSB_MOUNT_FOLLOW_SYMLINKS.
 */
int msb_config_add_bind(msb_config_t *c, const char *host,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e);
int msb_config_add_tmpfs(msb_config_t *c, const char *guest_path,
			 const msb_mount_options_t *o, msb_error_t **e);
/* A disk image with a file system, as a block device of its own. */
int msb_config_add_disk(msb_config_t *c, const char *image,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e);

typedef enum { MSB_VOLUME_DIR, MSB_VOLUME_DISK } msb_volume_kind_t;
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	msb_volume_kind_t kind;
	uint64_t quota_mib;	   /* directory: 0 or MSB_QUOTA_NONE = none */
	uint64_t capacity_mib;	   /* disk: its size, required */
	const char *const *labels; /* KEY=VALUE */
	size_t nlabels;
} msb_volume_options_t;
typedef enum {
	MSB_VOLUME_ENSURE, /* made when it is missing */
	MSB_VOLUME_EXISTING,
	MSB_VOLUME_NEW,
} msb_volume_mode_t;
/*
 * A named volume. When the sandbox is created, mode says whether the volume is
 * made then, as described by v (NULL: a directory without a quota). One that
 * exists must agree with everything v sets.
 */
int msb_config_add_named(msb_config_t *c, const char *volume,
			 const char *guest_path, msb_volume_mode_t mode,
			 const msb_volume_options_t *v,
			 const msb_mount_options_t *o, msb_error_t **e);

/* Hand PID 1 to this program ("auto" or an absolute path) after set-up. */
int msb_config_set_init(msb_config_t *c, const char *path, msb_error_t **e);
int msb_config_add_init_arg(msb_config_t *c, const char *arg, msb_error_t **e);
int msb_config_add_init_env(msb_config_t *c, const char *key, const char *value,
			    msb_error_t **e);

/*
 * Network (docs/network.md). Untouched, a sandbox reaches DNS and public
 * addresses, and is reached through published ports.
 *
 * The first call of set_net_default, add_net_rules or add_net_profiles replaces
 * that policy: what no rule decides is then denied on the way out and allowed
 * on the way in. Rules decide in the order of the calls; those of profiles come
 * after all others.
 */
enum { MSB_NET_EGRESS = 1 << 0, MSB_NET_INGRESS = 1 << 1 };
/* For what no rule decides; directions: the above. */
int msb_config_set_net_default(msb_config_t *c, unsigned directions, bool allow,
			       msb_error_t **e);
/* Tokens such as "allow@example.com:tcp:443", separated by commas. */
int msb_config_add_net_rules(msb_config_t *c, const char *tokens,
			     msb_error_t **e);
/* Of "public", "private", "host", or "all", or "none"; separated by commas.
 * Not together with set_net_default. */
int msb_config_add_net_profiles(msb_config_t *c, const char *profiles,
				msb_error_t **e);
/* [BIND:]HOST:GUEST[/tcp|/udp]; BIND is 127.0.0.1 without, IPv6 in brackets. */
int msb_config_add_port(msb_config_t *c, const char *port, msb_error_t **e);
/* May names stand for addresses that are not public? Default: not (true). */
void msb_config_set_dns_rebind_protection(msb_config_t *c, bool on);
/* IP, IP:PORT, [IPv6]:PORT, HOST, HOST:PORT; in the order they are asked. */
int msb_config_add_dns_nameserver(msb_config_t *c, const char *server,
				  msb_error_t **e);
int msb_config_set_dns_timeout_ms(msb_config_t *c, uint32_t ms,
				  msb_error_t **e);
/* Where sandboxes' addresses are from: an IPv4 and an IPv6 prefix. */
int msb_config_set_net_ipv4_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e);
int msb_config_set_net_ipv6_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e);
int msb_config_set_max_connections(msb_config_t *c, uint32_t n,
				   msb_error_t **e);
/* The whole network section in its JSON form (docs/json.md): also what has no
 * function of its own. What was set before is forgotten. A secret may have its
 * value here; it is taken out and goes where msb_secret_t says. */
int msb_config_set_network_json(msb_config_t *c, const char *json,
				msb_error_t **e);
/* Calls fn for everything about the network that is allowed but perhaps not
 * what was meant: one line each. */
int msb_config_network_hints(const msb_config_t *c,
			     void (*fn)(void *ctx, const char *text), void *ctx,
			     msb_error_t **e);

/*
 * TLS interception (docs/network.md). Each of these turns it on, also when it
 * is called with the default. Files are PEM, are read when the sandbox starts,
 * and a relative path is one of now. Patterns of hosts are "NAME" and "*.NAME",
 * which is NAME and all below it.
 */
void msb_config_set_tls_intercept(msb_config_t *c);
/* The first call replaces the default, 443. */
int msb_config_add_tls_port(msb_config_t *c, uint16_t port, msb_error_t **e);
/* Hosts whose connections go through untouched. */
int msb_config_add_tls_bypass(msb_config_t *c, const char *pattern,
			      msb_error_t **e);
/* Drop UDP to intercepted ports, which would be QUIC. Default: true. */
void msb_config_set_tls_block_quic(msb_config_t *c, bool on);
/* Instead of this home's own authority; both or none (NULL). */
int msb_config_set_tls_ca(msb_config_t *c, const char *cert, const char *key,
			  msb_error_t **e);
/* Trust this one, too, when servers are verified: all of them, or (pattern not
 * NULL) some. */
int msb_config_add_tls_upstream_ca(msb_config_t *c, const char *pattern,
				   const char *cert, msb_error_t **e);
/* Are servers verified at all: all of them, or (pattern not NULL, the most
 * specific one counts) some? Default: true. */
int msb_config_set_tls_verify_upstream(msb_config_t *c, const char *pattern,
				       bool verify, msb_error_t **e);
/* Give the guest the certificates of the authorities that this host trusts. Not
 * an interception. */
void msb_config_set_trust_host_cas(msb_config_t *c, bool on);

/*
 * Secrets (docs/secrets.md): the guest has an environment variable with a
 * placeholder, and requests to allowed hosts have the value. They turn TLS
 * interception on.
 */
enum {
	MSB_SECRET_IN_HEADERS = 1 << 0,
	MSB_SECRET_IN_BASIC = 1 << 1, /* decoded Basic credentials */
	MSB_SECRET_IN_QUERY = 1 << 2,
	MSB_SECRET_IN_BODY = 1 << 3,
};
typedef struct {
	size_t struct_size;
	const char *env; /* name of the guest's variable */
	/*
	 * Exactly one of these. A value is kept in a file of the sandbox's
	 * (mode 0600) for further starts; the others are read at each start,
	 * the variable from the environment of whoever starts it. Of a file,
	 * one newline at its end does not count.
	 */
	const char *value;
	const char *from_env;
	const char *from_file;
	const char *const *hosts; /* patterns, or "*": any */
	size_t nhosts;		  /* not 0 */
	unsigned places;	  /* MSB_SECRET_IN_*; 0: headers and Basic */
	const char *placeholder;  /* NULL: "$MSB_" and env */
	/* As msb_config_set_secret_violation, of this one only; or NULL. */
	const char *on_violation;
	const char *const *pass_hosts;
	size_t npass_hosts;
	bool plain_http; /* also outside TLS */
} msb_secret_t;
/* One that differs from an earlier one in its hosts only adds them to it. */
int msb_config_add_secret(msb_config_t *c, const msb_secret_t *s,
			  msb_error_t **e);
/*
 * What becomes of a request with a placeholder that may not go there: "block",
 * "block-and-log" (default), "block-and-terminate", "passthrough". The last
 * sends it as it is to these hosts (to others: "block-and-log"); only it takes
 * any.
 */
int msb_config_set_secret_violation(msb_config_t *c, const char *action,
				    const char *const *pass_hosts, size_t n,
				    msb_error_t **e);

/* Which rule decides: no sandbox takes part in it. */
typedef struct {
	size_t struct_size;
	/* IP, IP:PORT, [IPv6]:PORT, NAME, NAME:PORT. On ingress the peer's
	 * address, and the port of the guest. Without a port, for each. */
	const char *target;
	const char *proto;   /* "tcp" (also when NULL), "udp", "icmp" */
	const char *address; /* what a name resolved to; NULL: some public
			      * address */
	bool ingress;
} msb_net_question_t;
/* 1 allowed, 0 denied. *ret_json (not NULL) tells why (docs/json.md); to be
 * freed with msb_free(). */
int msb_config_net_explain(const msb_config_t *c, const msb_net_question_t *q,
			   char **ret_json, msb_error_t **e);

/* Lifetime limits of one boot, in seconds; 0 = none. */
int msb_config_set_max_duration_s(msb_config_t *c, uint64_t s, msb_error_t **e);
int msb_config_set_idle_timeout_s(msb_config_t *c, uint64_t s, msb_error_t **e);

/* "auto", "kvm" or "uml" */
int msb_config_set_engine(msb_config_t *c, const char *engine, msb_error_t **e);
/* "strict" (default) or "relaxed": run without jail layers the host forbids */
int msb_config_set_engine_jail(msb_config_t *c, const char *jail,
			       msb_error_t **e);
/* uml with one vCPU: "auto", "ptrace" or "seccomp" */
int msb_config_set_engine_mode(msb_config_t *c, const char *mode,
			       msb_error_t **e);

/* Remove the sandbox when its work ends, however it ends. */
void msb_config_set_ephemeral(msb_config_t *c, bool on);
/* Stop the sandbox when this process dies. Default off. */
void msb_config_set_attached(msb_config_t *c, bool on);
/* Replace an existing sandbox of that name; grace before it is killed. */
void msb_config_set_replace(msb_config_t *c, bool on, uint64_t grace_ms);
/*
 * A command the runtime itself starts once the guest is ready; when it ends
 * the sandbox stops. Environment, user and directory are the sandbox's. argv
 * are the user's words (n may be 0): entrypoint and default command are
 * combined with them as by msb_sandbox_resolve_command; when that gives
 * nothing, the sandbox just boots. Of this boot only, not stored.
 */
int msb_config_set_startup(msb_config_t *c, const char *const *argv, size_t n,
			   msb_error_t **e);

/* ---- life cycle ---------------------------------------------------------- */

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
/* timeout_ms 0 = kill at once. An expired timeout kills and is success. */
int msb_sandbox_stop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err);

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

typedef enum {
	MSB_STATUS_RUNNING,
	MSB_STATUS_DRAINING,
	MSB_STATUS_PAUSED,
	MSB_STATUS_STOPPED,
	MSB_STATUS_CRASHED,
} msb_status_t;
const char *msb_status_name(msb_status_t s); /* "Running", ... */

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

/* ---- commands ------------------------------------------------------------ */

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
 * gives MSB_EXEC_NONE, then poll this for POLLIN (and for POLLOUT while
 * msb_exec_wants_write), and so on. Stays the same for the life of x.
 */
int msb_exec_fd(const msb_exec_t *x);
bool msb_exec_wants_write(const msb_exec_t *x);

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

/* Queue input; returns the number of bytes taken (0 = try when writable). */
int64_t msb_exec_write_stdin(msb_exec_t *x, const void *data, size_t len,
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

/* ---- logs (docs/logs.md) ------------------------------------------------- */

/* Where an entry comes from. */
enum {
	MSB_LOG_STDOUT = 1 << 0,
	MSB_LOG_STDERR = 1 << 1,
	MSB_LOG_OUTPUT = 1 << 2, /* of a terminal: both in one */
	MSB_LOG_SYSTEM = 1 << 3, /* markers, the runtime's log, the console */
};
#define MSB_LOG_TEXTS_MAX 8
typedef struct {
	const void *data; /* any bytes */
	size_t len;
} msb_log_text_t;
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned sources;   /* MSB_LOG_*; 0: all but MSB_LOG_SYSTEM */
	bool has_since, has_until, has_tail;
	int64_t since_unix_ns; /* entries of this time and later */
	int64_t until_unix_ns; /* entries before this time */
	uint64_t tail;	       /* the last so many of those there are now */
	/* From msb_log_cursor() of the same sources: go on behind that entry.
	 * Not together with tail. MSB_ERR_INVALID_CURSOR when what it points
	 * to is gone, or was never there. */
	const char *cursor;
	/* Only entries whose data holds one of these texts, at most
	 * MSB_LOG_TEXTS_MAX, if there are any. */
	const msb_log_text_t *contains;
	size_t contains_count;
	bool follow; /* wait for more, until the sandbox has ended */
} msb_log_options_t;
/* Of a sandbox that runs, is stopped or has crashed; also of one whose record
 * is lost. o may be NULL. */
int msb_log_open(msb_t *m, const char *sandbox, const msb_log_options_t *o,
		 msb_log_t **ret, msb_error_t **ret_err);
void msb_log_free(msb_log_t *l);

typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned source;    /* one of MSB_LOG_* */
	int64_t time_unix_ns;
	uint64_t session; /* counts the commands of one boot; 0: none */
	const void *data; /* any bytes; valid until the next call with l */
	size_t len;
} msb_log_entry_t;
/*
 * The next entry, in the order of time; entries of one file keep their order
 * whatever the clock did. 1, or 0: there is none now, also within timeout_ms
 * (-1: however long) when following. MSB_ERR_MISSED_ROTATION: entries that this
 * follower had not read yet are gone; there will be no more for it.
 */
int msb_log_next(msb_log_t *l, int timeout_ms, msb_log_entry_t *ret,
		 msb_error_t **ret_err);
/* After a 0: nothing will follow, whoever waits. */
bool msb_log_ended(const msb_log_t *l);
/* For a loop of the caller's own: readable when msb_log_next with a timeout of
 * 0 is worth a call, which also is so every 100 ms. -1 when not following. */
int msb_log_fd(const msb_log_t *l);
/* The last entry as a line of JSON (docs/json.md), without its newline; valid
 * until the next call with l. */
int msb_log_json(msb_log_t *l, const char **ret, size_t *ret_len,
		 msb_error_t **ret_err);
/* The place behind the last entry, as text; to be freed with msb_free(). */
int msb_log_cursor(const msb_log_t *l, char **ret, msb_error_t **ret_err);
/* Why the last boot failed, as JSON text (docs/json.md), or *ret = NULL; to be
 * freed with msb_free(). */
int msb_log_boot_error(const msb_log_t *l, char **ret, msb_error_t **ret_err);

/* ---- metrics (docs/metrics.md) ------------------------------------------- */

/* How often the runtime takes a sample; 0: never. Default: config.json, 1000.
 */
int msb_config_set_metrics_interval_ms(msb_config_t *c, uint32_t ms,
				       msb_error_t **e);

typedef enum {
	MSB_METRICS_RUNNING,
	MSB_METRICS_STALLED, /* no sample for three intervals */
	MSB_METRICS_EXITED,  /* the last sample of a sandbox that is gone */
} msb_metrics_state_t;
typedef struct {
	size_t struct_size;
	const char *name; /* of the sandbox; valid until the function returns,
			     or as long as the sandbox's handle */
	msb_metrics_state_t state;
	unsigned cpus;
	int64_t started_unix_ms, sampled_unix_ms;
	uint64_t uptime_ms;   /* at the time of the sample */
	uint64_t cpu_time_us; /* of the host, for all of it, since the start */
	double cpu_percent;   /* over the last interval; 100 is one whole CPU */
	uint64_t memory_bytes; /* of the host */
	uint64_t memory_limit_bytes;
	uint64_t guest_memory_bytes; /* in use, as the guest says; 0: unknown */
	uint64_t guest_memory_total_bytes;
	uint64_t disk_read_bytes, disk_write_bytes; /* by the guest */
	uint64_t net_rx_bytes, net_tx_bytes;	    /* of the guest */
	/* Bytes per second between the last two samples, as cpu_percent. */
	uint64_t disk_read_rate, disk_write_rate, net_rx_rate, net_tx_rate;
	uint32_t interval_ms; /* between samples */
} msb_metrics_t;
/* The latest sample. MSB_ERR_METRICS_DISABLED, or
 * MSB_ERR_METRICS_UNAVAILABLE: it does not run, or there is none yet. */
int msb_sandbox_metrics(msb_sandbox_t *s, msb_metrics_t *ret,
			msb_error_t **ret_err);
/* Also the last samples of sandboxes that have ended, where they are not
 * overwritten yet; a sandbox that runs again has only its newest. */
#define MSB_METRICS_WITH_EXITED (1u << 0)
/*
 * Calls fn for every sandbox of this home that runs and has a sample, by name;
 * non-zero ends it, which is no error. flags: MSB_METRICS_WITH_EXITED, or 0.
 * Reads shared memory only, unless one is stalled.
 */
int msb_metrics_all(msb_t *m, unsigned flags,
		    int (*fn)(void *ctx, const msb_metrics_t *sample),
		    void *ctx, msb_error_t **ret_err);

/* ---- releases of msb itself (docs/install.md) -----------------------------
 */

typedef struct {
	size_t struct_size;
	/* A directory, or a file, http or https URL; NULL: as config.json
	 * says. */
	const char *source;
	const char *version;  /* NULL: the latest */
	bool older;	      /* instead: the newest before msb_version() */
	const char *ca_certs; /* PEM certificates to trust, too, or NULL */
} msb_release_query_t;

/*
 * Look for a release. MSB_ERR_UNSUPPORTED: this library is part of a package,
 * and its manager's to update.
 */
int msb_release_find(msb_t *m, const msb_release_query_t *q,
		     msb_release_t **ret, msb_error_t **ret_err);
void msb_release_free(msb_release_t *r);
const char *msb_release_version(const msb_release_t *r);
/* Negative, 0, positive: older than msb_version(), the same, newer. */
int msb_release_order(const msb_release_t *r);
/*
 * Get it, check its sum, unpack it below the home's lib, see that it works, and
 * have the home's bin/msb lead to it, in one step; a failure, a kill or a full
 * disk leaves what was there. Waits for another process that does the same;
 * again: also when it is installed already. o: NULL, or who is told of
 * MSB_IMAGE_DOWNLOAD.
 */
int msb_release_install(const msb_release_t *r, bool again,
			const msb_image_options_t *o, msb_error_t **ret_err);

/* ---- images -------------------------------------------------------------- */

/*
 * Images are kept in the home directory's cache. A reference is looked up in
 * its canonical form, so that "alpine" and "docker.io/library/alpine:latest"
 * are one image. The images that come with the product are pulled from its own
 * files, unless the policy is MSB_PULL_ALWAYS.
 */
typedef enum {
	MSB_PULL_IF_MISSING, /* without a network when it is in the cache */
	MSB_PULL_ALWAYS,     /* ask the registry; layers are reused */
	MSB_PULL_NEVER,
} msb_pull_policy_t;

/* What happens while an image is pulled, loaded or saved. */
typedef enum {
	MSB_IMAGE_RESOLVING, /* reference */
	MSB_IMAGE_RESOLVED,  /* reference, layer_count, layer_bytes, total */
	MSB_IMAGE_DOWNLOAD,  /* layer, bytes, total; may go back */
	MSB_IMAGE_UNPACK,    /* layer, bytes, total */
	MSB_IMAGE_WAITING,   /* layer: another process is working on it */
	MSB_IMAGE_CACHED,    /* layer: it was there */
	MSB_IMAGE_LAYER,     /* layer: it is there now */
	MSB_IMAGE_MERGING,
	MSB_IMAGE_NOTE, /* message: a person may want to know */
	MSB_IMAGE_DONE, /* the last one, of a success */
} msb_image_event_kind_t;
typedef struct {
	size_t struct_size;
	msb_image_event_kind_t kind;
	const char *reference; /* canonical */
	size_t layer;	       /* below layer_count, the lowest layer first */
	size_t layer_count;    /* as of the last RESOLVED */
	const uint64_t *layer_bytes; /* RESOLVED: size of each download */
	uint64_t bytes, total;
	const char *message;
} msb_image_event_t;
/*
 * Called from within the function that does the work. Non-zero cancels it: it
 * fails with -ECANCELED.
 */
typedef int (*msb_image_progress_fn)(void *ctx, const msb_image_event_t *event);

msb_image_options_t *msb_image_options_new(void); /* NULL: out of memory */
void msb_image_options_free(msb_image_options_t *o);
void msb_image_options_set_policy(msb_image_options_t *o, msb_pull_policy_t p);
/* Download and build everything again. */
void msb_image_options_set_force(msb_image_options_t *o, bool on);
/* Plain http instead of https. */
void msb_image_options_set_insecure(msb_image_options_t *o, bool on);
/* A file with PEM certificates to trust besides the usual ones. */
int msb_image_options_set_ca_certs(msb_image_options_t *o, const char *path,
				   msb_error_t **e);
/* Instead of the stored credentials. */
int msb_image_options_set_login(msb_image_options_t *o, const char *username,
				const char *password, msb_error_t **e);
void msb_image_options_set_progress(msb_image_options_t *o,
				    msb_image_progress_fn fn, void *ctx);

/* Options may be NULL everywhere. *ret_cached: it was in the cache. */
int msb_image_pull(msb_t *m, const char *reference,
		   const msb_image_options_t *o, bool *ret_cached,
		   msb_error_t **ret_err);
/*
 * Read an archive (of docker save, or an OCI layout, each as a tar, which may
 * be compressed) from fd; input names it in messages. references are further
 * names of its first image. *ret_loaded lists what it held.
 */
int msb_image_load(msb_t *m, int fd, const char *input,
		   const char *const *references, size_t n,
		   const msb_image_options_t *o, msb_image_list_t **ret_loaded,
		   msb_error_t **ret_err);
typedef enum { MSB_ARCHIVE_DOCKER, MSB_ARCHIVE_OCI } msb_archive_t;
/* Write images that are in the cache into fd, an empty file open for reading
 * and writing. */
int msb_image_save(msb_t *m, const char *const *references, size_t n,
		   msb_archive_t format, int fd, const msb_image_options_t *o,
		   msb_error_t **ret_err);

int msb_image_get(msb_t *m, const char *reference, msb_image_t **ret,
		  msb_error_t **ret_err);
void msb_image_free(msb_image_t *img);
/* All names in the cache, in order. */
int msb_image_list(msb_t *m, msb_image_list_t **ret, msb_error_t **ret_err);
size_t msb_image_list_count(const msb_image_list_t *l);
const msb_image_t *msb_image_list_item(const msb_image_list_t *l,
				       size_t i); /* borrowed */
void msb_image_list_free(msb_image_list_t *l);

const char *msb_image_reference(const msb_image_t *img);   /* as people write */
const char *msb_image_canonical(const msb_image_t *img);   /* complete */
const char *msb_image_digest(const msb_image_t *img);	   /* of the manifest */
int64_t msb_image_created_unix_ms(const msb_image_t *img); /* of the name */
/* Sum of the compressed layers; -1 when files of the image are missing. */
int64_t msb_image_size_bytes(const msb_image_t *img);
/* Everything that is known, as JSON text (see docs/json.md); owned by img. */
const char *msb_image_json(const msb_image_t *img);

/*
 * Remove a name, and what nothing needs any more. An image that a sandbox was
 * made from is refused (MSB_ERR_IMAGE_IN_USE), or with force loses only its
 * name.
 */
int msb_image_remove(msb_t *m, const char *reference, bool force,
		     msb_error_t **ret_err);
typedef struct {
	size_t struct_size;
	unsigned references, manifests, layers, merged;
	uint64_t bytes;
} msb_image_freed_t;
/* Remove every image that no sandbox was made from, and leftovers. ret may be
 * NULL; its struct_size is set by the caller. */
int msb_image_prune(msb_t *m, msb_image_freed_t *ret, msb_error_t **ret_err);

/* ---- registries ---------------------------------------------------------- */

/* Store a password or token for a registry, such as "ghcr.io". */
int msb_registry_login(msb_t *m, const char *host, const char *username,
		       const char *password, msb_error_t **ret_err);
int msb_registry_logout(msb_t *m, const char *host, bool *ret_found,
			msb_error_t **ret_err);
typedef struct {
	size_t struct_size;
	const char *host, *username;
	const char *source; /* "secret_name", "password_env", "unset", ... */
} msb_registry_t;
/* Calls fn for each registry with a login, sorted; stops when fn gives
 * non-zero. */
int msb_registry_list(msb_t *m,
		      int (*fn)(void *ctx, const msb_registry_t *registry),
		      void *ctx, msb_error_t **ret_err);

/* ---- host checks --------------------------------------------------------- */

typedef enum {
	MSB_CHECK_OK,
	MSB_CHECK_WARN,
	MSB_CHECK_FAIL,
	MSB_CHECK_INFO
} msb_check_state_t;
typedef struct {
	size_t struct_size;
	msb_check_state_t state;
	const char *name;
	const char *detail;
	const char *remedy; /* "" when there is nothing to do */
} msb_check_t;
/* Calls fn for each check, in order; stops when fn returns non-zero. */
int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err);

/* ---- files in a guest ---------------------------------------------------- */

/*
 * A connection to the agent of a running sandbox. Paths are the guest's;
 * errors of its file system are MSB_ERR_FS with their errno. After any other
 * error the connection is of no further use.
 */
int msb_fs_connect(msb_sandbox_t *s, msb_fs_t **ret, msb_error_t **ret_err);
void msb_fs_free(msb_fs_t *fs); /* closes what it has open */

typedef enum {
	MSB_FS_FILE,
	MSB_FS_DIR,
	MSB_FS_SYMLINK,
	MSB_FS_OTHER
} msb_fs_kind_t;
typedef struct {
	size_t struct_size; /* set by the library */
	msb_fs_kind_t kind;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size;
	int64_t atime_s, mtime_s;
} msb_fs_info_t;
int msb_fs_stat(msb_fs_t *fs, const char *path, bool follow, msb_fs_info_t *ret,
		msb_error_t **ret_err);
/* 1, 0, or negative: it cannot be told. */
int msb_fs_exists(msb_fs_t *fs, const char *path, msb_error_t **ret_err);
/* With its parents; mode -1 = 0777 less the guest's umask. */
int msb_fs_mkdir(msb_fs_t *fs, const char *path, int mode,
		 msb_error_t **ret_err);
int msb_fs_remove(msb_fs_t *fs, const char *path, msb_error_t **ret_err);
int msb_fs_remove_dir(msb_fs_t *fs, const char *path, bool recursive,
		      msb_error_t **ret_err);
int msb_fs_copy(msb_fs_t *fs, const char *from, const char *to,
		msb_error_t **ret_err); /* one file, in the guest */
int msb_fs_rename(msb_fs_t *fs, const char *from, const char *to,
		  msb_error_t **ret_err);
int msb_fs_symlink(msb_fs_t *fs, const char *target, const char *path,
		   msb_error_t **ret_err);
int msb_fs_read_link(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err);
int msb_fs_real_path(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err);
enum {
	MSB_FS_SET_MODE = 1 << 0,
	MSB_FS_SET_UID = 1 << 1,
	MSB_FS_SET_GID = 1 << 2,
	MSB_FS_SET_SIZE = 1 << 3,
	MSB_FS_SET_ATIME = 1 << 4,
	MSB_FS_SET_MTIME = 1 << 5,
};
typedef struct {
	size_t struct_size;
	unsigned set; /* which of the following */
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime_s, mtime_s;
} msb_fs_attrs_t;
int msb_fs_set_stat(msb_fs_t *fs, const char *path, bool follow,
		    const msb_fs_attrs_t *attrs, msb_error_t **ret_err);
/* Calls fn for each entry, in no order; non-zero ends it, which is no error. fn
 * must not use fs. */
int msb_fs_list(msb_fs_t *fs, const char *path,
		int (*fn)(void *ctx, const char *name,
			  const msb_fs_info_t *info),
		void *ctx, msb_error_t **ret_err);

/* A file as a whole. *ret is to be freed; max 0 = 2 GiB. */
int msb_fs_read_file(msb_fs_t *fs, const char *path, size_t max, void **ret,
		     size_t *ret_len, msb_error_t **ret_err);
int msb_fs_write_file(msb_fs_t *fs, const char *path, const void *data,
		      size_t len, int mode, bool append, msb_error_t **ret_err);

/* Open files; handles are good for this connection. */
enum {
	MSB_FS_READ = 1 << 0,
	MSB_FS_WRITE = 1 << 1,
	MSB_FS_APPEND = 1 << 2,
	MSB_FS_CREATE = 1 << 3,
	MSB_FS_TRUNCATE = 1 << 4,
	MSB_FS_CREATE_NEW = 1 << 5,
};
int msb_fs_open(msb_fs_t *fs, const char *path, unsigned flags, int mode,
		uint64_t *ret_handle, msb_error_t **ret_err);
int msb_fs_close(msb_fs_t *fs, uint64_t handle, msb_error_t **ret_err);
int msb_fs_fstat(msb_fs_t *fs, uint64_t handle, msb_fs_info_t *ret,
		 msb_error_t **ret_err);
int msb_fs_fset_stat(msb_fs_t *fs, uint64_t handle, const msb_fs_attrs_t *attrs,
		     msb_error_t **ret_err);
/* Bytes read, fewer than len at the end of the file. */
int64_t msb_fs_pread(msb_fs_t *fs, uint64_t handle, uint64_t offset, void *data,
		     size_t len, msb_error_t **ret_err);
int msb_fs_pwrite(msb_fs_t *fs, uint64_t handle, uint64_t offset,
		  const void *data, size_t len, msb_error_t **ret_err);

/*
 * Copy a file, or a directory with all it holds, between the host and running
 * guests, as cp -r does: into to when that is a directory, else as to; of a
 * directory from whose path ends in "/." the contents. Permission bits and
 * times of change are kept, owners are not. Symbolic links are copied as such,
 * but for the path given.
 *
 * Out of a guest nothing is ever written outside of the destination: links in
 * it are not followed, set-uid and set-gid bits are dropped, and a symbolic
 * link that leads outside is not made.
 *
 * The result is the number of entries that could not be copied while the others
 * were; each has been told to skipped.
 */
typedef struct {
	size_t struct_size;
	void (*skipped)(void *ctx, const char *path, const char *why);
	void *ctx;
} msb_copy_options_t;
/* A sandbox NULL is the host; o may be NULL. */
int64_t msb_copy(msb_sandbox_t *from, const char *from_path, msb_sandbox_t *to,
		 const char *to_path, const msb_copy_options_t *o,
		 msb_error_t **ret_err);

/* ---- named volumes ------------------------------------------------------- */

/*
 * A volume outlives the sandboxes that use it, and several may use it at once;
 * a disk only one that writes, or several that read. Names are 1 to 128 of
 * [A-Za-z0-9][A-Za-z0-9_.-]*.
 */
int msb_volume_create(msb_t *m, const char *name, const msb_volume_options_t *o,
		      msb_volume_t **ret, msb_error_t **ret_err);
int msb_volume_get(msb_t *m, const char *name, msb_volume_t **ret,
		   msb_error_t **ret_err);
void msb_volume_free(msb_volume_t *v);
/* By name. */
int msb_volume_list(msb_t *m, msb_volume_list_t **ret, msb_error_t **ret_err);
size_t msb_volume_list_count(const msb_volume_list_t *l);
const msb_volume_t *msb_volume_list_item(const msb_volume_list_t *l,
					 size_t i); /* borrowed */
void msb_volume_list_free(msb_volume_list_t *l);
/* With all it holds. MSB_ERR_VOLUME_IN_USE while a sandbox runs with it. */
int msb_volume_remove(msb_t *m, const char *name, msb_error_t **ret_err);
/* Remove each volume that no sandbox, running or not, is configured with, and
 * tell its name. */
int msb_volume_prune(msb_t *m, void (*removed)(void *ctx, const char *name),
		     void *ctx, msb_error_t **ret_err);

const char *msb_volume_name(const msb_volume_t *v);
const char *msb_volume_path(const msb_volume_t *v); /* its directory */
msb_volume_kind_t msb_volume_kind(const msb_volume_t *v);
uint64_t msb_volume_quota_mib(const msb_volume_t *v);	   /* 0 = none */
uint64_t msb_volume_capacity_bytes(const msb_volume_t *v); /* 0 = directory */
int64_t msb_volume_created_unix_ms(const msb_volume_t *v);
/* KEY=VALUE, sorted by key; NULL past the end. */
const char *msb_volume_label(const msb_volume_t *v, size_t i);
/* Bytes of its files, or of the disk's occupied blocks: looks at all of them.
 */
int msb_volume_used_bytes(const msb_volume_t *v, uint64_t *ret,
			  msb_error_t **ret_err);

/* ---- snapshots ----------------------------------------------------------- */

/*
 * What a stopped sandbox wrote above its image, kept in a directory of its own.
 * ref is a name below the home's snapshots, a path (with "/", or beginning with
 * "." or "~"), or a digest.
 */
typedef struct {
	size_t struct_size;
	const char *const *labels; /* KEY=VALUE */
	size_t nlabels;
	bool force;	/* replace an older one */
	bool integrity; /* record a digest of the contents */
} msb_snapshot_options_t;
/* dest is a name or a path; o and ret may be NULL. */
int msb_snapshot_create(msb_t *m, const char *sandbox, const char *dest,
			const msb_snapshot_options_t *o, msb_snapshot_t **ret,
			msb_error_t **ret_err);
int msb_snapshot_get(msb_t *m, const char *ref, msb_snapshot_t **ret,
		     msb_error_t **ret_err);
void msb_snapshot_free(msb_snapshot_t *s);
/* Newest first. */
int msb_snapshot_list(msb_t *m, msb_snapshot_list_t **ret,
		      msb_error_t **ret_err);
size_t msb_snapshot_list_count(const msb_snapshot_list_t *l);
const msb_snapshot_t *msb_snapshot_list_item(const msb_snapshot_list_t *l,
					     size_t i); /* borrowed */
void msb_snapshot_list_free(msb_snapshot_list_t *l);
/* Read all of it: 1 it is as recorded, 0 no digest was recorded. */
int msb_snapshot_verify(const msb_snapshot_t *s, msb_error_t **ret_err);
/* The parent of another one only with force. */
int msb_snapshot_remove(msb_t *m, const char *ref, bool force,
			msb_error_t **ret_err);
/* The home's own. */
const char *msb_snapshot_dir(const msb_t *m);
/* Get to know the snapshots in dir (NULL: the home's own): their number. */
int64_t msb_snapshot_reindex(msb_t *m, const char *dir, msb_error_t **ret_err);
/*
 * As one file: a tar archive, compressed with zstd unless plain. parents: also
 * those it was made from, as far as they are known.
 */
int msb_snapshot_export(msb_t *m, const char *ref, const char *path,
			bool parents, bool plain, msb_error_t **ret_err);
/*
 * The snapshot that an archive holds, into dest (NULL: a name from its digest);
 * its parents, if the archive has them, under such names. All of it is checked
 * before any of it is there.
 */
int msb_snapshot_import(msb_t *m, const char *path, const char *dest,
			msb_snapshot_t **ret, msb_error_t **ret_err);

const char *msb_snapshot_digest(const msb_snapshot_t *s); /* its identity */
const char *msb_snapshot_name(const msb_snapshot_t *s);	  /* NULL: elsewhere */
const char *msb_snapshot_path(const msb_snapshot_t *s);
const char *msb_snapshot_json(const msb_snapshot_t *s); /* its descriptor */
const char *msb_snapshot_image(const msb_snapshot_t *s);
const char *msb_snapshot_created_at(const msb_snapshot_t *s); /* RFC 3339 */
uint64_t msb_snapshot_size_bytes(const msb_snapshot_t *s);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
