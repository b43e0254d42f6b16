/* SPDX-License-Identifier: Apache-2.0 */
/* Where the values of secrets come from, and how a runtime gets them. */
#include "api/secret_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/io.h"

#define LENGTH_SIZE 4u
/* The form of the stored file and of the memory file. */
#define VALUES_MAX (SECRETS_MAX * (LENGTH_SIZE + SECRET_MAX_VALUE))
/* One more tells that there is too much; and a newline may follow. */
#define FILE_MAX (SECRET_MAX_VALUE + 2)

/* ---- values -------------------------------------------------------------- */

void secret_values_fini(struct secret_values *v)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->v[i].data)
			explicit_bzero(v->v[i].data, v->v[i].len);
		free(v->v[i].data);
	}
	free(v->v);
	*v = (struct secret_values){ 0 };
}

/* A value may end up in a header line, and must not break out of it. */
static int check_value(const char *env, const void *data, size_t len,
		       struct err *err)
{
	const char *why = NULL;

	if (!len)
		why = "is empty";
	else if (len > SECRET_MAX_VALUE)
		why = "is longer than 64 KiB";
	else if (memchr(data, '\r', len) || memchr(data, '\n', len))
		why = "has a line break";
	else if (memchr(data, 0, len))
		why = "has a NUL byte";
	if (!why)
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "secret '%.100s': its value %s", env, why);
}

int secret_values_add(struct secret_values *v, const char *env,
		      const void *data, size_t len, struct err *err)
{
	struct secret_value *list, one = { 0 };
	int rc = data ? check_value(env, data, len, err) : 0;

	if (rc)
		return rc;
	list = reallocarray(v->v, v->n + 1, sizeof(*list));
	if (!list)
		return api_no_memory(err);
	v->v = list;
	if (data) {
		one.data = malloc(len);
		if (!one.data)
			return api_no_memory(err);
		memcpy(one.data, data, len);
		one.len = len;
	}
	list[v->n++] = one;
	return 0;
}

static void put_value(struct buf *b, const void *data, size_t len)
{
	uint8_t head[LENGTH_SIZE];

	be32_put(head, (uint32_t)len);
	(void)buf_append(b, head, sizeof(head));
	(void)buf_append(b, data, len); /* the caller checks once */
}

/* ---- the stored file ----------------------------------------------------- */

int secret_values_keep(const struct home *h, const char *name,
		       const struct secrets_config *c,
		       const struct secret_values *given, struct err *err)
{
	autoclose int dirfd = home_sandbox_open(h, name, NULL);
	struct buf b;
	int rc = 0;

	if (dirfd < 0)
		return path_err(err, -dirfd, "open the directory of", name);
	buf_init_secret(&b, VALUES_MAX);
	for (size_t i = 0; i < c->n && i < given->n; i++)
		if (c->v[i].source == SECRET_STORED)
			put_value(&b, given->v[i].data, given->v[i].len);
	if (b.failed)
		rc = -ENOMEM;
	else if (buf_len(&b))
		rc = io_write_file_at(dirfd, SANDBOX_SECRETS, buf_data(&b),
				      buf_len(&b), 0600);
	else if (unlinkat(dirfd, SANDBOX_SECRETS, 0) < 0 && errno != ENOENT)
		rc = -errno;
	buf_fini(&b);
	return rc ? path_err(err, -rc, "keep the secrets of", name) : 0;
}

/* An absent file is an empty one. */
static int load_stored(const struct home *h, const char *name, struct buf *b,
		       struct err *err)
{
	autoclose int dirfd = home_sandbox_open(h, name, NULL);
	int rc = dirfd < 0 ? dirfd : io_read_file_at(dirfd, SANDBOX_SECRETS, b);

	if (!rc || rc == -ENOENT)
		return 0;
	return path_err(err, -rc, "read the secrets of", name);
}

/* The next value of the file goes to out. */
static int take_stored(struct buf *stored, const char *env, struct buf *out,
		       struct err *err)
{
	const uint8_t *p = buf_data(stored);
	size_t left = buf_len(stored), len;
	int rc;

