/* SPDX-License-Identifier: Apache-2.0 */
/* Every value grammar over the same text, and the detach-key matcher. */
#include <stdlib.h>
#include <string.h>

#include "cli/detach.h"
#include "cli/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *lookup(const char *key)
{
	static char value[] = "value";

	return *key == 'K' ? value : NULL;
}

static void numbers(const char *text)
{
	struct rlimit_arg r;
	struct err err;
	int64_t at;
	uint64_t v;
	uint32_t mib;

	(void)grammar_size(text, &mib, &err);
	if (!grammar_duration("--flag", text, &v, &err) && !v)
		abort();
	if (!grammar_time(text, 0, &at, &err) && !strchr(text, '-') && at > 0)
		abort(); /* so long ago that it has not been yet */
	(void)grammar_grace("--flag", text, &v, &err);
	if (!grammar_rlimit(text, &r, &err) && r.soft > r.hard)
		abort();
}

static void words(const char *text)
{
	const char *value;
	struct err err;
	char *key;
	int policy;

	(void)grammar_pull(text, &policy, &err);
	(void)grammar_shell(text, &err);
	(void)grammar_init(text, &err);
	(void)grammar_log_level(text, &err);
	if (!grammar_env(text, lookup, &key, &value, &err)) {
		if (strchr(key, '='))
			abort();
		free(key);
	}
}

/* A value is not in what is left of the command line. */
static void secrets(const char *text)
{
	char *shown = strdup(text), *value;
	unsigned places = 0;
	struct secret_arg a;
	struct err err;
	size_t env;

	if (!grammar_secret_places(text, &env, &places, &err) &&
	    (!places || !env || text[env] != '='))
		abort();
	for (int file = 0; shown && file < 2; file++) {
		if (grammar_secret(text, file, &a, &err))
			continue;
		if (!*a.env || !a.nhosts || (file && !a.path))
			abort();
		for (size_t i = 0; i < a.nhosts; i++)
			if (!*a.hosts[i] || strchr(a.hosts[i], ','))
				abort();
		if (a.value) {
			grammar_secret_hide(shown);
			value = strchr(shown, '=') + 1;
			if (*value != '@' ||
			    strlen(shown) + strlen(a.value) != strlen(text))
				abort();
		}
		secret_arg_fini(&a);
	}
	free(shown);
}

static void parts(const char *text)
{
	struct mount_arg m;
	struct copy_arg c;
	struct script s;
	struct err err;

	for (int f = MOUNT_ARG_VOLUME; f < MOUNT_ARG_TMPFS; f++) {
		if (grammar_mount((enum mount_flavour)f, text, &m, &err))
			continue;
		if (!*m.source || strpbrk(m.guest, ",:") ||
		    (m.disk && !m.size_mib))
			abort();
		mount_arg_fini(&m);
	}
	if (!grammar_copy(text, &c, &err)) {
		if (c.sandbox && (!*c.sandbox || *c.path != '/'))
			abort();
		copy_arg_fini(&c);
	}
	if (!grammar_tmpfs(text, &m, &err)) {
		if (m.source || !*m.guest)
			abort();
		mount_arg_fini(&m);
	}
	for (int kind = SCRIPT_SNIPPET; kind <= SCRIPT_PATH; kind++) {
		if (grammar_script((enum script_kind)kind, text, "bash", &s,
				   &err))
			continue;
		if (strlen(s.body) != s.len)
			abort();
		script_fini(&s);
	}
}

/* The keys come from the text up to a newline, what is typed from the rest. */
static void keys(const char *text)
{
	char spec[64];
	struct detach d = { .n = 0 };
	const char *typed = strchr(text, '\n');
	size_t len = typed ? (size_t)(typed - text) : 0, n;
	uint8_t out[256 + DETACH_MAX_KEYS];
	struct err err;

	if (!typed || len >= sizeof(spec) || strlen(typed) > 256)
		return;
	memcpy(spec, text, len);
	spec[len] = 0;
	if (grammar_detach_keys(spec, d.keys, &d.n, &err))
		return;
	if (!detach_feed(&d, (const uint8_t *)typed, strlen(typed), out, &n) &&
	    n + d.held != strlen(typed))
		abort(); /* every key is either given on or held back */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	numbers(text);
	words(text);
	secrets(text);
	parts(text);
	keys(text);
	free(text);
	return 0;
}
