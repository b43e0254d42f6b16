/* SPDX-License-Identifier: Apache-2.0 */
/* PEM bundles: what is between the marks must be base64 of a DER sequence. */
#include "image/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define DER_SEQUENCE 0x30

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid PEM certificate: %s",
		       what);
}

/* Length of a DER sequence with its head; 0 when it is none. */
static size_t der_length(const uint8_t *p, size_t n)
{
	size_t len, bytes;

	if (n < 2 || p[0] != DER_SEQUENCE)
		return 0;
	if (p[1] < 0x80)
		return 2u + p[1];
	bytes = p[1] & 0x7f;
	if (!bytes || bytes > 3 || n < 2 + bytes)
		return 0;
	len = 0;
	for (size_t i = 0; i < bytes; i++)
		len = len << 8 | p[2 + i];
	return 2 + bytes + len;
}

static int check_one(const char *text, size_t len, struct err *err)
{
	size_t out_len = BASE64_DECODE_LENGTH(len);
	autofree uint8_t *out = malloc(out_len + 1);
	struct base64_decode_ctx ctx;

	if (!out)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM,
			       "read a certificate");
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &out_len, out, len, text) ||
	    !base64_decode_final(&ctx))
		return bad(err, "not base64");
	if (!out_len || der_length(out, out_len) != out_len)
		return bad(err, "not a certificate");
	return 0;
}

int roots_check(const char *text, size_t len, struct err *err)
{
	const char *at = text, *stop = text + len;
	unsigned n = 0;

	while ((at = memmem(at, (size_t)(stop - at), BEGIN, strlen(BEGIN)))) {
		const char *end;
		int rc;

		at += strlen(BEGIN);
		end = memmem(at, (size_t)(stop - at), END, strlen(END));
		if (!end)
			return bad(err, "it has no end");
		rc = check_one(at, (size_t)(end - at), err);
		if (rc)
			return rc;
		at = end + strlen(END);
		n++;
	}
	return n ? 0 : bad(err, "there is none");
}

int roots_add_file(struct buf *out, const char *path, struct err *err)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buf b;
	int rc;

	if (fd < 0)
		return err_sys(err, ERR_INVALID, errno,
			       "failed to read CA certs from `%s`", path);
	buf_init(&b, ROOTS_MAX);
	rc = io_read_all(fd, &b);
	if (rc)
		rc = err_sys(err, ERR_INVALID, -rc,
			     "failed to read CA certs from `%s`", path);
	else
		rc = roots_check((const char *)buf_data(&b), buf_len(&b), err);
	if (rc == -EINVAL && err)
		err_prefix(err, "%s", path);
	if (!rc &&
	    (buf_append(out, buf_data(&b), buf_len(&b)) || buf_str(out, "\n")))
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "read '%s'", path);
	buf_fini(&b);
	return rc;
}
