/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the guest and words of clients that the agent parses as text. */
#include <stdlib.h>
#include <string.h>

#include "agent/env.h"
#include "agent/guestfiles.h"
#include "agent/mount_plan.h"
#include "agent/tcp.h"
#include "agent/usage.h"
#include "agent/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_users(struct view text, struct view name)
{
	struct passwd_entry e;
	struct user_spec spec;
	gid_t groups[4];
	uint32_t gid;

	(void)passwd_find(text, name, 0, &e);
	(void)passwd_find(text, (struct view){ 0 }, 1000, &e);
	(void)group_find(text, name, &gid);
	if (group_list(text, name, 7, groups, 4) > 4)
		abort();
	(void)user_spec_parse(text, &spec, NULL);
}

static void try_env(struct view text)
{
	struct strv none = { 0 };
	struct view list[64];
	struct env_block e;
	size_t n = 0;

	while (n < 64 && text.len) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len;

		list[n++] = (struct view){ text.p, len };
		len += end != NULL;
		text.p += len;
		text.len -= len;
	}
	if (env_compose(&none, list, n, "/", &e))
		return;
	for (size_t i = 0; i < e.n; i++)
		if (!strchr(e.envp[i], '='))
			abort();
	if (!strstr(env_path(&e), SCRIPTS_DIR))
		abort();
	env_block_fini(&e);
}

static void try_path(struct view text)
{
	char *path = malloc(text.len + 1);

	if (!path)
		return;
	memcpy(path, text.p, text.len);
	path[text.len] = 0;
	if (mount_path_normalise(path) == 0 &&
	    (*path != '/' || strstr(path, "//") || strstr(path, "/../")))
		abort();
	free(path);
}

static void try_profile(struct view text)
{
	struct buf once, twice;

	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	if (profile_render(&once, text) &&
	    profile_render(&twice, view_buf(&once)))
		abort();
	buf_fini(&once);
	buf_fini(&twice);
}

static void try_usage(struct view text)
{
	struct msg_usage u = { 0 };
	char *copy = strndup((const char *)text.p, text.len);

	if (!copy)
		return;
	usage_parse_meminfo(copy, &u);
	usage_parse_stat(copy, 100, &u);
	if (u.memory_used_bytes > u.memory_total_bytes)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text, name;
	struct tcp_addr addrs[4];

	if (size < 1 || size > 65536)
		return 0;
	/* the first byte tells how much of the rest is a name */
	name = (struct view){ data + 1, data[0] < size ? data[0] : size - 1 };
	text = (struct view){ data + 1 + name.len, size - 1 - name.len };
	try_users(text, name);
	try_env(text);
	try_path(text);
	try_profile(text);
	try_usage(text);
	if (tcp_resolve(name, 80, text, addrs, 4) > 4)
		abort();
	return 0;
}
