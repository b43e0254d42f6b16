/* SPDX-License-Identifier: Apache-2.0 */
/* Environment of a process the agent starts. */
#include "agent/env.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * A request may carry a million entries, so duplicates are found by sorting,
 * not by looking back at every entry.
 */
struct entry {
	struct view text; /* borrowed; p == NULL: dropped */
	uint32_t key_len; /* a frame, and so an entry, is below 4 MiB */
	uint32_t order;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	uint32_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int rc = memcmp(x->text.p, y->text.p, len);

	if (rc)
		return rc;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->order < y->order ? -1 : 1;
}

static bool same_key(const struct entry *a, const struct entry *b)
{
	return a->key_len == b->key_len &&
	       !memcmp(a->text.p, b->text.p, a->key_len);
}

static bool key_is(const struct entry *e, const char *key)
{
	return e->key_len == strlen(key) && !memcmp(e->text.p, key, e->key_len);
}

static void add(struct entry *list, size_t *n, struct view text)
{
	const uint8_t *eq = text.len ? memchr(text.p, '=', text.len) : NULL;

	if (!eq || eq == text.p)
		return;
	list[*n] = (struct entry){ .text = text,
				   .key_len = (uint32_t)(eq - text.p),
				   .order = (uint32_t)*n };
	(*n)++;
}

/* Keep the last of each name, at the place of the first. */
static size_t merge(struct entry *list, size_t n)
{
	size_t kept = 0;

	if (!n)
		return 0;
	qsort(list, n, sizeof(*list), by_key);
	for (size_t i = 0; i < n; i++) {
		if (kept && same_key(&list[kept - 1], &list[i]))
			list[kept - 1].text = list[i].text;
		else
			list[kept++] = list[i];
	}
	qsort(list, kept, sizeof(*list), by_order);
	return kept;
}

/* True when the colon-separated list has SCRIPTS_DIR as an element. */
static bool has_scripts_dir(struct view path)
{
	const size_t want = sizeof(SCRIPTS_DIR) - 1;

	for (size_t i = 0; i <= path.len; i++) {
		const uint8_t *end =
			i < path.len ? memchr(path.p + i, ':', path.len - i)
				     : NULL;
		size_t len = end ? (size_t)(end - path.p) - i : path.len - i;

		if (len == want && !memcmp(path.p + i, SCRIPTS_DIR, want))
			return true;
		i += len;
	}
	return false;
}

static void put(struct env_block *e, const char *prefix, struct view text)
{
	size_t len = strlen(prefix);

	e->envp[e->n++] = e->text + e->bytes;
	memcpy(e->text + e->bytes, prefix, len);
	memcpy(e->text + e->bytes + len, text.p, text.len);
	e->bytes += len + text.len;
	e->text[e->bytes++] = 0;
}

static void put_entry(struct env_block *e, const struct entry *x)
{
	struct view value = { x->text.p + x->key_len + 1,
			      x->text.len - x->key_len - 1 };

	if (!key_is(x, "PATH") || has_scripts_dir(value))
		put(e, "", x->text);
	else if (value.len)
		put(e, "PATH=" SCRIPTS_DIR ":", value);
	else
		put(e, "PATH=" SCRIPTS_DIR, value);
}

static int build(const struct entry *list, size_t n, const char *home,
		 struct env_block *ret)
{
	bool has_path = false, has_home = false;
	/* what PATH may gain, and a PATH and HOME of ours */
	size_t bytes = 2 * sizeof("PATH=" SCRIPTS_DIR ":" ENV_DEFAULT_PATH) +
		       sizeof("HOME=") + strlen(home) + 1;
	struct env_block e = { 0 };

	for (size_t i = 0; i < n; i++)
		bytes += list[i].text.len + 1;
	e.text = malloc(bytes);
	e.envp = calloc(n + 3, sizeof(*e.envp));
	if (!e.text || !e.envp) {
		env_block_fini(&e);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		has_path |= key_is(&list[i], "PATH");
		has_home |= key_is(&list[i], "HOME");
		put_entry(&e, &list[i]);
	}
	if (!has_path)
		put(&e, "PATH=" SCRIPTS_DIR ":", view_cstr(ENV_DEFAULT_PATH));
	if (!has_home)
		put(&e, "HOME=", view_cstr(home));
	*ret = e;
	return 0;
}

int env_compose(const struct strv *base, const struct view *request,
		size_t nrequest, const char *home, struct env_block *ret)
{
	struct entry *list = calloc(base->n + nrequest + 1, sizeof(*list));
	size_t n = 0;
	int rc = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < base->n; i++)
		if (!str_starts(base->v[i], "MSB_"))
			add(list, &n, view_cstr(base->v[i]));
	for (size_t i = 0; i < nrequest; i++) {
		if (request[i].len && memchr(request[i].p, 0, request[i].len))
			rc = -EINVAL;
		add(list, &n, request[i]);
	}
	if (!rc)
		rc = build(list, merge(list, n), home, ret);
	free(list);
	return rc;
}

void env_block_fini(struct env_block *e)
{
	free(e->envp);
	free(e->text);
	*e = (struct env_block){ 0 };
}

const char *env_path(const struct env_block *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (str_starts(e->envp[i], "PATH="))
			return e->envp[i] + 5;
	return ENV_DEFAULT_PATH;
}
