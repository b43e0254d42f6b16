/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that the programs of the guest are to trust. */
#ifndef MSB_AGENT_TRUST_H
#define MSB_AGENT_TRUST_H

#include "base/buf.h"
#include "base/str.h"
#include "protocol/bootspec.h"
#include "protocol/cbor.h"

/* PEM texts, each of any number of certificates; empty: none. */
struct trust {
	struct view ca;	      /* of who ends the guest's TLS */
	struct view last_ca;  /* the same at an earlier start */
	struct view host_cas; /* those the host trusts */
};

/*
 * What a bundle of certificates must be, appended to out: the text as it is,
 * with a section that has those of t that are not in it already; last_ca, and
 * what an earlier start has put there, goes. Doing it twice changes nothing.
 * 0, -ENOMEM, -ENOSPC past the ceiling of out.
 */
int trust_merge(struct view text, const struct trust *t, struct buf *out);

/*
 * Have what spec brings trusted: in the places where distributions look for
 * certificates and in the bundle that programs read, below root ("" but for
 * tests), and for those of a TLS interception by variables in env, unless
 * these are set. What cannot be done is told in the log. A root that cannot be
 * written to has the bundle mounted over its own.
 */
void trust_install(const char *root, const struct bootspec *spec,
		   struct strv *env);

#endif
