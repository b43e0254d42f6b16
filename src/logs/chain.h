/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log with its rotated siblings as a sequence of entries, forwards from any
 * place, also while it is written and rotated.
 */
#ifndef MSB_LOGS_CHAIN_H
#define MSB_LOGS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "logs/exec_line.h"
#include "logs/files.h"
#include "logs/scan.h"
#include "logs/text_line.h"

/* Which entries are wanted. */
struct log_filter {
	unsigned streams; /* 1 << enum log_stream */
	bool has_since, has_until;
	int64_t since_ns, until_ns;	   /* from .. to, without the latter */
	struct log_text texts[SCAN_TEXTS]; /* one of them; borrowed */
	unsigned ntexts;		   /* 0: any */
	struct scan scan;
};

enum chain_kind { CHAIN_EXEC, CHAIN_RUNTIME, CHAIN_KERNEL, CHAIN_COUNT };

/* What gives a line of text without a time its time. */
struct text_context {
	bool has_last, has_boot;
	int64_t last_ns; /* of the line before */
	int64_t boot_ns; /* when the machine started */
};

/* A place in a chain, as cursors have it; identity 0: the beginning. */
struct chain_place {
	uint64_t identity;
	uint64_t offset;
};

struct chain {
	enum chain_kind kind;
	int dirfd; /* borrowed */
	bool follow;
	/* Nobody writes any more: what there is, is all, and a line that is not
	 * complete never will be. */
	bool final;

	struct log_files files; /* the first is being read */
	uint64_t off;		/* of buf[pos] in it */
	uint8_t *buf;		/* owned */
	size_t cap, pos, end;
	size_t seen;   /* bytes from pos on without a newline */
	size_t whole;  /* bytes from pos on that are whole lines, at least */
	bool skipping; /* inside a line that is too long */
	uint64_t skip_off;

	struct exec_parser exec;
	struct buf scratch;
	struct text_context text;

	bool have; /* line is the next entry, and begins at line_off */
	struct log_line line;
	uint64_t line_off;
	int64_t key; /* its time, but never before that of an earlier one */
};

const char *chain_file_name(enum chain_kind kind);

/* Open the files as they are now; reading starts with the oldest. */
int chain_open(struct chain *c, enum chain_kind kind, int dirfd,
	       struct err *err);
void chain_close(struct chain *c);
/* Go to offset in file number i of c->files (forgetting those before). */
void chain_start(struct chain *c, unsigned i, uint64_t offset,
		 const struct text_context *text);

/*
 * Make c->line the next entry that passes: 1, or 0 when there is none now. What
 * the line before lent is void. ERR_MISSED_ROTATION when following.
 */
int chain_next(struct chain *c, const struct log_filter *f, struct err *err);
/* The place in front of c->line, if there is one, else behind what was read. */
struct chain_place chain_place(const struct chain *c);

/* Is the last line of this file to be read even without a newline? */
bool chain_takes_rest(const struct chain *c, unsigned file);
/* The entry in a line (with its newline, if it has one); false: none that
 * passes. mtime: what there is when no line before has a time. */
bool chain_parse(struct chain *c, const struct log_filter *f,
		 struct text_context *t, int64_t mtime_ns, const uint8_t *line,
		 size_t len, struct log_line *ret);
static inline bool filter_has_times(const struct log_filter *f)
{
	return f->has_since || f->has_until;
}

static inline bool filter_passes_time(const struct log_filter *f, int64_t ns)
{
	return (!f->has_since || ns >= f->since_ns) &&
	       (!f->has_until || ns < f->until_ns);
}

/* Does a text hold what is looked for, given that it may be escaped? */
bool filter_contains(const struct log_filter *f, struct buf *scratch,
		     const struct log_line *l);

#endif
