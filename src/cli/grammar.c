/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars of option values: sizes, durations, limits, names of things. */
#include "cli/grammar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/str.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* No number that is meant takes more. */
#define NUMBER_SIZE 64

/*
 * Text without white space around it in out; text that does not fit is cut,
 * which only makes a number too large.
 */
static void trim(const char *text, size_t len, char out[NUMBER_SIZE])
{
	while (len && is_space(text[len - 1]))
		len--;
	while (len && is_space(*text)) {
		text++;
		len--;
	}
	(void)snprintf(out, NUMBER_SIZE, "%.*s", (int)(len & 0xffff), text);
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
}

#define INVALID(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)

/* "1.5" to 1.5; only what a person writes as a decimal number. */
static int to_double(const char *text, double *ret)
{
	char *end;
	double v;

	if (!strcasecmp(text, "nan") || !strcasecmp(text, "inf") ||
	    !strcasecmp(text, "-inf") || !strcasecmp(text, "infinity")) {
		*ret = -1;
		return 0;
	}
	if (!*text || strspn(text, "0123456789.eE+-") != strlen(text))
		return -EINVAL;
	v = strtod(text, &end);
	if (*end || end == text)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int size_in_gib(const char *whole, const char *number, uint64_t *ret_mib,
		       struct err *err)
{
	double v;

	if (to_double(number, &v))
		return INVALID(err, "invalid size: %s", whole);
	if (!isfinite(v) || v < 0)
		return INVALID(err, "size must be a finite positive number");
	if (v * 1024 > (double)UINT32_MAX)
		return INVALID(err, "size too large: %s", whole);
	*ret_mib = (uint64_t)(v * 1024);
	return 0;
}

int grammar_size(const char *text, uint32_t *ret_mib, struct err *err)
{
	char number[NUMBER_SIZE];
	uint64_t mib = 0;
	size_t n;
	int rc;

	trim(text, strlen(text), number);
	n = strlen(number);
	if (n && strchr("gG", number[n - 1])) {
		number[n - 1] = 0;
		rc = size_in_gib(text, number, &mib, err);
		if (rc)
			return rc;
	} else {
		if (n && strchr("mM", number[n - 1]))
			number[n - 1] = 0;
		rc = str_to_u64(number, &mib);
		if (rc == -EINVAL)
			return INVALID(err,
				       "invalid size (expected e.g. 512M, "
				       "1G): %s",
				       text);
		if (rc || mib > UINT32_MAX)
			return INVALID(err, "size too large: %s", text);
	}
	*ret_mib = (uint32_t)mib;
	return 0;
}

/* Number and unit in milliseconds. */
static int to_ms(const char *flag, const char *text, bool fine,
		 uint64_t *ret_ms, struct err *err)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }
	};
	char copy[NUMBER_SIZE], number[NUMBER_SIZE];
	uint64_t v, scale = 1000;
	size_t len;
	int rc;

	trim(text, strlen(text), copy);
	len = strlen(copy);
	for (size_t i = fine ? 0 : 1; i < ARRAY_SIZE(units); i++) {
		if (len > strlen(units[i].unit) &&
		    str_ends(copy, units[i].unit)) {
			scale = units[i].ms;
			len -= strlen(units[i].unit);
			break;
		}
	}
	trim(copy, len, number);
	rc = str_to_u64(number, &v);
	if (rc == -EINVAL)
		return INVALID(err,
			       "%s: invalid duration '%s' (expected e.g. "
			       "%s30s, 5m, 1h)",
			       flag, text, fine ? "500ms, " : "");
	if (rc || __builtin_mul_overflow(v, scale, ret_ms))
		return INVALID(err, "%s: duration too long: %s", flag, text);
	return 0;
}

int grammar_duration(const char *flag, const char *text, uint64_t *ret_s,
		     struct err *err)
{
	uint64_t ms = 0;
	int rc = to_ms(flag, text, false, &ms, err);

	if (rc)
		return rc;
	if (!ms)
		return INVALID(err, "%s: must be greater than zero", flag);
	*ret_s = ms / 1000;
	return 0;
}

int grammar_grace(const char *flag, const char *text, uint64_t *ret_ms,
		  struct err *err)
{
	uint64_t ms = 0;
	int rc = to_ms(flag, text, true, &ms, err);

	if (!rc)
		*ret_ms = ms;
	return rc;
}

