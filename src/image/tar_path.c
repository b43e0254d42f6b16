/* SPDX-License-Identifier: Apache-2.0 */
/* Normal form of archive paths. */
#include "image/tar_path.h"

#include <string.h>

#define WHITEOUT_LEN (sizeof(TAR_WHITEOUT) - 1)

enum tar_path_error tar_path_parse(const char *text, struct tar_path *ret)
{
	char *to = ret->text;
	unsigned depth = 0;

	if (strnlen(text, TREE_PATH_MAX + 1) > TREE_PATH_MAX)
		return TAR_PATH_TOO_LONG;
	ret->name = to;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return TAR_PATH_UPWARDS;
		if (n > TREE_NAME_MAX)
			return TAR_PATH_NAME_TOO_LONG;
		if (n && !(n == 1 && p[0] == '.')) {
			if (++depth > TREE_DEPTH_MAX)
				return TAR_PATH_TOO_DEEP;
			*to++ = '/';
			ret->name = to;
			memcpy(to, p, n);
			to += n;
		}
		p += n + (p[n] == '/');
	}
	*to = '\0';
	ret->name_len = (size_t)(to - ret->name);
	/* The slash in front of the name ends the directory. */
	if (ret->name_len)
		ret->text[ret->name - ret->text - 1] = '\0';
	return TAR_PATH_OK;
}

const char *tar_path_error_text(enum tar_path_error e)
{
	switch (e) {
	case TAR_PATH_OK:
		break;
	case TAR_PATH_TOO_LONG:
		return "path too long";
	case TAR_PATH_TOO_DEEP:
		return "path too deep";
	case TAR_PATH_NAME_TOO_LONG:
		return "file name too long";
	case TAR_PATH_UPWARDS:
		return "path traversal";
	}
	return "";
}

enum tar_name tar_name_kind(const char *name, size_t len)
{
	const char *rest = name + WHITEOUT_LEN;

	if (len <= WHITEOUT_LEN ||
	    memcmp(name, TAR_WHITEOUT, WHITEOUT_LEN) != 0)
		return TAR_NAME_PLAIN;
	if (len == sizeof(TAR_OPAQUE) - 1 && !memcmp(name, TAR_OPAQUE, len))
		return TAR_NAME_OPAQUE;
	len -= WHITEOUT_LEN;
	if (rest[0] == '.' && (len == 1 || (len == 2 && rest[1] == '.')))
		return TAR_NAME_WRONG;
	return TAR_NAME_WHITEOUT;
}
