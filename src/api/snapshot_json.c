/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor of a snapshot as JSON, byte for byte. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/snapshot_int.h"
#include "store/labels.h"

#define SCHEMA 1
#define TEXT_MAX 4096u

void snapshot_desc_fini(struct snapshot_desc *d)
{
	free(d->format);
	free(d->fstype);
	free(d->image_ref);
	free(d->created_at);
	strv_fini(&d->labels);
	free(d->upper_file);
	free(d->algorithm);
	free(d->source);
	memset(d, 0, sizeof(*d));
}

/* ---- writing ------------------------------------------------------------ */

static void put_text_n(struct buf *b, const char *text, size_t len)
{
	static const char plain[] = "btn\0fr"; /* of \b \t \n \v \f \r */

	(void)buf_str(b, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			(void)buf_printf(b, "\\%c", c);
		else if (c >= '\b' && c <= '\r' && plain[c - '\b'])
			(void)buf_printf(b, "\\%c", plain[c - '\b']);
		else if (c < 0x20)
			(void)buf_printf(b, "\\u%04x", c);
		else
			(void)buf_append(b, text + i, 1);
	}
	(void)buf_str(b, "\"");
}

static void put_text(struct buf *b, const char *text)
{
	if (text)
		put_text_n(b, text, strlen(text));
	else
		(void)buf_str(b, "null");
}

static void put_member(struct buf *b, const char *before, const char *text)
{
	(void)buf_str(b, before);
	put_text(b, text);
}

static void put_labels(struct buf *b, const struct strv *labels)
{
	(void)buf_str(b, ",\"labels\":{");
	for (size_t i = 0; i < labels->n; i++) {
		size_t key = strcspn(labels->v[i], "=");

		(void)buf_str(b, i ? "," : "");
		put_text_n(b, labels->v[i], key);
		put_member(b, ":", labels->v[i] + key + 1);
	}
	(void)buf_str(b, "}");
}

int snapshot_desc_encode(const struct snapshot_desc *d, struct buf *b)
{
	(void)buf_printf(b, "{\"schema\":%d", SCHEMA);
	put_member(b, ",\"format\":", d->format);
	put_member(b, ",\"fstype\":", d->fstype);
	put_member(b, ",\"image\":{\"ref\":", d->image_ref);
	put_member(b, ",\"manifest_digest\":", d->image.text);
	put_member(b, "},\"parent\":", d->has_parent ? d->parent.text : NULL);
	put_member(b, ",\"created_at\":", d->created_at);
	put_labels(b, &d->labels);
	put_member(b, ",\"upper\":{\"file\":", d->upper_file);
	(void)buf_printf(
		b, ",\"size_bytes\":%" PRIu64 ",\"integrity\":", d->upper_size);
	if (d->algorithm) {
		put_member(b, "{\"algorithm\":", d->algorithm);
		put_member(b, ",\"digest\":", d->integrity.text);
		(void)buf_str(b, "}");
	} else {
		(void)buf_str(b, "null");
	}
	put_member(b, "},\"source_sandbox\":", d->source);
	(void)buf_str(b, "}");
	return b->failed ? -ENOMEM : 0;
}

/* ---- reading ------------------------------------------------------------ */

static int wrong(struct err *err, const char *key, const char *what)
{
	return err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
		       "descriptor: '%s' %s", key, what);
}

static int get_text(const json_t *o, const char *key, char **ret,
		    struct err *err)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (!text || !*text || json_string_length(v) > TEXT_MAX)
		return wrong(err, key, "is not a text");
	*ret = strdup(text);
	return *ret ? 0 : api_no_memory(err);
}

static int get_digest(const json_t *o, const char *key, struct digest *ret,
		      struct err *err)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text || digest_parse(text, ret))
		return wrong(err, key, "is not a digest");
	return 0;
}

/* Null leaves *ret_has false. */
static int get_opt_digest(const json_t *o, const char *key, bool *ret_has,
			  struct digest *ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	*ret_has = v && !json_is_null(v);
	return *ret_has ? get_digest(o, key, ret, err) : 0;
}

