/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling an image: what is prepared with all of the host's files in sight, and
 * what is done in the jail. */
#ifndef MSB_IMAGE_PULL_H
#define MSB_IMAGE_PULL_H

#include "base/buf.h"
#include "image/credentials.h"
#include "image/reference.h"
#include "image/store.h"
#include "image/worker_out.h"

struct pull {
	struct image_ref ref;
	char *reference; /* canonical */
	const char *arch;
	bool plain_http, force;
	struct credential credential;
	struct buf roots; /* PEM; empty: those of the host */
};

/* Reads settings, credentials and certificates, and asks credential helpers. */
int pull_prepare(const struct worker_request *req, int config_home_fd,
		 struct worker_out *out, struct pull *ret, struct err *err);
void pull_fini(struct pull *p);

/* What came of it, for the last event. */
struct pull_result {
	struct digest manifest_digest;
	bool cached;
	uint64_t bytes; /* downloaded */
};
/* The store is locked. */
int pull_run(const struct pull *p, const struct image_store *s,
	     struct worker_out *out, struct pull_result *ret, struct err *err);

/* The worker's event for what happens to a layer. */
struct assemble_event;
void pull_assemble_event(struct worker_out *out,
			 const struct assemble_event *e);

/* What images are for, on this host: "amd64". */
const char *pull_host_arch(void);

#endif
