/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's releases: FAKE_RELEASE is the latest version, 9.9.9
 * without it; version 6.6.6 cannot be installed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

struct msb_release {
	char version[32];
};

int msb_release_find(msb_t *m, const msb_release_query_t *q,
		     msb_release_t **ret, msb_error_t **ret_err)
{
	const char *latest = getenv("FAKE_RELEASE");
	msb_release_t *r;

	fake_called(m, "release %s %s %s", q->source ? q->source : "-",
		    q->version ? q->version : "-",
		    q->older ? "older" : "newer");
	if (q->source && !strcmp(q->source, "missing"))
		return fake_fail(ret_err, MSB_ERR_IO, ENOENT,
				 "io error: ", "missing: not found");
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	(void)snprintf(r->version, sizeof(r->version), "%s",
		       q->version ? q->version
		       : q->older ? "0.0.1"
		       : latest	  ? latest
				  : "9.9.9");
	*ret = r;
	return 0;
}

void msb_release_free(msb_release_t *r)
{
	free(r);
}

const char *msb_release_version(const msb_release_t *r)
{
	return r->version;
}

int msb_release_order(const msb_release_t *r)
{
	return strcmp(r->version, msb_version());
}

int msb_release_install(const msb_release_t *r, bool again,
			const msb_image_options_t *o, msb_error_t **ret_err)
{
	(void)again;
	(void)o;
	if (!strcmp(r->version, "6.6.6"))
		return fake_fail(ret_err, MSB_ERR_IO, ENOSPC,
				 "io error: ", "the disk is full");
	return 0;
}