/* 2026-05-22T10:11:12[.fraction](Z|+hh:mm) */
static bool is_time(const char *t)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t i = 0;

	for (; form[i]; i++)
		if (form[i] == 'd' ? t[i] < '0' || t[i] > '9' : t[i] != form[i])
			return false;
	if (t[i] == '.')
		i += 1 + strspn(t + i + 1, "0123456789");
	if (!strcmp(t + i, "Z"))
		return true;
	return (t[i] == '+' || t[i] == '-') && strlen(t + i) == 6 &&
	       t[i + 3] == ':' && strspn(t + i + 1, "0123456789:") == 5;
}

static bool is_plain_name(const char *name)
{
	return !strchr(name, '/') && name[0] != '.' && strlen(name) < 256;
}

static int get_upper(const json_t *o, struct snapshot_desc *d, struct err *err)
{
	const json_t *size = json_object_get(o, "size_bytes");
	const json_t *integrity = json_object_get(o, "integrity");
	json_int_t n = json_integer_value(size);
	int rc = get_text(o, "file", &d->upper_file, err);

	if (rc)
		return rc;
	if (!is_plain_name(d->upper_file) ||
	    !strcmp(d->upper_file, SNAPSHOT_FILE) ||
	    !strcmp(d->upper_file, SNAPSHOT_FILE_OLD))
		return wrong(err, "upper.file", "is not a plain name");
	if (!json_is_integer(size) || n < 0 || (uint64_t)n > SNAPSHOT_UPPER_MAX)
		return wrong(err, "upper.size_bytes", "is not a size");
	d->upper_size = (uint64_t)n;
	if (!integrity || json_is_null(integrity))
		return 0;
	rc = get_text(integrity, "algorithm", &d->algorithm, err);
	return rc ? rc : get_digest(integrity, "digest", &d->integrity, err);
}

static int get_all(const json_t *o, struct snapshot_desc *d, struct err *err)
{
	const json_t *image = json_object_get(o, "image");
	const json_t *source = json_object_get(o, "source_sandbox");
	int rc;

	if (!json_is_object(o) ||
	    json_integer_value(json_object_get(o, "schema")) != SCHEMA)
		return wrong(err, "schema", "is not one that is known");
	rc = get_text(o, "format", &d->format, err);
	if (!rc && !str_eq(d->format, "raw") && !str_eq(d->format, "qcow2"))
		rc = wrong(err, "format", "is not one that is known");
	if (!rc)
		rc = get_text(o, "fstype", &d->fstype, err);
	if (!rc)
		rc = get_text(image, "ref", &d->image_ref, err);
	if (!rc)
		rc = get_digest(image, "manifest_digest", &d->image, err);
	if (!rc)
		rc = get_opt_digest(o, "parent", &d->has_parent, &d->parent,
				    err);
	if (!rc)
		rc = get_text(o, "created_at", &d->created_at, err);
	if (!rc && d->created_at && !is_time(d->created_at))
		rc = wrong(err, "created_at", "is not a time");
	if (!rc &&
	    labels_from_json(json_object_get(o, "labels"), &d->labels, NULL))
		rc = wrong(err, "labels", "are no labels");
	if (!rc)
		rc = get_upper(json_object_get(o, "upper"), d, err);
	if (!rc && source && !json_is_null(source))
		rc = get_text(o, "source_sandbox", &d->source, err);
	return rc;
}

/*
 * What is missing, besides, twice, or in another order is found by writing what
 * was read: it must be what was there.
 */
static int check_canonical(const struct snapshot_desc *d, const char *text,
			   size_t len, struct err *err)
{
	struct buf b;
	int rc;

	buf_init(&b, SNAPSHOT_JSON_MAX);
	rc = snapshot_desc_encode(d, &b) ? api_no_memory(err) : 0;
	if (!rc && (buf_len(&b) != len || memcmp(buf_data(&b), text, len) != 0))
		rc = err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
			     "descriptor: a member is missing, unknown or out "
			     "of order, or it is not in compact form");
	buf_fini(&b);
	return rc;
}

int snapshot_desc_decode(const char *text, size_t len,
			 struct snapshot_desc *ret, struct err *err)
{
	struct snapshot_desc d = { 0 };
	json_error_t at;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	int rc = o ? get_all(o, &d, err)
		   : err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
			     "descriptor: %s", at.text);

	json_decref(o);
	if (!rc)
		rc = check_canonical(&d, text, len, err);
	if (rc)
		snapshot_desc_fini(&d);
	else
		*ret = d;
	return rc;
}