int grammar_env(const char *text, char *(*lookup)(const char *), char **ret_key,
		const char **ret_value, struct err *err)
{
	size_t key_len = strcspn(text, "=");
	const char *value = text + key_len;
	char *key;

	if (str_starts(text, "MSB_"))
		return INVALID(err,
			       "environment variable '%.*s' is reserved: names "
			       "beginning with MSB_ belong to msb",
			       (int)key_len, text);
	if (*value) {
		value++;
	} else {
		value = lookup(text);
		if (!value || !utf8_valid(value, strlen(value)))
			return INVALID(err, "environment variable '%s' not set",
				       text);
	}
	key = strndup(text, key_len);
	if (!key)
		return no_memory(err);
	*ret_key = key;
	*ret_value = value;
	return 0;
}

int grammar_rlimit(const char *text, struct rlimit_arg *ret, struct err *err)
{
	static const char *const names[] = {
		"cpu",	    "fsize", "data",   "stack",
		"core",	    "rss",   "nproc",  "nofile",
		"memlock",  "as",    "locks",  "sigpending",
		"msgqueue", "nice",  "rtprio", "rttime",
	};
	const char *eq = strchr(text, '='), *colon;
	autofree char *soft = NULL;
	struct rlimit_arg r = { 0 };

	if (!eq)
		return INVALID(err, "rlimit must be in format RESOURCE=LIMIT");
	colon = strchr(eq, ':');
	if (colon && strchr(colon + 1, ':'))
		return INVALID(err, "too many ':' separators in rlimit: %s",
			       text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == (size_t)(eq - text) &&
		    !strncasecmp(names[i], text, (size_t)(eq - text)))
			memcpy(r.resource, names[i], strlen(names[i]) + 1);
	if (!r.resource[0])
		return INVALID(err, "unknown rlimit resource: %.*s",
			       (int)(eq - text), text);
	soft = colon ? strndup(eq + 1, (size_t)(colon - eq - 1))
		     : strdup(eq + 1);
	if (!soft)
		return no_memory(err);
	if (str_to_u64(soft, &r.soft))
		return INVALID(err, "invalid soft limit in rlimit: %s", text);
	r.hard = r.soft;
	if (colon && str_to_u64(colon + 1, &r.hard))
		return INVALID(err, "invalid hard limit in rlimit: %s", text);
	if (r.soft > r.hard)
		return INVALID(err, "soft limit cannot exceed hard limit: %s",
			       text);
	*ret = r;
	return 0;
}

int grammar_pull(const char *text, int *ret, struct err *err)
{
	static const char *const policies[] = { "if-missing", "always",
						"never" };

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i], text)) {
			*ret = (int)i;
			return 0;
		}
	return INVALID(err,
		       "invalid pull policy: %s (expected: always, "
		       "if-missing, never)",
		       text);
}

int grammar_shell(const char *text, struct err *err)
{
	if (!*text)
		return INVALID(err, "--shell must not be empty");
	for (const char *p = text; *p; p++)
		if (is_space(*p))
			return INVALID(err,
				       "--shell must not contain white space: "
				       "%s",
				       text);
	if (!strcmp(text, "/"))
		return INVALID(err, "--shell must name a program, got: /");
	return 0;
}

int grammar_init(const char *text, struct err *err)
{
	if (strcmp(text, "auto") != 0 && text[0] != '/')
		return INVALID(err,
			       "--init must be an absolute path or `auto`, "
			       "got: %s",
			       text);
	return 0;
}

int grammar_log_level(const char *text, struct err *err)
{
	static const char *const levels[] = { "error", "warn", "info", "debug",
					      "trace" };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcmp(text, levels[i]))
			return 0;
	return INVALID(err,
		       "invalid log level: %s (expected: error, warn, info, "
		       "debug, trace)",
		       text);
}

/* One key of the list: its byte, or -1. */
static int detach_key(const char *key, size_t len)
{
	char c = key[0];

	if (len == 1)
		return (unsigned char)c;
	if (len != 6 || strncmp(key, "ctrl-", 5) != 0)
		return -1;
	c = key[5];
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	if (c >= '@' && c <= '_') /* '@' to 0, 'A' to 1, ... '_' to 31 */
		return c - '@';
	return -1;
}

int grammar_detach_keys(const char *text, uint8_t *ret_keys, size_t *ret_n,
			struct err *err)
{
	uint8_t keys[DETACH_MAX_KEYS];
	const char *p = text;
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(p, ",");
		int key = detach_key(p, len);

		if (key < 0)
			return INVALID(err, "invalid detach key: %.*s",
				       (int)len, p);
		if (n == DETACH_MAX_KEYS)
			return INVALID(err, "too many detach keys: %s", text);
		keys[n++] = (uint8_t)key;
		if (!p[len])
			break;
		p += len + 1;
	}
	memcpy(ret_keys, keys, n);
	*ret_n = n;
	return 0;
}
