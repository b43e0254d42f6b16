/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: their limits, their JSON form, and selecting by them. */
#include "store/labels.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LABELS_MAX 256u
#define LABEL_MAX 4096u

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "keep labels");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where the label with this key is; n: there is none. */
static size_t find(const struct strv *labels, const char *key)
{
	size_t len = strcspn(key, "="), i;

	for (i = 0; i < labels->n; i++)
		if (!strncmp(labels->v[i], key, len) &&
		    labels->v[i][len] == '=')
			break;
	return i;
}

int labels_add(struct strv *labels, const char *text, struct err *err)
{
	size_t key = strcspn(text, "=");

	if (!key || text[key] != '=')
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid label '%.200s': expected K=V", text);
	if (strlen(text) > LABEL_MAX)
		return err_set(err, ERR_INVALID, E2BIG,
			       "label '%.80s' is longer than %u bytes", text,
			       LABEL_MAX);
	if (labels->n >= LABELS_MAX && find(labels, text) == labels->n)
		return err_set(err, ERR_INVALID, E2BIG,
			       "label '%.80s' is one too many: there may be %u",
			       text, LABELS_MAX);
	if (!utf8_valid(text, strlen(text)))
		return err_set(err, ERR_INVALID, EILSEQ,
			       "label '%.*s' is not valid UTF-8",
			       (int)(key & 0xff), text);
	return strv_env_set(labels, text) ? no_memory(err) : 0;
}

bool labels_have(const struct strv *labels, const char *key)
{
	return find(labels, key) < labels->n;
}

void labels_sort(struct strv *labels)
{
	if (labels->n)
		qsort(labels->v, labels->n, sizeof(char *), by_text);
}

json_t *labels_to_json(const struct strv *labels)
{
	json_t *o = json_object();

	for (size_t i = 0; i < labels->n; i++) {
		const char *text = labels->v[i];
		size_t key = strcspn(text, "=");
		char name[LABEL_MAX + 1];

		memcpy(name, text, key); /* labels_add: LABEL_MAX at most */
		name[key] = 0;
		if (json_object_set_new(o, name, json_string(text + key + 1))) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

int labels_from_json(const json_t *o, struct strv *ret, struct err *err)
{
	const char *key;
	json_t *value;
	int rc = 0;

	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		autofree char *text = NULL;

		if (!json_is_string(value) ||
		    strlen(json_string_value(value)) !=
			    json_string_length(value))
			return err_set(err, ERR_INVALID, EINVAL,
				       "label '%.80s' is no text", key);
		text = str_fmt("%s=%s", key, json_string_value(value));
		if (strchr(key, '='))
			return err_set(err, ERR_INVALID, EINVAL,
				       "label '%.80s' holds '='", key);
		rc = text ? labels_add(ret, text, err) : no_memory(err);
		if (rc)
			return rc;
	}
	labels_sort(ret);
	return 0;
}

int label_selector_check(const char *selector, struct err *err)
{
	if (!*selector || *selector == '=')
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid label '%.200s': expected K or K=V",
			       selector);
	return 0;
}

bool label_selected(const struct strv *labels, const char *selector)
{
	size_t i = find(labels, selector);

	if (i == labels->n)
		return false;
	return !strchr(selector, '=') || !strcmp(labels->v[i], selector);
}
