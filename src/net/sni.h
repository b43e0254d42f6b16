/* SPDX-License-Identifier: Apache-2.0 */
/* The server name in a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3). */
#ifndef MSB_NET_SNI_H
#define MSB_NET_SNI_H

#include <stddef.h>
#include <stdint.h>

#include "net/policy.h"

/* A hello that has not ended after so many bytes is none. */
#define SNI_MAX_HELLO 16384u

enum sni_result {
	SNI_MORE,    /* so far a ClientHello, not complete */
	SNI_FOUND,   /* name is set */
	SNI_NONE,    /* a ClientHello without a name */
	SNI_NOT_TLS, /* something else */
	SNI_BAD,     /* begins like one, but no server should accept it */
};

/*
 * Look at the first len bytes of a connection. The hello may be in several
 * records. name is canonical, or empty when it is none a rule could be about
 * (an IP address).
 */
enum sni_result sni_find(const uint8_t *data, size_t len,
			 char name[NET_NAME_MAX + 1]);

#endif
