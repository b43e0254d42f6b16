/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the guest's console. */
#include "runtime/bootlog.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define MARK "agentd: "
#define PATCH "init failed: patch: "

/* Progress and warnings are not why a boot failed. */
static void end_line(struct bootlog *b)
{
	const char *at;

	b->line[b->line_len] = 0;
	at = strstr(b->line, MARK);
	if (at && strstr(at, "failed"))
		memmove(b->agent, at + strlen(MARK),
			strlen(at + strlen(MARK)) + 1);
	b->line_len = 0;
}

static char printable(unsigned char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' ? (char)c
								 : '?';
}

void bootlog_add(struct bootlog *b, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\r')
			continue;
		b->tail[b->at] = printable(p[i]);
		b->at = (b->at + 1) % BOOTLOG_TAIL;
		if (b->used < BOOTLOG_TAIL)
			b->used++;
		if (p[i] == '\n')
			end_line(b);
		else if (b->line_len < BOOTLOG_LINE - 1)
			b->line[b->line_len++] = printable(p[i]);
	}
}

const char *bootlog_agent(const struct bootlog *b, const char **ret_stage)
{
	static const struct {
		const char *word, *stage;
	} stages[] = {
		{ "config parse", "config" },
		{ "boot configuration", "config" },
		{ "handoff", "config" },
		{ "rlimit", "config" },
		{ "user", "config" },
		{ "mount", "mount" },
		{ "network", "network" },
	};

	if (!b->agent[0])
		return NULL;
	/* whose messages begin with a path, which may have any word in it */
	if (str_starts(b->agent, PATCH)) {
		*ret_stage = "patch";
		return b->agent + strlen(PATCH);
	}
	*ret_stage = "other";
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (strstr(b->agent, stages[i].word)) {
			*ret_stage = stages[i].stage;
			break;
		}
	return b->agent;
}

size_t bootlog_tail(const struct bootlog *b, char *out)
{
	size_t start = (b->at + BOOTLOG_TAIL - b->used) % BOOTLOG_TAIL;
	size_t n = 0;
	bool in_line = b->used == BOOTLOG_TAIL; /* begins inside a line */

	for (size_t i = 0; i < b->used; i++) {
		char c = b->tail[(start + i) % BOOTLOG_TAIL];

		if (!in_line)
			out[n++] = c;
		if (c == '\n')
			in_line = false;
	}
	out[n] = 0;
	return n;
}
