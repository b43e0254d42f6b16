/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that defines a sandbox, and its one JSON form: stored in the
 * catalogue, shown by `inspect --format json`, handed to the runtime. Missing
 * keys take defaults so that older records stay loadable; unknown keys are
 * ignored when reading.
 */
#ifndef MSB_STORE_SANDBOX_CONFIG_H
#define MSB_STORE_SANDBOX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define SANDBOX_DEFAULT_CPUS 1
#define SANDBOX_DEFAULT_MEMORY_MIB 512
#define SANDBOX_DEFAULT_UPPER_MIB 4096
#define SANDBOX_DEFAULT_METRICS_MS 1000u
#define SANDBOX_METRICS_MAX_MS 3600000u
#define SANDBOX_UPPER_MIN_MIB 64u
#define SANDBOX_UPPER_MAX_MIB (16u << 20)

/* The texts a setting may have; NULL-terminated. */
extern const char *const sandbox_log_levels[];
extern const char *const sandbox_engines[];
extern const char *const sandbox_engine_modes[];
extern const char *const sandbox_engine_jails[];
extern const char *const sandbox_rlimits[]; /* lower case */

enum stat_virt { STAT_VIRT_STRICT, STAT_VIRT_RELAXED, STAT_VIRT_OFF };
enum host_perms { HOST_PERMS_PRIVATE, HOST_PERMS_MIRROR };

/* Format of a disk image; the texts are those of the JSON form. */
enum disk_format { DISK_FORMAT_RAW, DISK_FORMAT_QCOW2, DISK_FORMAT_VMDK };

enum root_kind {
	ROOT_NONE, /* not set yet */
	ROOT_BIND,
	ROOT_OCI,
	ROOT_DISK,
};

/* Where the root file system comes from. */
struct root_config {
	enum root_kind kind;
	char *path;		 /* Bind, disk: absolute path on the host */
	char *reference;	 /* Oci: as it is shown */
	char *manifest_digest;	 /* Oci: "sha256:...", NULL = unresolved */
	uint32_t upper_size_mib; /* Oci; 0 = default */
	enum disk_format format; /* disk */
	char *fstype;		 /* disk; NULL = found out by the guest */
};

enum mount_kind {
	MOUNT_BIND,
	MOUNT_TMPFS,
	MOUNT_NAMED, /* a volume: a directory, or a raw disk */
	MOUNT_DISK,
};

enum mount_flags {
	MOUNT_READONLY = 1 << 0,
	MOUNT_NOEXEC = 1 << 1,
	MOUNT_NOSUID = 1 << 2,
	MOUNT_NODEV = 1 << 3,
};

struct mount_config {
	enum mount_kind kind;
	/* Absolute path of a directory, file or disk image; NULL for tmpfs, and
	 * for a volume until somebody has looked where it is. */
	char *host;
	char *name;  /* of the volume; NULL for other kinds */
	char *guest; /* absolute path */
	unsigned flags;
	enum stat_virt stat_virt;
	enum host_perms host_perms;
	bool follow_root_symlinks; /* in the host path; else they are refused */
	uint32_t size_mib;	   /* tmpfs; 0 = guest default */
	uint32_t quota_mib;	   /* of what the guest adds; 0 = none */
	bool disk_volume;	   /* the volume is a disk, host a raw image */
	enum disk_format format;   /* disks */
	char *fstype;		   /* disks; NULL = found out by the guest */
};

/* Does the guest get a block device for it? Else, but for tmpfs, a share. */
static inline bool mount_is_disk(const struct mount_config *m)
{
	return m->kind == MOUNT_DISK ||
	       (m->kind == MOUNT_NAMED && m->disk_volume);
}

static inline bool mount_is_share(const struct mount_config *m)
{
	return m->kind != MOUNT_TMPFS && !mount_is_disk(m);
}

/* Release what m and r hold, not themselves. */
void mount_config_fini(struct mount_config *m);
void root_config_fini(struct root_config *r);
/* What lists show: the path or the reference; NULL when there is none. */
const char *root_config_text(const struct root_config *r);
/* By the ending of its name: .qcow2, .vmdk, else raw. */
enum disk_format disk_format_of(const char *path);

struct rlimit_config {
	char resource[16];   /* lower case, as on the wire */
	uint64_t soft, hard; /* UINT64_MAX = unlimited */
};

struct script_config {
	char *name;
	char *data; /* len bytes */
	size_t len;
};

struct json_t; /* of jansson */

struct sandbox_config {
	char *name;
	struct root_config root; /* JSON key "image" */
	uint32_t cpus;
	uint32_t memory_mib;
	char *log_level;			 /* NULL = default */
	char *workdir, *shell, *hostname, *user; /* NULL = unset */
	struct strv env;			 /* KEY=VALUE, keys unique */
	struct strv labels;			 /* KEY=VALUE, sorted */
	struct strv entrypoint, cmd;
	struct script_config *scripts;
	size_t nscripts;
	struct rlimit_config *rlimits;
	size_t nrlimits;
	struct mount_config *mounts;
	size_t nmounts;
	/*
	 * The network section as src/net reads and writes it; owned. NULL =
	 * its defaults.
	 */
	struct json_t *network;
	char *init; /* NULL, "auto" or absolute path */
	struct strv init_args, init_env;
	uint64_t max_duration_s, idle_timeout_s; /* 0 = none */
	char *engine;				 /* "auto", "kvm", "uml" */
	char *engine_mode; /* "auto", "ptrace", "seccomp" */
	char *engine_jail; /* "strict", "relaxed" */
	bool ephemeral;
	uint32_t metrics_interval_ms; /* between two samples; 0 = none */
	bool metrics_disabled;	      /* none, whatever the interval */
};

/* 0: the sandbox is not sampled. */
static inline uint32_t sandbox_metrics_interval_ms(
	const struct sandbox_config *c)
{
	return c->metrics_disabled ? 0 : c->metrics_interval_ms;
}

/* Defaults of the product: 1 vCPU, 512 MiB, engine auto, strict jail. */
int sandbox_config_init(struct sandbox_config *c); /* 0 or -ENOMEM */
void sandbox_config_fini(struct sandbox_config *c);
/* malloc'ed compact JSON text, or NULL when out of memory. */
char *sandbox_config_to_json(const struct sandbox_config *c);
/* Fills *c (initialised by this call); on failure nothing is left to free. */
int sandbox_config_from_json(const char *text, struct sandbox_config *c,
			     struct err *err);

#endif
