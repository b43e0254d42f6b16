/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot configuration of a guest: what the runtime tells the agent. It travels
 * as /msb/boot.cbor in the initramfs and uses the keys of the protocol's
 * core.bootstrap message, plus a few of our own, so its size is not limited by
 * a kernel command line.
 */
#ifndef MSB_PROTOCOL_BOOTSPEC_H
#define MSB_PROTOCOL_BOOTSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define BOOTSPEC_PATH "/msb/boot.cbor"
#define BOOTSPEC_MAX (64u << 20)

enum boot_mount_flags {
	BOOT_RDONLY = 1 << 0,
	BOOT_NOEXEC = 1 << 1,
	BOOT_NOSUID = 1 << 2,
	BOOT_NODEV = 1 << 3,
};

enum boot_mount_kind {
	BOOT_MOUNT_DIR,
	BOOT_MOUNT_FILE,
	BOOT_MOUNT_DISK,
	BOOT_MOUNT_TMPFS
};

struct boot_mount {
	enum boot_mount_kind kind;
	char *tag;	/* virtio-fs tag (dir, file) or block serial (disk) */
	char *filename; /* file: name inside the shared staging directory */
	char *path;	/* guest path */
	char *fstype;	/* disk; NULL = detect */
	unsigned flags; /* enum boot_mount_flags */
	uint32_t size_mib, mode; /* tmpfs; 0 = default */
};

enum boot_root_kind { BOOT_ROOT_VIRTIOFS, BOOT_ROOT_DISK, BOOT_ROOT_OCI };

struct boot_rlimit {
	char resource[16];
	uint64_t soft, hard;
};

struct boot_script {
	char *name;
	uint8_t *data;
	size_t len;
};

/* What one family of addresses needs; IPv4 uses the first four bytes of each.
 */
struct boot_family {
	bool on, has_dns;
	uint8_t prefix;
	uint8_t address[16], gateway[16], dns[16];
};

struct boot_network {
	char interface[16];
	uint8_t mac[6];
	uint16_t mtu;
	struct boot_family ipv4, ipv6;
};

struct bootspec {
	enum boot_root_kind root;
	char *root_tag;			 /* virtiofs */
	char *root_device, *root_fstype; /* disk */
	struct strv root_lower;		 /* oci: EROFS devices, topmost last */
	char *root_upper;		 /* oci: ext4 device; NULL = tmpfs */
	struct boot_mount *mounts;
	size_t nmounts;
	char *hostname, *user, *workdir; /* NULL = unset */
	struct strv env;		 /* default environment, KEY=VALUE */
	struct boot_rlimit *rlimits;	 /* applied to PID 1 */
	size_t nrlimits;
	struct boot_script *scripts;
	size_t nscripts;
	bool has_network; /* else only the loopback */
	struct boot_network network;
	char *host_alias; /* name of the gateway; NULL = none */
	/* Certificates for the guest to trust: of who ends its TLS, and those
	 * the host trusts. PEM; NULL = none. */
	char *ca_pem, *host_cas_pem;
	char *init; /* handoff: NULL, "auto" or a path */
	struct strv init_args, init_env;
	uint64_t unix_time_ns; /* wall clock at start, 0 = keep */
	uint64_t patch_bytes;  /* size of PATCHES_PATH; 0 = there is none */
};

void bootspec_fini(struct bootspec *s);
int bootspec_encode(const struct bootspec *s, struct buf *out); /* 0, -errno */
/* 0, -EBADMSG, -ENOMEM; on failure nothing is left to free. */
int bootspec_decode(const void *data, size_t len, struct bootspec *ret);

#endif
