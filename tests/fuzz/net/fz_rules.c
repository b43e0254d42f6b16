/* SPDX-License-Identifier: Apache-2.0 */
/* The words of --net-rule: what is accepted means the same when it is printed
 * and read again, as words and as JSON. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/policy.h"

#define TEXT_MAX 4096
#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print(const struct policy *p)
{
	struct buf out;
	char *text;

	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < p->nrules; i++) {
		if (i)
			buf_str(&out, ",");
		policy_rule_text(&p->rules[i], &out);
	}
	text = buf_take_str(&out);
	buf_fini(&out);
	return text;
}

static void same_by_words(const char *text)
{
	struct policy p = { 0 };
	struct err err = { 0 };
	char *again;

	if (policy_parse_rules(text, &p, &err))
		abort();
	again = print(&p);
	if (!again || strcmp(text, again))
		abort();
	free(again);
	policy_fini(&p);
}

static void same_by_json(const struct policy *p, const char *text)
{
	json_t *j = policy_to_json(p);
	struct policy q;
	struct err err = { 0 };
	char *again;

	if (!j || policy_from_json(j, &q, &err))
		abort();
	again = print(&q);
	if (!again || strcmp(text, again))
		abort();
	free(again);
	policy_fini(&q);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy p = { 0 };
	struct err err = { 0 };
	char text[TEXT_MAX + 1], *printed;

	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (policy_parse_rules(text, &p, &err)) {
		if (err.kind != ERR_INVALID || !strchr(err.msg, ':'))
			abort();
	} else {
		printed = print(&p);
		if (!printed)
			abort();
		same_by_words(printed);
		same_by_json(&p, printed);
		free(printed);
	}
	policy_fini(&p);
	return 0;
}
