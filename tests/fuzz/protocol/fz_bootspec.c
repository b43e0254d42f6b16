/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a boot specification; what decodes must encode and decode. */
#include <stdlib.h>

#include "protocol/bootspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bootspec s, again;
	struct buf b;

	if (bootspec_decode(data, size, &s))
		return 0;
	buf_init(&b, BOOTSPEC_MAX);
	if (bootspec_encode(&s, &b) ||
	    bootspec_decode(buf_data(&b), buf_len(&b), &again))
		abort();
	if (again.nmounts != s.nmounts || again.env.n != s.env.n ||
	    !str_eq(again.hostname, s.hostname) ||
	    !str_eq(again.ca_pem, s.ca_pem) ||
	    !str_eq(again.host_cas_pem, s.host_cas_pem))
		abort();
	bootspec_fini(&again);
	bootspec_fini(&s);
	buf_fini(&b);
	return 0;
}
