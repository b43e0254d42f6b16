/* SPDX-License-Identifier: Apache-2.0 */
/* The guest kernel's command line. */
#ifndef MSB_ENGINE_KVM_X86_64_CMDLINE_H
#define MSB_ENGINE_KVM_X86_64_CMDLINE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* COMMAND_LINE_SIZE of our kernel, terminator included. */
#define CMDLINE_MAX 4096

/* text: initialised with at least CMDLINE_MAX. ERR_INVALID: too long. */
int cmdline_build(size_t ndevices, const char *extra, struct buf *text,
		  struct err *err);

#endif
