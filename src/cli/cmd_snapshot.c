/* SPDX-License-Identifier: Apache-2.0 */
/* msb snapshot: create, list, inspect, verify, remove, reindex, export, import.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/bars.h"
#include "cli/cli.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)
#define DIGEST_SHORT 12

static int print_lines(struct buf *b)
{
	return ui_print(b) ? 1 : 0;
}

/* Digest and path, as create and import print them. */
static int print_made(const msb_snapshot_t *s)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	(void)buf_printf(&b, "%s\n%s\n", msb_snapshot_digest(s),
			 msb_snapshot_path(s));
	return print_lines(&b);
}

/* --- create --- */

/* The labels as the library takes them; *ret is to be freed. */
static bool labels_of(const struct cli *cli, const char ***ret, size_t *ret_n)
{
	const char **labels = calloc(cli->args.nitems + 1, sizeof(*labels));
	size_t pos = 0, n = 0;

	if (!labels) {
		ui_error("out of memory");
		return false;
	}
	while ((labels[n] = args_next(&cli->args, O_LABEL, &pos))) {
		if (!strchr(labels[n], '=')) {
			ui_error("invalid --label '%s': expected K=V",
				 labels[n]);
			free(labels);
			return false;
		}
		n++;
	}
	*ret = labels;
	*ret_n = n;
	return true;
}

int cmd_snapshot_create(struct cli *cli)
{
	msb_snapshot_options_t o = { .struct_size = sizeof(o),
				     .force = cli_has(cli, O_FORCE),
				     .integrity = cli_has(cli, O_INTEGRITY) };
	const char *from = cli_text(cli, O_FROM);
	uint64_t begin = clock_mono_ms();
	const char **labels = NULL;
	msb_error_t *e = NULL;
	msb_snapshot_t *s;
	int rc, code = 0;

	if (!from)
		return cli_usage(cli, "--from <SANDBOX> is missing");
	if (!labels_of(cli, &labels, &o.nlabels))
		return 1;
	o.labels = labels;
	if (!cli_open(cli)) {
		free(labels);
		return 1;
	}
	ui_spinner_start(cli_has(cli, O_QUIET), "Copying", from);
	rc = msb_snapshot_create(cli->m, from, cli->args.words[0], &o, &s, &e);
	ui_spinner_stop();
	free(labels);
	if (!cli_ok(rc, &e))
		return 1;
	if (!cli_has(cli, O_QUIET)) {
		ui_success("Snapshotted", from, NULL, clock_mono_ms() - begin);
		code = print_made(s);
	}
	msb_snapshot_free(s);
	return code;
}

/* --- list --- */

/* Member of a descriptor, or of an object in it. */
static const char *text_of(const struct json *d, const char *object,
			   const char *key)
{
	const char *text =
		jval_str(jval_get(object ? jval_get(d, object) : d, key));

	return text;
}

static struct json *descriptor_of(const msb_snapshot_t *s)
{
	const char *text = msb_snapshot_json(s);

	return jval_parse(text, strlen(text));
}

static struct json *list_object(const msb_snapshot_t *s)
{
	struct json *d = descriptor_of(s), *o = jval_object();

	(void)jval_add(o, "artifact_path", jval_string(msb_snapshot_path(s)));
	(void)jval_add(o, "created_at",
		       jval_string(msb_snapshot_created_at(s)));
	(void)jval_add(o, "digest", jval_string(msb_snapshot_digest(s)));
	(void)jval_add(o, "format", jval_string(text_of(d, NULL, "format")));
	(void)jval_add(o, "image_ref", jval_string(msb_snapshot_image(s)));
	(void)jval_add(o, "name", jval_string(msb_snapshot_name(s)));
	(void)jval_add(o, "parent_digest",
		       jval_string(text_of(d, NULL, "parent")));
	if (jval_add(o, "size_bytes", jval_number(msb_snapshot_size_bytes(s))))
		o = jval_free(o);
	jval_free(d);
	return o;
}

static int list_json(const msb_snapshot_list_t *l)
{
	struct json *all = jval_array();

	for (size_t i = 0; all && i < msb_snapshot_list_count(l); i++)
		if (jval_append(all, list_object(msb_snapshot_list_item(l, i))))
			all = jval_free(all);
	return show_json(all);
}

