/* SPDX-License-Identifier: Apache-2.0 */
/* All sandboxes, or those with certain labels; labels of one. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"
#include "store/labels.h"

struct msb_list {
	msb_sandbox_t **items;
	size_t n;
};

/* ---- labels -------------------------------------------------------------- */

int msb_config_add_label(msb_config_t *c, const char *key, const char *value,
			 msb_error_t **e)
{
	autofree char *text = str_fmt("%s=%s", key, value);
	struct err err = { 0 };
	int rc;

	if (strchr(key, '='))
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "the key of label '%.200s' holds '='", key);
	else
		rc = text ? labels_add(&c->c.labels, text, &err)
			  : api_no_memory(&err);
	labels_sort(&c->c.labels);
	return rc ? api_fail_err(&err, rc, e) : 0;
}

void row_labels(const struct sandbox_row *r, struct strv *ret)
{
	json_t *o = json_loads(r->config,
			       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	if (labels_from_json(json_object_get(o, "labels"), ret, NULL))
		strv_fini(ret);
	json_decref(o);
}

static bool is_selected(const struct sandbox_row *r, const char *const *labels,
			size_t n)
{
	struct strv own = { 0 };
	bool selected = true;

	if (!n)
		return true;
	row_labels(r, &own);
	for (size_t i = 0; selected && i < n; i++)
		selected = label_selected(&own, labels[i]);
	strv_fini(&own);
	return selected;
}

/* ---- lists --------------------------------------------------------------- */

static int list_add(msb_list_t *l, msb_t *m, struct sandbox_row *row,
		    struct err *err)
{
	int rc = reconcile_row(m, row, NULL);

	if (!rc)
		return 0; /* it is gone */
	/* A row that cannot be mended now is still shown. */
	l->items[l->n] = sandbox_new(m, row);
	if (!l->items[l->n])
		return api_no_memory(err);
	l->n++;
	return 0;
}

static int list_fill(msb_list_t *l, msb_t *m, const char *const *labels,
		     size_t nlabels, struct err *err)
{
	struct sandbox_row *rows = NULL;
	struct catalogue *cat;
	size_t n = 0;
	int rc = api_catalogue(m, false, &cat, err);

	if (rc || !cat)
		return rc;
	rc = catalogue_list(cat, &rows, &n, err);
	if (rc)
		return rc;
	l->items = calloc(n + 1, sizeof(msb_sandbox_t *));
	if (!l->items) {
		sandbox_rows_free(rows, n);
		return api_no_memory(err);
	}
	for (size_t i = 0; !rc && i < n; i++)
		if (is_selected(&rows[i], labels, nlabels))
			rc = list_add(l, m, &rows[i], err);
	sandbox_rows_free(rows, n);
	return rc;
}

int msb_sandbox_list(msb_t *m, msb_list_t **ret, msb_error_t **ret_err)
{
	return msb_sandbox_list_labelled(m, NULL, 0, ret, ret_err);
}

int msb_sandbox_list_labelled(msb_t *m, const char *const *labels, size_t n,
			      msb_list_t **ret, msb_error_t **ret_err)
{
	msb_list_t *l = calloc(1, sizeof(*l));
	struct err err = { 0 };
	int rc = 0;

	if (!l)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	api_children_reap(m);
	for (size_t i = 0; !rc && i < n; i++)
		rc = label_selector_check(labels[i], &err);
	if (!rc)
		rc = list_fill(l, m, labels, n, &err);
	if (rc) {
		msb_list_free(l);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = l;
	return 0;
}

size_t msb_list_count(const msb_list_t *l)
{
	return l->n;
}

const msb_sandbox_t *msb_list_item(const msb_list_t *l, size_t i)
{
	return i < l->n ? l->items[i] : NULL;
}

void msb_list_free(msb_list_t *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		msb_sandbox_free(l->items[i]);
	free(l->items);
	free(l);
}
