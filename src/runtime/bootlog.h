/* SPDX-License-Identifier: Apache-2.0 */
/* Remembers the end of the guest's console, to explain a boot that failed. */
#ifndef MSB_RUNTIME_BOOTLOG_H
#define MSB_RUNTIME_BOOTLOG_H

#include <stddef.h>

#define BOOTLOG_TAIL 6144u
#define BOOTLOG_LINE 400u

struct bootlog {
	char tail[BOOTLOG_TAIL]; /* ring */
	size_t at, used;
	char line[BOOTLOG_LINE]; /* the line under way, cut */
	size_t line_len;
	char agent[BOOTLOG_LINE]; /* last complaint of the agent, or "" */
};

/* Console bytes; hostile. */
void bootlog_add(struct bootlog *b, const void *data, size_t len);

/*
 * The agent's last words without the "agentd: " mark, or NULL; with the stage
 * of boot-error.json they belong to. Of patches, only what is behind "patch: ".
 */
const char *bootlog_agent(const struct bootlog *b, const char **ret_stage);

/* The end of the console as printable text from a line's start; out gets at
 * most BOOTLOG_TAIL bytes and a NUL. Returns its length. */
size_t bootlog_tail(const struct bootlog *b, char *out);

#endif
