/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions over log entries. */
#include "cli/logs_grep.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "cli/logs_literal.h"

_Static_assert(LOG_LITERALS == MSB_LOG_TEXTS_MAX, "numbers of texts differ");

/* An expression that tries everything ends, and ends soon. */
#define MATCH_STEPS (10u << 20)
#define DEPTH_MAX 100000u
#define HEAP_KIB (64u << 10)
#define STACK_MIN (32u << 10)
#define STACK_MAX (4u << 20)

struct log_grep {
	struct log_literal literal;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack; /* NULL without JIT */
};

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
}

static int compile(struct log_grep *g, const char *pattern, struct err *err)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	char why[160];
	int code = 0;

	if (!c)
		return no_memory(err);
	(void)pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	g->code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF |
				      PCRE2_NEVER_BACKSLASH_C,
			      &code, &at, c);
	pcre2_compile_context_free(c);
	if (g->code)
		return 0;
	(void)pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
	return err_set(err, ERR_INVALID, EINVAL,
		       "invalid --grep regex: %s (at byte %zu)", why, at);
}

static int prepare(struct log_grep *g, struct err *err)
{
	g->match = pcre2_match_data_create(1, NULL);
	g->limits = pcre2_match_context_create(NULL);
	if (!g->match || !g->limits)
		return no_memory(err);
	(void)pcre2_set_match_limit(g->limits, MATCH_STEPS);
	(void)pcre2_set_depth_limit(g->limits, DEPTH_MAX);
	(void)pcre2_set_heap_limit(g->limits, HEAP_KIB);
	if (pcre2_jit_compile(g->code, PCRE2_JIT_COMPLETE))
		return 0; /* slower, and no worse */
	g->stack = pcre2_jit_stack_create(STACK_MIN, STACK_MAX, NULL);
	if (!g->stack)
		return no_memory(err);
	pcre2_jit_stack_assign(g->limits, NULL, g->stack);
	return 0;
}

int log_grep_new(const char *pattern, struct log_grep **ret, struct err *err)
{
	struct log_grep *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return no_memory(err);
	rc = compile(g, pattern, err);
	if (!rc)
		rc = log_literal_init(&g->literal, pattern, err);
	if (!rc)
		rc = prepare(g, err);
	if (rc)
		g = log_grep_free(g);
	*ret = g;
	return rc;
}

struct log_grep *log_grep_free(struct log_grep *g)
{
	if (!g)
		return NULL;
	log_literal_fini(&g->literal);
	pcre2_jit_stack_free(g->stack);
	pcre2_match_context_free(g->limits);
	pcre2_match_data_free(g->match);
	pcre2_code_free(g->code);
	free(g);
	return NULL;
}

unsigned log_grep_texts(const struct log_grep *g,
			msb_log_text_t ret[MSB_LOG_TEXTS_MAX])
{
	for (unsigned i = 0; i < g->literal.n; i++) {
		ret[i].data = buf_data(&g->literal.text[i]);
		ret[i].len = buf_len(&g->literal.text[i]);
	}
	return g->literal.n;
}

bool log_grep_is_text(const struct log_grep *g)
{
	return g->literal.whole;
}

static bool holds_text(const struct log_literal *l, const void *data,
		       size_t len)
{
	for (unsigned i = 0; i < l->n; i++)
		if (memmem(data, len, buf_data(&l->text[i]),
			   buf_len(&l->text[i])))
			return true;
	return false;
}

int log_grep_match(struct log_grep *g, const void *data, size_t len)
{
	int rc;

	if (g->literal.whole)
		return holds_text(&g->literal, data, len);
	rc = pcre2_match(g->code, data, len, 0, 0, g->match, g->limits);
	if (rc >= 0)
		return 1;
	return rc == PCRE2_ERROR_NOMATCH ? 0 : -ETIME;
}
