/* SPDX-License-Identifier: Apache-2.0 */
/* Description of a sandbox that is to be created, or changed. */
#ifndef MICROSANDBOX_CONFIG_H
#define MICROSANDBOX_CONFIG_H

#include "microsandbox/core.h"
#include "microsandbox/image.h"

MSB_BEGIN_DECLS

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
 * Changes of the root file system, made in the guest before any of its own
 * programs runs, at the first start only and in the order of the calls. A path
 * is absolute and is resolved within the guest's root. What exists already is
 * an error without replace, but for MKDIR and REMOVE (MSB_ERR_PATCH). Contents
 * are read now; together they may have MSB_PATCH_MAX_BYTES.
 */
#define MSB_PATCH_MAX_BYTES (64u << 20)
typedef enum {
	MSB_PATCH_FILE,	     /* data */
	MSB_PATCH_APPEND,    /* data, to a file that exists */
	MSB_PATCH_COPY_FILE, /* source: a file of the host */
	MSB_PATCH_COPY_DIR,  /* source: a directory, with all below it */
	MSB_PATCH_SYMLINK,   /* source: where it leads */
	MSB_PATCH_MKDIR,     /* with its parents */
	MSB_PATCH_REMOVE,    /* with all below it */
} msb_patch_kind_t;
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	msb_patch_kind_t kind;
	const char *path;
	const char *source;
	const void *data;
	size_t len;
	int mode; /* FILE, COPY_FILE, MKDIR: permission bits; -1: 0644 (0755),
		   * or those of the source */
	bool replace;
} msb_patch_t;
int msb_config_add_patch(msb_config_t *c, const msb_patch_t *p,
			 msb_error_t **e);

/*
 * Everything above and in network.h as one JSON object (docs/sdk.md, "Options
 * of a sandbox"), for languages whose programmers write options down in one
 * place. Applied on top of what c has already: whoever looks at the progress of
 * a pull calls msb_config_set_image_options() before it. A key that does not
 * exist, and two that contradict each other, are errors; c is then only to be
 * freed.
 */
int msb_config_apply_json(msb_config_t *c, const char *json, size_t len,
			  msb_error_t **e);

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

MSB_END_DECLS

#endif
