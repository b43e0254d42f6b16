/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the listings: times, states, commands. */
#ifndef MSB_CLI_SHOW_H
#define MSB_CLI_SHOW_H

#include <stddef.h>
#include <stdint.h>

#include "cli/json.h"
#include "cli/table.h"
#include "microsandbox/microsandbox.h"

#define TIME_SIZE 40

/* "2026-05-22 12:11:12" in local time. */
const char *show_local_time(int64_t unix_ms, char *buf, size_t size);
/* "2026-05-22T10:11:12+00:00". */
const char *show_json_time(int64_t unix_ms, char *buf, size_t size);

/* An RFC 3339 time as show_local_time has it, or as it is. */
const char *show_rfc_time(const char *text, char *buf, size_t size);

/* "running" and its colour. buf >= 16 bytes */
const char *show_status(msb_status_t s, char *buf, size_t size,
			enum table_style *ret_style);

/*
 * Entrypoint and command of a stored configuration, joined by spaces in double
 * quotes, or "-". malloc'ed, NULL when out of memory.
 */
char *show_command(const struct json *config);

/* Warn of each jail layer that the machine of s, just started, runs without. */
void show_relaxed_layers(const msb_sandbox_t *s);

/* "No ... found.", on stderr. */
void show_none(const char *text);
/* Print a table, or when_empty (if not NULL) as show_none, and free it: exit
 * code. */
int show_table(struct table *t, const char *when_empty);

/* What inspect prints: keys and values, in sections. */
struct page {
	struct buf b;
	bool colors;
};
void page_init(struct page *p);
/* "Name:", filled up to pad columns. */
void page_key(struct page *p, const char *indent, const char *name, int pad);
/* "Key:            value"; nothing for a missing value. */
void page_line(struct page *p, const char *name, const char *value);
/* The same, indented, with a unit. */
void page_sub_line(struct page *p, const char *name, const char *value,
		   const char *unit);
void page_section(struct page *p, const char *title);
int page_print(struct page *p); /* and free it: exit code */

/* Print j as the one document of a command and free it: exit code. */
int show_json(struct json *j);

#endif
