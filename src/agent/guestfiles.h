/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the guest that are written at every boot. */
#ifndef MSB_AGENT_GUESTFILES_H
#define MSB_AGENT_GUESTFILES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "protocol/bootspec.h"
#include "protocol/cbor.h"

/* Contents of /etc/hosts. */
void hosts_render(struct buf *out, const struct bootspec *spec);
/* Contents of /etc/resolv.conf; nothing when no name server is known. */
void resolv_render(struct buf *out, const struct bootspec *spec);
/*
 * What /etc/profile must be: the text as it is, with the block that puts the
 * scripts directory on PATH appended unless both its markers are there.
 * Returns true when something was appended.
 */
bool profile_render(struct buf *out, struct view old);

/*
 * Host name, /etc/hosts, /etc/hostname, /etc/resolv.conf. A root that does not
 * let itself be written to is told about in the log, not a failure.
 */
void guestfiles_write(const struct bootspec *spec);
/* The PATH block of /etc/profile; the same holds for failures. */
void guestfiles_profile(void);
/* /tmp and /var/tmp exist and are open to all; fails when one is no
 * directory.*/
int guestfiles_tmp_dirs(struct err *err);
/* /.msb/scripts with the sandbox's scripts, mode 0755. */
int guestfiles_scripts(const struct bootspec *spec, struct err *err);

#endif
