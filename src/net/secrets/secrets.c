/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values. They are in one mapping that is not copied: not to the swap
 * device, not into a core dump, not into a child.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/io.h"
#include "net/secrets/secrets_int.h"

#define LENGTH_BYTES 4u

static int map(struct secrets *s, size_t len, struct err *err)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return err_sys(err, ERR_NO_MEMORY, errno,
			       "memory for the secrets' values");
	s->mapping = m;
	s->mapping_len = len;
	if (madvise(m, len, MADV_DONTDUMP) || madvise(m, len, MADV_DONTFORK))
		return err_sys(err, ERR_IO, errno,
			       "keep the secrets' values to this process");
	/* An ordinary user may lock little; then swap is the host's matter. */
	(void)mlock(m, len);
	return 0;
}

static int read_mapping(struct secrets *s, int fd, struct err *err)
{
	size_t at = 0;

	while (at < s->mapping_len) {
		const struct iovec iov = { (uint8_t *)s->mapping + at,
					   s->mapping_len - at };
		ssize_t n = io_preadv(fd, &iov, 1, (off_t)at, 0);

		if (n <= 0)
			return err_sys(err, ERR_IO, n ? (int)-n : ENODATA,
				       "read the secrets' values");
		at += (size_t)n;
	}
	return 0;
}

/* All the values, as they are, into the mapping. */
static int load(struct secrets *s, int fd, struct err *err)
{
	const size_t n = s->c->n;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return err_sys(err, ERR_IO, errno, "the secrets' values");
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)(n * LENGTH_BYTES) ||
	    st.st_size > (off_t)(n * (LENGTH_BYTES + SECRET_MAX_VALUE)))
		return err_set(err, ERR_INVALID, 0,
			       "the values are not those of %zu secrets", n);
	rc = map(s, (size_t)st.st_size, err);
	return rc ? rc : read_mapping(s, fd, err);
}

static bool breaks_lines(const uint8_t *value, size_t len)
{
	return memchr(value, 0, len) || memchr(value, '\r', len) ||
	       memchr(value, '\n', len);
}

/* One value at the front of len bytes; how many it takes. */
static int take_value(struct secret *t, const uint8_t *data, size_t len,
		      size_t *ret, struct err *err)
{
	const char *name = t->c->env_var;
	uint32_t want;

	if (len < LENGTH_BYTES || be32_get(data) > len - LENGTH_BYTES)
		return err_set(err, ERR_INVALID, 0,
			       "the value of secret '%s' is not complete",
			       name);
	want = be32_get(data);
	if (!want)
		return err_set(err, ERR_INVALID, 0,
			       "the value of secret '%s' is empty", name);
	if (want > SECRET_MAX_VALUE)
		return err_set(err, ERR_INVALID, 0,
			       "the value of secret '%s' is longer than %u "
			       "bytes",
			       name, SECRET_MAX_VALUE);
	if (breaks_lines(data + LENGTH_BYTES, want))
		return err_set(err, ERR_INVALID, 0,
			       "the value of secret '%s' has a line break or "
			       "a zero byte",
			       name);
	t->value = data + LENGTH_BYTES;
	t->value_len = want;
	*ret = LENGTH_BYTES + want;
	return 0;
}

static int take_values(struct secrets *s, struct err *err)
{
	const uint8_t *data = s->mapping;
	size_t left = s->mapping_len, used = 0;

	for (size_t i = 0; i < s->c->n; i++) {
		int rc = take_value(&s->v[i], data, left, &used, err);

		if (rc)
			return rc;
		data += used;
		left -= used;
	}
	if (left)
		return err_set(err, ERR_INVALID, 0,
			       "there are more values than secrets");
	return 0;
}

static int check_placeholders(const struct secrets_config *c, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *text = c->v[i].placeholder;
		const size_t len = strlen(text);

		if (!len || len > SECRET_MAX_PLACEHOLDER ||
		    breaks_lines((const uint8_t *)text, len))
			return err_set(err, ERR_INVALID, 0,
				       "the placeholder of secret '%s' is not "
				       "1 to %u bytes of one line",
				       c->v[i].env_var, SECRET_MAX_PLACEHOLDER);
	}
	return 0;
}

static int fill(struct secrets *s, int values_fd, struct err *err)
{
	int rc = check_placeholders(s->c, err);

	if (rc)
		return rc;
	if (placeholders_init(&s->placeholders, s->c))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "secrets");
	for (size_t i = 0; i < s->c->n; i++) {
		s->v[i].c = &s->c->v[i];
		s->v[i].placeholder = placeholder_index(&s->placeholders,
							s->c->v[i].placeholder);
	}
	if (!s->c->n)
		return 0;
	rc = load(s, values_fd, err);
	return rc ? rc : take_values(s, err);
}

int secrets_new(const struct secrets_config *c, int values_fd,
		struct secrets **ret, struct err *err)
{
	struct secrets *s;
	int rc;

	if (c->n > SECRETS_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "a sandbox has at most %u secrets", SECRETS_MAX);
	s = calloc(1, sizeof(*s) + c->n * sizeof(s->v[0]));
	if (!s)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "secrets");
	s->c = c;
	rc = fill(s, values_fd, err);
	if (rc) {
		secrets_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

struct secrets *secrets_free(struct secrets *s)
{
	if (!s)
		return NULL;
	if (s->mapping) {
		explicit_bzero(s->mapping, s->mapping_len);
		(void)munmap(s->mapping, s->mapping_len);
	}
	placeholders_fini(&s->placeholders);
	free(s);
	return NULL;
}
