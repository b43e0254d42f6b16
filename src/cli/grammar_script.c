/* SPDX-License-Identifier: Apache-2.0 */
/* Grammar of --script, --script-raw and --script-path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/grammar.h"

#define MAX_SCRIPT (16u << 20)

#define INVALID(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)

void script_fini(struct script *s)
{
	free(s->name);
	free(s->body);
	s->name = s->body = NULL;
}

/* The byte an escape stands for, or -1 for one that is kept as it is. */
static int escape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '\\':
	case '"':
	case '\'':
		return c;
	default:
		return -1;
	}
}

static void put_decoded(struct buf *b, const char *text)
{
	for (const char *p = text; *p; p++) {
		int c = *p == '\\' ? escape(p[1]) : -1;
		char byte = *p;

		if (c >= 0) {
			byte = (char)c;
			p++;
		}
		(void)buf_append(b, &byte, 1); /* failure stays in b */
	}
}

/* Snippet with shebang and final newline. */
static int put_snippet(const char *body, const char *shell, struct buf *b)
{
	const uint8_t *data;

	if (!shell)
		shell = "/bin/sh";
	(void)buf_printf(b,
			 strchr(shell, '/') ? "#!%s\n" : "#!/usr/bin/env %s\n",
			 shell);
	put_decoded(b, body);
	data = buf_data(b);
	if (!b->failed && data[buf_len(b) - 1] != '\n')
		(void)buf_str(b, "\n");
	return b->failed ? -ENOMEM : 0;
}

static const char *const flag_names[] = {
	[SCRIPT_SNIPPET] = "script",
	[SCRIPT_RAW] = "script-raw",
	[SCRIPT_PATH] = "script-path",
};

static bool is_name(const char *text)
{
	return !strchr(text, '/') && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

int grammar_script(enum script_kind kind, const char *text, const char *shell,
		   struct script *ret, struct err *err)
{
	const char *form = kind == SCRIPT_PATH ? "NAME:PATH" : "NAME=BODY";
	const char *sep = strchr(text, kind == SCRIPT_PATH ? ':' : '=');
	struct script s = { 0 };
	int rc = 0;
	struct buf b;

	if (!sep)
		return INVALID(err, "%s must be in format %s", flag_names[kind],
			       form);
	if (sep == text)
		return INVALID(err, "script name must not be empty (%s)", form);
	buf_init(&b, MAX_SCRIPT);
	if (kind == SCRIPT_SNIPPET)
		(void)put_snippet(sep + 1, shell, &b);
	else
		(void)buf_str(&b, sep + 1);
	s.name = strndup(text, (size_t)(sep - text));
	if (b.failed)
		rc = INVALID(err, "the text of --%s is too large",
			     flag_names[kind]);
	else if (s.name && !is_name(s.name))
		rc = INVALID(err, "invalid script name: %s", s.name);
	s.len = buf_len(&b);
	s.body = rc ? NULL : buf_take_str(&b);
	buf_fini(&b);
	if (!rc && (!s.name || !s.body))
		rc = err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	if (rc)
		script_fini(&s);
	else
		*ret = s;
	return rc;
}
