/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the boot specification with files of their own. */
#ifndef MSB_PROTOCOL_BOOTSPEC_INT_H
#define MSB_PROTOCOL_BOOTSPEC_INT_H

#include "protocol/bootspec.h"
#include "protocol/cbor.h"
#include "protocol/msg_int.h"

#define BOOT_MOUNT_KINDS 4u
extern const char *const boot_mount_keys[BOOT_MOUNT_KINDS];

struct boot_flags {
	bool readonly, noexec, nosuid, nodev;
};
#define BOOT_FLAGS 4u
extern const struct field boot_flags_fields[BOOT_FLAGS];

/* The map behind the key "network". */
void boot_network_put(struct buf *b, const struct boot_network *n);
/* 0 or -EBADMSG. */
int boot_network_get(struct cbor *item, struct boot_network *ret);

#endif
