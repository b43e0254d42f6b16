/* SPDX-License-Identifier: Apache-2.0 */
/* From a sandbox's configuration to what its guest and its file servers are
 * told. Pure: the host is looked at elsewhere. */
#ifndef MSB_RUNTIME_COMPOSE_H
#define MSB_RUNTIME_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"
#include "protocol/bootspec.h"
#include "store/sandbox_config.h"

#define ROOT_TAG "msbroot"
#define TAG_MAX 20
#define HOSTNAME_MAX 63

/* Where the machine has the disks of the root: they come first. */
#define ROOT_DISK_DEVICE "/dev/vda"
#define UPPER_DISK_DEVICE "/dev/vdb"

/* A guest's part of its link. */
#define NETWORK_PREFIX4 30
#define NETWORK_PREFIX6 64

enum share_kind { SHARE_DIR, SHARE_FILE, SHARE_DISK };

/* One mount of a host path; index is that of config.mounts. */
struct share {
	size_t index;
	char tag[TAG_MAX + 1]; /* of a disk its serial number */
	enum share_kind kind;
};

/*
 * Tag of a mount: a readable part of the guest path and a hash of it,
 * different from the n tags in others.
 */
void share_tag(const char *guest_path, const struct share *others, size_t n,
	       char ret[TAG_MAX + 1]);

/* The guest's host name: the sandbox's name, cut where it is too long. */
void hostname_from_name(const char *name, char ret[HOSTNAME_MAX + 1]);

/* What the guest is to trust, in PEM; NULL: nothing. */
struct guest_trust {
	const char *ca, *host_cas;
};

/*
 * Fill *ret (bootspec_fini when done) from the configuration; shares has one
 * entry for each mount that is not a tmpfs, in any order; link is NULL when
 * there is no network card, trust when nothing is to be trusted. 0; -EINVAL: a
 * share is missing; -ENOMEM. After a failure nothing is left to free.
 */
int compose_bootspec(const struct sandbox_config *c, const struct share *shares,
		     size_t nshares, const struct net_addresses *link,
		     const struct guest_trust *trust, uint64_t wall_ns,
		     struct bootspec *ret);

#endif
