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
 *  - Functions may be called from any thread. Of one object, two threads must
 *    not use at once what is still being put together (msb_config_t and the
 *    ..._options_t), and what gives out borrowed data until its next call
 *    (msb_log_t, msb_agent_stream_t; of msb_exec_t: msb_exec_next, while input,
 *    signals and sizes may be sent from elsewhere). Strings borrowed from a
 *    msb_sandbox_t are good until that handle is freed, whatever is done with
 *    it meanwhile. Nothing may be freed while it is in use.
 *  - A structure that the caller hands in begins with struct_size, its size as
 *    the caller knows it; what later versions add to it is then left alone.
 *  - After a fork, the child opens its own msb_t and leaves the parent's
 *    objects alone.
 */
#ifndef MICROSANDBOX_H
#define MICROSANDBOX_H

#include "microsandbox/agent.h"
#include "microsandbox/config.h"
#include "microsandbox/core.h"
#include "microsandbox/exec.h"
#include "microsandbox/fs.h"
#include "microsandbox/host.h"
#include "microsandbox/image.h"
#include "microsandbox/log.h"
#include "microsandbox/metrics.h"
#include "microsandbox/network.h"
#include "microsandbox/sandbox.h"
#include "microsandbox/snapshot.h"
#include "microsandbox/volume.h"

#endif
