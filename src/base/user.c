/* SPDX-License-Identifier: Apache-2.0 */
/* Users of a guest, looked up in the text of its /etc/passwd. */
#include "base/user.h"

#include <string.h>

#include "base/str.h"

/* Field n (from 0) of a colon-separated line, as a copy in out. */
static bool line_field(const char *line, unsigned n, char *out, size_t size)
{
	size_t len;

	for (; n; n--) {
		line += strcspn(line, ":\n");
		if (*line != ':')
			return false;
		line++;
	}
	len = strcspn(line, ":\n");
	if (len >= size)
		return false;
	memcpy(out, line, len);
	out[len] = 0;
	return true;
}

static bool passwd_find(const char *passwd, const char *user, uint32_t uid,
			uint32_t *ret_uid, uint32_t *ret_gid)
{
	for (const char *line = passwd; line && *line;) {
		char name[64], number[16];
		uint32_t u, g;

		if (line_field(line, 0, name, sizeof(name)) &&
		    line_field(line, 2, number, sizeof(number)) &&
		    !str_to_u32(number, &u) &&
		    line_field(line, 3, number, sizeof(number)) &&
		    !str_to_u32(number, &g) &&
		    (user ? str_eq(name, user) : u == uid)) {
			*ret_uid = u;
			*ret_gid = g;
			return true;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return false;
}

bool user_lookup(const char *spec, const char *passwd, uint32_t *ret_uid,
		 uint32_t *ret_gid)
{
	const char *group = strchr(spec, ':');
	uint32_t uid = 0, gid = 0, number;
	char user[64];

	if (!line_field(spec, 0, user, sizeof(user)))
		return false;
	if (!str_to_u32(user, &uid)) /* without an entry: group 0 */
		(void)passwd_find(passwd, NULL, uid, &uid, &gid);
	else if (!passwd_find(passwd, user, 0, &uid, &gid))
		return false;
	if (group && !str_to_u32(group + 1, &number))
		gid = number;
	*ret_uid = uid;
	*ret_gid = gid;
	return true;
}
