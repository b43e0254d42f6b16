/* SPDX-License-Identifier: Apache-2.0 */
/* msb volume create, list, inspect, remove, prune. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)
#define LIMIT_SIZE 32

static int print_lines(struct buf *b)
{
	return ui_print(b) ? 1 : 0;
}

/* --- create --- */

/* What the options say; the list of labels, if any, is to be freed. */
static bool create_options(struct cli *cli, msb_volume_options_t *o)
{
	const char *kind = cli_text(cli, O_KIND), *size, **labels;
	struct err err = { 0 };
	uint32_t mib = 0;
	size_t pos = 0;

	*o = (msb_volume_options_t){ .struct_size = sizeof(*o) };
	size = cli_text(cli, O_SIZE);
	if (size && grammar_size(size, &mib, &err)) {
		ui_grammar_error(&err);
		return false;
	}
	if (kind && !strcmp(kind, "disk")) {
		o->kind = MSB_VOLUME_DISK;
		o->capacity_mib = mib;
	} else {
		o->quota_mib = mib;
	}
	labels = calloc(cli->args.nitems + 1, sizeof(*labels));
	if (!labels) {
		ui_error("out of memory");
		return false;
	}
	while ((labels[o->nlabels] = args_next(&cli->args, O_LABEL, &pos)))
		o->nlabels++;
	o->labels = labels;
	return true;
}

int cmd_volume_create(struct cli *cli)
{
	const char *name = cli->args.words[0];
	msb_volume_options_t o;
	msb_error_t *e = NULL;
	struct buf b;
	bool ok;

	if (!cli_open(cli) || !create_options(cli, &o))
		return 1;
	ok = cli_ok(msb_volume_create(cli->m, name, &o, NULL, &e), &e);
	free((void *)(uintptr_t)o.labels);
	if (!ok || cli_has(cli, O_QUIET))
		return ok ? 0 : 1;
	buf_init(&b, OUTPUT_MAX);
	(void)buf_printf(&b, "%s\n", name);
	return print_lines(&b);
}

/* --- list and inspect --- */

/* Quota or size: "2 GiB", "300 MiB", or none. */
static const char *limit_text(const msb_volume_t *v, const char *none,
			      char buf[LIMIT_SIZE])
{
	uint64_t mib = msb_volume_kind(v) == MSB_VOLUME_DISK
			       ? msb_volume_capacity_bytes(v) >> 20
			       : msb_volume_quota_mib(v);

	if (!mib)
		return none;
	if (mib % 1024)
		(void)snprintf(buf, LIMIT_SIZE, "%" PRIu64 " MiB", mib);
	else
		(void)snprintf(buf, LIMIT_SIZE, "%" PRIu64 " GiB", mib / 1024);
	return buf;
}

static const char *kind_text(const msb_volume_t *v)
{
	return msb_volume_kind(v) == MSB_VOLUME_DISK ? "disk" : "dir";
}

static struct json *number_or_null(uint64_t n)
{
	return n ? jval_number(n) : jval_string(NULL);
}

static struct json *labels_json(const msb_volume_t *v)
{
	struct json *o = jval_object();
	const char *label;

	for (size_t i = 0; (label = msb_volume_label(v, i)); i++) {
		autofree char *key = strndup(label, strcspn(label, "="));

		if (!key ||
		    jval_add(o, key, jval_string(label + strlen(key) + 1)))
			return jval_free(o);
	}
	return o;
}

static struct json *volume_json(const msb_volume_t *v, bool all)
{
	bool disk = msb_volume_kind(v) == MSB_VOLUME_DISK;
	uint64_t capacity = msb_volume_capacity_bytes(v), used = 0;
	struct json *o = jval_object();
	char time[TIME_SIZE];

	(void)msb_volume_used_bytes(v, &used, NULL); /* 0: it just went */
	(void)jval_add(o, "created_at",
		       jval_string(show_json_time(msb_volume_created_unix_ms(v),
						  time, sizeof(time))));
	(void)jval_add(o, "capacity_bytes", number_or_null(capacity));
	(void)jval_add(o, "disk_format", jval_string(disk ? "raw" : NULL));
	(void)jval_add(o, "disk_fstype", jval_string(disk ? "ext4" : NULL));
	(void)jval_add(o, "kind", jval_string(kind_text(v)));
	(void)jval_add(o, "name", jval_string(msb_volume_name(v)));
	(void)jval_add(o, "quota_mib", number_or_null(msb_volume_quota_mib(v)));
	if (all) {
		(void)jval_add(o, "labels", labels_json(v));
		(void)jval_add(o, "path", jval_string(msb_volume_path(v)));
	}
	if (jval_add(o, "used_bytes", jval_number(used)))
		return jval_free(o);
	return o;
}

static int list_json(const msb_volume_list_t *l)
{
	struct json *all = jval_array();

	for (size_t i = 0; all && i < msb_volume_list_count(l); i++)
		if (jval_append(all,
				volume_json(msb_volume_list_item(l, i), false)))
			all = jval_free(all);
	return show_json(all);
}

