/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle of certificates as an image may have it: ours gets in, once, and the
 * second time changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "agent/trust.h"

#define CERT(body)                                                             \
	"-----BEGIN CERTIFICATE-----\n" body "\n-----END CERTIFICATE-----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void merge(struct view text, const struct trust *t, struct buf *out)
{
	buf_init(out, text.len + 65536);
	if (trust_merge(text, t, out))
		abort();
}

static bool has(const struct buf *b, const char *text)
{
	return memmem(buf_data(b), buf_len(b), text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trust t = { .ca = view_cstr(CERT("own")),
			   .last_ca = view_cstr(CERT("last")),
			   .host_cas = view_cstr(CERT("own") CERT("host")) };
	struct buf once, twice;

	if (size > 32768)
		return 0;
	merge((struct view){ data, size }, &t, &once);
	/* without the newline: where it is the end of what there was */
	if (!has(&once, "-----BEGIN CERTIFICATE-----\nown\n"
			"-----END CERTIFICATE-----") ||
	    !has(&once, "-----BEGIN CERTIFICATE-----\nhost\n"
			"-----END CERTIFICATE-----"))
		abort();
	t.last_ca = t.ca;
	merge(view_buf(&once), &t, &twice);
	if (buf_len(&once) != buf_len(&twice) ||
	    memcmp(buf_data(&once), buf_data(&twice), buf_len(&once)) != 0)
		abort();
	buf_fini(&once);
	buf_fini(&twice);
	/* any bytes as what is to be trusted, and what was */
	t.ca = t.last_ca = t.host_cas = (struct view){ data, size };
	merge(view_cstr(CERT("a")), &t, &once);
	if (!has(&once, CERT("a")))
		abort();
	buf_fini(&once);
	return 0;
}
