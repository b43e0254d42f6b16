/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows the User-Mode Linux kernel's command line. */
#ifndef MSB_ENGINE_UML_CMDLINE_H
#define MSB_ENGINE_UML_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* The kernel inherits its initramfs, and a connected socket per device. */
#define UML_INITRAMFS_FD 5
#define UML_DEVICE_FD 6 /* of the first device; the others follow */

struct uml_cmdline {
	unsigned memory_mib;
	unsigned vcpus;
	bool seccomp;		    /* guest processes by seccomp, not ptrace */
	const uint32_t *virtio_ids; /* one per device, in their order */
	size_t ndevices;
	const char *extra; /* words appended at the end, or NULL */
};

/*
 * Append the arguments, program name first. Devices appear in the guest in
 * their order here (first block device = vda). ERR_INVALID when it is longer
 * than the kernel accepts.
 */
int uml_cmdline_build(const struct uml_cmdline *c, struct strv *argv,
		      struct err *err);

#endif
