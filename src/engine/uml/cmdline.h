/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows the User-Mode Linux kernel's command line. */
#ifndef MSB_ENGINE_UML_CMDLINE_H
#define MSB_ENGINE_UML_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Names inside the kernel's root directory, which is also its working one. */
#define UML_INITRAMFS_NAME "initramfs"
#define UML_SOCKET_DIR "s" /* one letter: see socket_name() */

struct uml_cmdline {
	unsigned memory_mib;
	unsigned vcpus;
	bool seccomp;		    /* guest processes by seccomp, not ptrace */
	const uint32_t *virtio_ids; /* one per device, in the order of names */
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
