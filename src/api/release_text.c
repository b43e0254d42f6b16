/* SPDX-License-Identifier: Apache-2.0 */
/* Versions and lists of sums, as text from elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/release_int.h"

#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"
#define VERSION_CHARS                                                          \
	DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                    \
	       "abcdefghijklmnopqrstuvwxyz.-+~"

static bool version_valid(const char *text, size_t len)
{
	if (!len || len > RELEASE_VERSION_MAX || !strchr(DIGITS, *text))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(VERSION_CHARS, text[i]))
			return false;
	return true;
}

bool release_version_valid(const char *text)
{
	return version_valid(text, strlen(text));
}

/* Compare the numbers that a and b begin with, and step over them. */
static int compare_numbers(const char **a, const char **b)
{
	size_t n, k;
	int order;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	n = strspn(*a, DIGITS);
	k = strspn(*b, DIGITS);
	if (n != k)
		return n < k ? -1 : 1;
	order = n ? strncmp(*a, *b, n) : 0;
	*a += n;
	*b += k;
	return (order > 0) - (order < 0);
}

/* "1.0~rc1" < "1.0-rc1" < "1.0" < "1.0.1" */
static int rank(char c)
{
	return c == '~' ? -2 : c == '-' ? -1 : (unsigned char)c;
}

int release_version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		int order;

		if ((!*a || strchr(DIGITS, *a)) &&
		    (!*b || strchr(DIGITS, *b))) {
			order = compare_numbers(&a, &b);
			if (order)
				return order;
			continue;
		}
		if (*a == *b) {
			a++;
			b++;
			continue;
		}
		return rank(*a) < rank(*b) ? -1 : 1;
	}
	return 0;
}

int release_latest_parse(const char *text, size_t len,
			 char ret[RELEASE_VERSION_MAX + 1])
{
	const char *end = text + len;

	while (text < end && strchr(" \t\r\n", *text) && *text)
		text++;
	while (end > text && strchr(" \t\r\n", end[-1]) && end[-1])
		end--;
	if (text < end && *text == 'v')
		text++;
	if (!version_valid(text, (size_t)(end - text)))
		return -EINVAL;
	memcpy(ret, text, (size_t)(end - text));
	ret[end - text] = 0;
	return 0;
}

struct sum_line {
	const char *sum, *name;
	size_t name_len;
};

/* The next line that is one; false at the end. */
static bool next_line(const char **text, size_t *len, struct sum_line *ret)
{
	while (*len) {
		const char *line = *text, *end = memchr(line, '\n', *len);
		size_t n = end ? (size_t)(end - line) : *len, hex = 0;

		*text += n + (end != NULL);
		*len -= n + (end != NULL);
		if (n && line[n - 1] == '\r')
			n--;
		while (hex < n && line[hex] && strchr(HEX, line[hex]))
			hex++;
		/* "  name", or " *name" of sums over binary files */
		if (hex != RELEASE_SUM_LEN || n < hex + 3 || line[hex] != ' ' ||
		    (line[hex + 1] != ' ' && line[hex + 1] != '*'))
			continue;
		ret->sum = line;
		ret->name = line + hex + 2;
		ret->name_len = n - hex - 2;
		if (ret->name_len > 2 && !memcmp(ret->name, "./", 2)) {
			ret->name += 2;
			ret->name_len -= 2;
		}
		return true;
	}
	return false;
}

int release_sums_find(const char *text, size_t len, const char *name,
		      char ret[RELEASE_SUM_LEN + 1])
{
	size_t n = strlen(name);
	struct sum_line l;
	bool found = false;

	while (next_line(&text, &len, &l)) {
		if (l.name_len != n || memcmp(l.name, name, n) != 0)
			continue;
		if (found && memcmp(ret, l.sum, RELEASE_SUM_LEN) != 0)
			return -EBADMSG;
		memcpy(ret, l.sum, RELEASE_SUM_LEN);
		ret[RELEASE_SUM_LEN] = 0;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

/* The version in the name of an archive for this machine. */
static bool archive_version(const struct sum_line *l,
			    char ret[RELEASE_VERSION_MAX + 1])
{
	static const char prefix[] = RELEASE_PREFIX;
	static const char suffix[] = RELEASE_SUFFIX RELEASE_ARCHIVE;
	size_t around = sizeof(prefix) - 1 + sizeof(suffix) - 1, n;

	if (l->name_len <= around)
		return false;
	n = l->name_len - around;
	if (memcmp(l->name, prefix, sizeof(prefix) - 1) != 0 ||
	    memcmp(l->name + l->name_len - (sizeof(suffix) - 1), suffix,
		   sizeof(suffix) - 1) != 0 ||
	    !version_valid(l->name + sizeof(prefix) - 1, n))
		return false;
	memcpy(ret, l->name + sizeof(prefix) - 1, n);
	ret[n] = 0;
	return true;
}

int release_sums_before(const char *text, size_t len, const char *version,
			char ret[RELEASE_VERSION_MAX + 1])
{
	char one[RELEASE_VERSION_MAX + 1];
	struct sum_line l;
	bool found = false;

	while (next_line(&text, &len, &l)) {
		if (!archive_version(&l, one) ||
		    release_version_compare(one, version) >= 0 ||
		    (found && release_version_compare(one, ret) <= 0))
			continue;
		memcpy(ret, one, sizeof(one));
		found = true;
	}
	return found ? 0 : -ENOENT;
}
