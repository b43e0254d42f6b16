/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of certificates: what is found comes back from its text.
 */
#include <stdlib.h>
#include <string.h>

#include "net/tls/ca_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	STACK_OF(X509) *again = sk_X509_new_null();
	char *text;
	int n;

	if (!certs || !again)
		abort();
	n = pem_certs(data, size, certs);
	if (n < 0 || n != sk_X509_num(certs))
		abort();
	text = pem_text(certs);
	if (!text != !n)
		abort();
	if (text && pem_certs(text, strlen(text), again) != n)
		abort();
	for (int i = 0; i < n; i++)
		if (X509_cmp(sk_X509_value(certs, i), sk_X509_value(again, i)))
			abort();
	free(text);
	sk_X509_pop_free(certs, X509_free);
	sk_X509_pop_free(again, X509_free);
	return 0;
}
