/* SPDX-License-Identifier: Apache-2.0 */
/* Grammar of --script, --script-raw and --script-path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
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

int grammar_script(enum script_kind kind, const char *text, const char *shell,
		   struct script *ret, struct err *err)
{
	const char *form = kind == SCRIPT_PATH ? "NAME:PATH" : "NAME=BODY";
	const char *sep = strchr(text, kind == SCRIPT_PATH ? ':' : '=');
	autofree char *name = NULL;
	struct buf b;

	if (!sep)
		return INVALID(err, "%s must be in format %s", flag_names[kind],
			       form);
	if (sep == text)
		return INVALID(err, "script name must not be empty (%s)", form);
	name = strndup(text, (size_t)(sep - text));
	if (!name)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return INVALID(err, "invalid script name: %s", name);
	buf_init(&b, MAX_SCRIPT);
	if (kind == SCRIPT_SNIPPET)
		(void)put_snippet(sep + 1, shell, &b);
	else
		(void)buf_str(&b, sep + 1);
	if (b.failed) {
		buf_fini(&b);
		return INVALID(err, "script '%s' is too large", name);
	}
	ret->len = buf_len(&b);
	ret->body = buf_take_str(&b);
	buf_fini(&b);
	if (!ret->body)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	ret->name = take_ptr(name);
	return 0;
}