static int list_digests(const msb_snapshot_list_t *l)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (size_t i = 0; i < msb_snapshot_list_count(l); i++)
		(void)buf_printf(
			&b, "%s\n",
			msb_snapshot_digest(msb_snapshot_list_item(l, i)));
	return print_lines(&b);
}

/* The first digits, without the algorithm. */
static const char *short_digest(const msb_snapshot_t *s, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%.*s", DIGEST_SHORT,
		       msb_snapshot_digest(s) + strlen("sha256:"));
	return buf;
}

static int list_table(const msb_snapshot_list_t *l)
{
	static const char *const header[] = { "NAME", "IMAGE", "SIZE",
					      "CREATED", "DIGEST" };
	struct table t;

	table_init(&t, header, ARRAY_SIZE(header));
	for (size_t i = 0; i < msb_snapshot_list_count(l); i++) {
		const msb_snapshot_t *s = msb_snapshot_list_item(l, i);
		const char *name = msb_snapshot_name(s);
		char size[24], digest[DIGEST_SHORT + 1];
		char time[TIME_SIZE];

		table_row(&t);
		table_set(&t, 0, name ? name : msb_snapshot_path(s),
			  STYLE_PLAIN);
		table_set(&t, 1, msb_snapshot_image(s), STYLE_PLAIN);
		table_set(&t, 2,
			  bytes_text(msb_snapshot_size_bytes(s), size,
				     sizeof(size)),
			  STYLE_PLAIN);
		table_set(&t, 3,
			  show_rfc_time(msb_snapshot_created_at(s), time,
					sizeof(time)),
			  STYLE_DIM);
		table_set(&t, 4, short_digest(s, digest, sizeof(digest)),
			  STYLE_PLAIN);
	}
	return show_table(&t, "No snapshots indexed.");
}

int cmd_snapshot_list(struct cli *cli)
{
	msb_snapshot_list_t *l;
	msb_error_t *e = NULL;
	int code;

	if (!cli_open(cli) || !cli_ok(msb_snapshot_list(cli->m, &l, &e), &e))
		return 1;
	if (cli_has(cli, O_FORMAT))
		code = list_json(l);
	else if (cli_has(cli, O_QUIET))
		code = list_digests(l);
	else
		code = list_table(l);
	msb_snapshot_list_free(l);
	return code;
}

/* --- inspect and verify --- */

static void put_labels(struct page *p, const struct json *labels)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (const struct json *l = labels ? labels->first : NULL; l;
	     l = l->next)
		(void)buf_printf(&b, "%s%s=%s", buf_len(&b) ? ", " : "", l->key,
				 jval_str(l) ? jval_str(l) : "");
	page_line(p, "Labels", buf_len(&b) ? buf_cstr(&b) : "-");
	buf_fini(&b);
}

/* verified: as msb_snapshot_verify gives it, -1: not asked for. */
static int inspect_text(const msb_snapshot_t *s, int verified)
{
	struct json *d = descriptor_of(s);
	const struct json *upper = jval_get(d, "upper");
	const char *algorithm = text_of(upper, "integrity", "algorithm");
	const char *digest = text_of(upper, "integrity", "digest");
	const char *source = text_of(d, NULL, "source_sandbox");
	const char *parent = text_of(d, NULL, "parent");
	autofree char *integrity =
		algorithm ? str_fmt("%s %s", algorithm, digest) : NULL;
	autofree char *size =
		str_fmt("%" PRIu64 " bytes", msb_snapshot_size_bytes(s));
	autofree char *result = str_fmt(
		verified > 0 ? "verified (%s)"
			     : "not recorded (metadata checks only)%.0s",
		algorithm ? algorithm : "");
	char time[TIME_SIZE];
	struct page p;

	page_init(&p);
	page_line(&p, "Digest", msb_snapshot_digest(s));
	page_line(&p, "Path", msb_snapshot_path(s));
	page_line(&p, "Image", msb_snapshot_image(s));
	page_line(&p, "Image Manifest", text_of(d, "image", "manifest_digest"));
	page_line(&p, "Format", text_of(d, NULL, "format"));
	page_line(&p, "Filesystem", text_of(d, NULL, "fstype"));
	page_line(&p, "Parent", parent ? parent : "-");
	page_line(
		&p, "Created",
		show_rfc_time(msb_snapshot_created_at(s), time, sizeof(time)));
	page_line(&p, "Upper File", text_of(d, "upper", "file"));
	page_line(&p, "Upper Size", size);
	page_line(&p, "Integrity", integrity ? integrity : "not recorded");
	if (verified >= 0)
		page_line(&p, "Verification", result);
	page_line(&p, "Source Sandbox", source ? source : "-");
	put_labels(&p, jval_get(d, "labels"));
	jval_free(d);
	return page_print(&p);
}