	len = left < LENGTH_SIZE ? 0 : be32_get(p);
	if (!len || len > left - LENGTH_SIZE)
		return err_set(err, ERR_INVALID, ENOENT,
			       "secret '%.100s': its value was not kept with "
			       "the sandbox",
			       env);
	rc = check_value(env, p + LENGTH_SIZE, len, err);
	if (rc)
		return rc;
	put_value(out, p + LENGTH_SIZE, len);
	buf_consume(stored, LENGTH_SIZE + len);
	return 0;
}

/* ---- other sources ------------------------------------------------------- */

static int take_env(const struct secret_config *s, struct buf *out,
		    struct err *err)
{
	const char *value = getenv(s->source_name);
	int rc;

	if (!value)
		return err_set(err, ERR_INVALID, ENOENT,
			       "secret '%.100s': environment variable '%.100s' "
			       "not set",
			       s->env_var, s->source_name);
	rc = check_value(s->env_var, value, strlen(value), err);
	if (!rc)
		put_value(out, value, strlen(value));
	return rc;
}

/* O_NONBLOCK: a FIFO without a writer must not hold us up. */
static int read_file(const char *path, struct buf *b)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (io_set_nonblock(fd, false))
		return -EIO;
	return io_read_all(fd, b);
}

static int take_file(const struct secret_config *s, struct buf *out,
		     struct err *err)
{
	struct buf b;
	size_t len;
	int rc;

	buf_init_secret(&b, FILE_MAX);
	rc = read_file(s->source_name, &b);
	len = buf_len(&b);
	/* what editors and echo put at the end */
	if (!rc && len && buf_data(&b)[len - 1] == '\n')
		len--;
	if (rc == -EFBIG)
		rc = err_set(err, ERR_INVALID, EFBIG,
			     "secret '%.100s': its value is longer than 64 KiB",
			     s->env_var);
	else if (rc)
		rc = err_sys(err, ERR_INVALID, -rc,
			     "secret '%.100s': cannot read '%.200s'",
			     s->env_var, s->source_name);
	else
		rc = check_value(s->env_var, buf_data(&b), len, err);
	if (!rc)
		put_value(out, buf_data(&b), len);
	buf_fini(&b);
	return rc;
}

/* ---- all of them --------------------------------------------------------- */

static int take_one(const struct secret_config *s,
		    const struct secret_value *given, struct buf *stored,
		    struct buf *out, struct err *err)
{
	switch (s->source) {
	case SECRET_ENV:
		return take_env(s, out, err);
	case SECRET_FILE:
		return take_file(s, out, err);
	case SECRET_STORED:
	default:
		if (!given)
			return take_stored(stored, s->env_var, out, err);
		put_value(out, given->data, given->len);
		return 0;
	}
}

static int collect(const struct home *h, const char *name,
		   const struct secrets_config *c,
		   const struct secret_values *given, struct buf *out,
		   struct err *err)
{
	struct buf stored;
	int rc = 0;

	buf_init_secret(&stored, VALUES_MAX);
	if (!given)
		rc = load_stored(h, name, &stored, err);
	for (size_t i = 0; !rc && i < c->n; i++)
		rc = take_one(&c->v[i], given ? &given->v[i] : NULL, &stored,
			      out, err);
	buf_fini(&stored);
	if (!rc && out->failed)
		rc = api_no_memory(err);
	return rc;
}

int secret_values_open(const struct home *h, const char *name,
		       const struct secrets_config *c,
		       const struct secret_values *given, int *ret,
		       struct err *err)
{
	struct buf out;
	int rc;

	*ret = -1;
	if (!c->n)
		return 0;
	if (given && given->n != c->n)
		return err_set(err, ERR_INVALID, EINVAL,
			       "there is not one value for each secret");
	buf_init_secret(&out, VALUES_MAX);
	rc = collect(h, name, c, given, &out, err);
	if (!rc) {
		*ret = io_memfd("msb-secrets", buf_data(&out), buf_len(&out));
		if (*ret < 0)
			rc = err_sys(err, ERR_IO, -*ret,
				     "make a file for the secrets");
	}
	buf_fini(&out);
	return rc;
}
