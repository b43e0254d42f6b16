/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of certificates: what is found comes back from its text.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "net/tls/ca_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each certificate that the library understands is among those of a bundle. */
static void find_all(const uint8_t *data, size_t size,
		     const STACK_OF(X509) * certs)
{
	const int fd = io_memfd("bundle", data, size);
	X509_STORE *store = X509_STORE_new();
	struct bundle *b = NULL;
	struct buf text;

	if (fd < 0 || !store || bundle_read(fd, &b))
		abort();
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (!bundle_load(b,
				 X509_get_subject_name(sk_X509_value(certs, i)),
				 store))
			abort();
	buf_init(&text, 2 * size + 4096);
	if (bundle_pem(b, &text))
		abort();
	buf_fini(&text);
	X509_STORE_free(store);
	(void)bundle_free(b);
	(void)close(fd);
}

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
	find_all(data, size, certs);
	free(text);
	sk_X509_pop_free(certs, X509_free);
	sk_X509_pop_free(again, X509_free);
	return 0;
}
