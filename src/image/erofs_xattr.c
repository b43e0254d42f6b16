/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: which are kept, and their form in an EROFS image. */
#include "image/erofs_xattr.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/str.h"
#include "image/erofs_format.h"

#define ACL_VERSION 2u /* linux/posix_acl_xattr.h */
#define ACL_HEADER 4u
#define ACL_ENTRY 8u

#define TRUSTED 4

static const struct prefix {
	const char *text;
	uint8_t number;
	bool whole; /* the text is the name */
} prefixes[] = {
	{ "user.", 1, false },
	{ "system.posix_acl_access", 2, true },
	{ "system.posix_acl_default", 3, true },
	{ "trusted.", TRUSTED, false },
	{ "security.", 6, false },
};

/* Labels of the host that built the image, or ours. */
static const char *const dropped[] = {
	"security.selinux",  "security.ima",	 "security.evm",
	"security.apparmor", "trusted.overlay.", "trusted.msb.",
};

static const struct mark {
	uint8_t flag;
	const char *name; /* behind "trusted." */
} marks[] = {
	{ TREE_OPAQUE, "overlay.opaque" },
	{ TREE_IMPLICIT, "msb.implicit" },
};

static size_t entry_size(size_t name_len, size_t value_len)
{
	return (EROFS_XATTR_ENTRY + name_len + value_len + 3) & ~(size_t)3;
}

/* p has entry_size() bytes of zeros. */
static void entry_put(uint8_t *p, uint8_t prefix, const char *name,
		      size_t name_len, const void *value, size_t value_len)
{
	p[0] = (uint8_t)name_len;
	p[1] = prefix;
	le16_put(p + 2, (uint16_t)value_len);
	memcpy(p + EROFS_XATTR_ENTRY, name, name_len);
	if (value_len)
		memcpy(p + EROFS_XATTR_ENTRY + name_len, value, value_len);
}

static const struct prefix *prefix_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		if (str_starts(name, dropped[i]))
			return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const struct prefix *p = &prefixes[i];

		if (p->whole ? !strcmp(name, p->text)
			     : str_starts(name, p->text) &&
				       name[strlen(p->text)])
			return p;
	}
	return NULL;
}

/* The kernel refuses a list of another form each time it looks at the file. */
static bool acl_sound(const void *value, size_t len)
{
	return len >= ACL_HEADER && (len - ACL_HEADER) % ACL_ENTRY == 0 &&
	       le32_get(value) == ACL_VERSION;
}

static bool has_name(const struct buf *body, const struct prefix *p,
		     const char *name, size_t len)
{
	struct erofs_xattr x;
	size_t pos = 0;

	while (erofs_xattr_next(buf_data(body), buf_len(body), &pos, &x) > 0)
		if (x.prefix == p->number && x.name_len == len &&
		    !memcmp(x.name, name, len))
			return true;
	return false;
}

int erofs_xattr_encode(struct buf *body, const char *name, const void *value,
		       size_t len)
{
	const struct prefix *p = prefix_of(name);
	size_t name_len, size;
	uint8_t *to;

	if (!p)
		return 0;
	name += strlen(p->text);
	name_len = strlen(name);
	if (p->whole && !acl_sound(value, len))
		return -EINVAL;
	if (name_len > UINT8_MAX || len > UINT16_MAX)
		return -E2BIG;
	if (has_name(body, p, name, name_len))
		return 0;
	size = entry_size(name_len, len);
	if (buf_len(body) + size > EROFS_XATTR_BODY_MAX)
		return -E2BIG;
	to = buf_reserve(body, size);
	if (!to)
		return -ENOMEM;
	memset(to, 0, size);
	entry_put(to, p->number, name, name_len, value, len);
	buf_commit(body, size);
	return 1;
}

int erofs_xattr_next(const uint8_t *body, size_t len, size_t *pos,
		     struct erofs_xattr *ret)
{
	const uint8_t *p = body + *pos;
	size_t size;

	if (*pos == len)
		return 0;
	if (len - *pos < EROFS_XATTR_ENTRY)
		return -EUCLEAN;
	ret->name_len = p[0];
	ret->prefix = p[1];
	ret->value_len = le16_get(p + 2);
	ret->name = p + EROFS_XATTR_ENTRY;
	ret->value = ret->name + ret->name_len;
	size = entry_size(ret->name_len, ret->value_len);
	if (size > len - *pos || memchr(ret->name, '\0', ret->name_len))
		return -EUCLEAN;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (prefixes[i].number != ret->prefix ||
		    prefixes[i].whole != (ret->name_len == 0))
			continue;
		*pos += size;
		return 1;
	}
	return -EUCLEAN;
}

void erofs_xattr_name(const struct erofs_xattr *x,
		      char ret[EROFS_XATTR_NAME_MAX + 1])
{
	char *p = ret;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (prefixes[i].number == x->prefix)
			p = stpcpy(ret, prefixes[i].text);
	memcpy(p, x->name, x->name_len);
	p[x->name_len] = '\0';
}

size_t erofs_mark_size(uint8_t flags)
{
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (flags & marks[i].flag)
			size += entry_size(strlen(marks[i].name), 1);
	return size;
}

void erofs_mark_put(uint8_t flags, uint8_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t len = strlen(marks[i].name);

		if (!(flags & marks[i].flag))
			continue;
		entry_put(ret, TRUSTED, marks[i].name, len, "y", 1);
		ret += entry_size(len, 1);
	}
}

uint8_t erofs_mark_flag(const struct erofs_xattr *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (x->prefix == TRUSTED &&
		    x->name_len == strlen(marks[i].name) &&
		    !memcmp(x->name, marks[i].name, x->name_len))
			return marks[i].flag;
	return 0;
}

int erofs_xattr_store(struct tree *t, uint32_t node, const uint8_t *body,
		      size_t len)
{
	uint32_t at;
	char *p;
	int r;

	t->nodes[node].xattr = 0;
	if (!len)
		return 0;
	r = tree_reserve(t, sizeof(uint32_t) + len, &at, &p);
	if (r)
		return r;
	le32_put(p, (uint32_t)len);
	memcpy(p + sizeof(uint32_t), body, len);
	t->nodes[node].xattr = at;
	return 0;
}

const uint8_t *erofs_xattr_body(const struct tree *t, uint32_t node,
				size_t *ret_len)
{
	const char *p = tree_text(t, t->nodes[node].xattr);

	*ret_len = 0;
	if (!t->nodes[node].xattr)
		return NULL;
	*ret_len = le32_get(p);
	return (const uint8_t *)p + sizeof(uint32_t);
}