static int inspect_json(const msb_snapshot_t *s, int verified)
{
	struct json *o = list_object(s);

	(void)jval_add(o, "descriptor", descriptor_of(s));
	if (jval_add(o, "verified",
		     verified < 0 ? jval_string(NULL)
				  : jval_bool(verified > 0)))
		o = jval_free(o);
	return show_json(o);
}

static int show_one(struct cli *cli, bool verify)
{
	msb_error_t *e = NULL;
	msb_snapshot_t *s;
	int verified = -1, code = 1;

	if (!cli_open(cli) ||
	    !cli_ok(msb_snapshot_get(cli->m, cli->args.words[0], &s, &e), &e))
		return 1;
	if (verify) {
		ui_spinner_start(false, "Verifying", cli->args.words[0]);
		verified = msb_snapshot_verify(s, &e);
		ui_spinner_stop();
	}
	if (!verify || cli_ok(verified, &e))
		code = cli_has(cli, O_FORMAT) ? inspect_json(s, verified)
					      : inspect_text(s, verified);
	msb_snapshot_free(s);
	return code;
}

int cmd_snapshot_inspect(struct cli *cli)
{
	return show_one(cli, cli_has(cli, O_VERIFY));
}

int cmd_snapshot_verify(struct cli *cli)
{
	return show_one(cli, true);
}

/* --- remove, reindex --- */

static int remove_one(struct cli *cli, const char *ref)
{
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	int rc;

	ui_spinner_start(cli_has(cli, O_QUIET), "Removing", ref);
	rc = msb_snapshot_remove(cli->m, ref, cli_has(cli, O_FORCE), &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return 1;
	if (!cli_has(cli, O_QUIET))
		ui_success("Removed", ref, NULL, clock_mono_ms() - begin);
	return 0;
}

int cmd_snapshot_remove(struct cli *cli)
{
	return cli_each(cli, remove_one);
}

int cmd_snapshot_reindex(struct cli *cli)
{
	const char *dir = cli->args.nwords ? cli->args.words[0] : NULL;
	msb_error_t *e = NULL;
	struct buf b;
	int64_t n;

	if (!cli_open(cli))
		return 1;
	n = msb_snapshot_reindex(cli->m, dir, &e);
	if (!cli_ok(n < 0 ? -1 : 0, &e))
		return 1;
	buf_init(&b, OUTPUT_MAX);
	(void)buf_printf(&b, "indexed %" PRId64 " snapshot(s) from ", n);
	(void)buf_printf(&b, "%s\n", dir ? dir : msb_snapshot_dir(cli->m));
	return print_lines(&b);
}

/* --- export and import --- */

int cmd_snapshot_export(struct cli *cli)
{
	const char *path = cli->args.words[1];
	msb_error_t *e = NULL;
	struct buf b;
	int rc;

	if (!cli_open(cli))
		return 1;
	ui_spinner_start(false, "Writing", path);
	rc = msb_snapshot_export(cli->m, cli->args.words[0], path,
				 cli_has(cli, O_WITH_PARENTS),
				 cli_has(cli, O_PLAIN_TAR), &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return 1;
	buf_init(&b, OUTPUT_MAX);
	(void)buf_printf(&b, "%s\n", path);
	return print_lines(&b);
}

int cmd_snapshot_import(struct cli *cli)
{
	const char *dest = cli->args.nwords > 1 ? cli->args.words[1] : NULL;
	msb_error_t *e = NULL;
	msb_snapshot_t *s;
	int rc;

	if (!cli_open(cli))
		return 1;
	ui_spinner_start(false, "Reading", cli->args.words[0]);
	rc = msb_snapshot_import(cli->m, cli->args.words[0], dest, &s, &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return 1;
	rc = print_made(s);
	msb_snapshot_free(s);
	return rc;
}