static int list_names(const msb_volume_list_t *l)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (size_t i = 0; i < msb_volume_list_count(l); i++)
		(void)buf_printf(&b, "%s\n",
				 msb_volume_name(msb_volume_list_item(l, i)));
	return print_lines(&b);
}

static int list_table(const msb_volume_list_t *l)
{
	static const char *const header[] = { "NAME", "KIND", "QUOTA",
					      "CREATED" };
	struct table t;

	table_init(&t, header, ARRAY_SIZE(header));
	for (size_t i = 0; i < msb_volume_list_count(l); i++) {
		const msb_volume_t *v = msb_volume_list_item(l, i);
		char time[TIME_SIZE], limit[LIMIT_SIZE];

		table_row(&t);
		table_set(&t, 0, msb_volume_name(v), STYLE_PLAIN);
		table_set(&t, 1, kind_text(v), STYLE_PLAIN);
		table_set(&t, 2, limit_text(v, "-", limit), STYLE_PLAIN);
		table_set(&t, 3,
			  show_local_time(msb_volume_created_unix_ms(v), time,
					  sizeof(time)),
			  STYLE_DIM);
	}
	return show_table(&t, "No volumes found.");
}

int cmd_volume_list(struct cli *cli)
{
	msb_volume_list_t *l;
	msb_error_t *e = NULL;
	int code;

	if (!cli_open(cli) || !cli_ok(msb_volume_list(cli->m, &l, &e), &e))
		return 1;
	if (cli_has(cli, O_FORMAT))
		code = list_json(l);
	else if (cli_has(cli, O_QUIET))
		code = list_names(l);
	else
		code = list_table(l);
	msb_volume_list_free(l);
	return code;
}

static void put_labels(struct page *p, const msb_volume_t *v)
{
	const char *label;
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (size_t i = 0; (label = msb_volume_label(v, i)); i++)
		(void)buf_printf(&b, "%s%s", i ? ", " : "", label);
	page_line(p, "Labels", buf_len(&b) ? buf_cstr(&b) : "-");
	buf_fini(&b);
}

static int inspect_text(const msb_volume_t *v)
{
	bool disk = msb_volume_kind(v) == MSB_VOLUME_DISK;
	char time[TIME_SIZE], limit[LIMIT_SIZE];
	struct page p;

	page_init(&p);
	page_line(&p, "Name", msb_volume_name(v));
	page_line(&p, "Kind", kind_text(v));
	page_line(&p, disk ? "Size" : "Quota",
		  limit_text(v, "unlimited", limit));
	page_line(&p, "Created",
		  show_local_time(msb_volume_created_unix_ms(v), time,
				  sizeof(time)));
	page_line(&p, "Path", msb_volume_path(v));
	put_labels(&p, v);
	return page_print(&p);
}

int cmd_volume_inspect(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_volume_t *v;
	int code;

	if (!cli_open(cli) ||
	    !cli_ok(msb_volume_get(cli->m, cli->args.words[0], &v, &e), &e))
		return 1;
	code = cli_has(cli, O_FORMAT) ? show_json(volume_json(v, true))
				      : inspect_text(v);
	msb_volume_free(v);
	return code;
}

/* --- remove and prune --- */

static int remove_one(struct cli *cli, const char *name)
{
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	int rc;

	ui_spinner_start(cli_has(cli, O_QUIET), "Removing", name);
	rc = msb_volume_remove(cli->m, name, &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return 1;
	if (!cli_has(cli, O_QUIET))
		ui_success("Removed", name, NULL, clock_mono_ms() - begin);
	return 0;
}

int cmd_volume_remove(struct cli *cli)
{
	return cli_each(cli, remove_one);
}

/* What was removed, for whoever reads it. */
struct pruned {
	const struct cli *cli;
	struct json *names; /* NULL: not asked for, or out of memory */
};

static void on_pruned(void *ctx, const char *name)
{
	struct pruned *p = ctx;

	if (cli_has(p->cli, O_FORMAT)) {
		if (jval_append(p->names, jval_string(name)))
			p->names = jval_free(p->names);
	} else if (!cli_has(p->cli, O_QUIET)) {
		ui_success("Removed", name, NULL, 0);
	}
}

int cmd_volume_prune(struct cli *cli)
{
	struct pruned p = { .cli = cli };
	msb_error_t *e = NULL;
	bool ok;

	if (!cli_has(cli, O_YES) &&
	    !ui_confirm("Remove all volumes that no sandbox uses?"))
		return 1;
	if (!cli_open(cli))
		return 1;
	if (cli_has(cli, O_FORMAT))
		p.names = jval_array();
	ok = cli_ok(msb_volume_prune(cli->m, on_pruned, &p, &e), &e);
	if (!cli_has(cli, O_FORMAT))
		return ok ? 0 : 1;
	return show_json(p.names) || !ok ? 1 : 0;
}
