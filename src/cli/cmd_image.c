/* SPDX-License-Identifier: Apache-2.0 */
/* msb pull, msb load, msb image list, inspect, remove, prune. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/bars.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)

/* --- pull --- */

/* What the options say; NULL after an error message. */
static msb_image_options_t *pull_options(struct cli *cli, struct progress *p)
{
	msb_image_options_t *o = msb_image_options_new();
	const char *ca_certs = cli_text(cli, O_CA_CERTS);
	msb_error_t *e = NULL;

	if (!o) {
		ui_error("out of memory");
		return NULL;
	}
	msb_image_options_set_force(o, cli_has(cli, O_FORCE));
	msb_image_options_set_insecure(o, cli_has(cli, O_INSECURE));
	msb_image_options_set_progress(o, progress_event, p);
	if (ca_certs &&
	    !cli_ok(msb_image_options_set_ca_certs(o, ca_certs, &e), &e)) {
		msb_image_options_free(o);
		return NULL;
	}
	return o;
}

int cmd_pull(struct cli *cli)
{
	const char *reference = cli->args.words[0];
	struct progress p = { .quiet = cli_has(cli, O_QUIET),
			      .verb = "Pulling" };
	msb_image_options_t *o = pull_options(cli, &p);
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	bool cached = false;
	int rc;

	if (!o)
		return 1;
	if (!cli_open(cli)) {
		msb_image_options_free(o);
		return 1;
	}
	ui_spinner_start(p.quiet, p.verb, reference);
	rc = msb_image_pull(cli->m, reference, o, &cached, &e);
	ui_spinner_stop();
	msb_image_options_free(o);
	if (rc < 0) {
		if (!p.quiet)
			ui_failure(p.verb, reference);
		ui_library_error(e, NULL);
		return 1;
	}
	if (!p.quiet)
		ui_success("Pulled", reference,
			   cached ? "already cached" : NULL,
			   clock_mono_ms() - begin);
	return 0;
}

/* --- load --- */

/* path NULL: standard input. */
static int open_input(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC)
		      : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		ui_error("cannot open '%s': %s", path ? path : "standard input",
			 strerror(errno));
	return fd;
}

static void show_loaded(const msb_image_list_t *l, uint64_t took_ms)
{
	for (size_t i = 0; i < msb_image_list_count(l); i++)
		ui_success("Loaded",
			   msb_image_reference(msb_image_list_item(l, i)), NULL,
			   took_ms);
}

static int load(struct cli *cli, int fd, const char *name)
{
	const char **tags = calloc(cli->args.nitems + 1, sizeof(const char *));
	struct progress p = { .quiet = cli_has(cli, O_QUIET),
			      .verb = "Loading" };
	msb_image_options_t *o = pull_options(cli, &p);
	uint64_t begin = clock_mono_ms();
	msb_image_list_t *l = NULL;
	msb_error_t *e = NULL;
	size_t n = 0, pos = 0;
	int rc = -ENOMEM;

	if (tags && o) {
		while ((tags[n] = args_next(&cli->args, O_TAG, &pos)))
			n++;
		ui_spinner_start(p.quiet, p.verb, name);
		rc = msb_image_load(cli->m, fd, name, tags, n, o, &l, &e);
		ui_spinner_stop();
	}
	if (rc < 0)
		ui_library_error(e, NULL);
	else if (!p.quiet)
		show_loaded(l, clock_mono_ms() - begin);
	msb_image_list_free(l);
	msb_image_options_free(o);
	free(tags);
	return rc < 0;
}

int cmd_load(struct cli *cli)
{
	const char *path = cli_text(cli, O_INPUT);
	autoclose int fd = -1;

	if (path && !strcmp(path, "-"))
		path = NULL;
	if (!path && isatty(STDIN_FILENO))
		return cli_usage(cli, "standard input is a terminal; name an "
				      "archive with '--input'");
	fd = open_input(path);
	if (fd < 0 || !cli_open(cli))
		return 1;
	return load(cli, fd, path ? path : "standard input");
}

/* --- list --- */

/* The objects of the library are the lines of the listing. */
static int list_json(const msb_image_list_t *l)
{
	struct json *all = jval_array();

	for (size_t i = 0; i < msb_image_list_count(l); i++) {
		const char *text = msb_image_json(msb_image_list_item(l, i));

		if (jval_append(all, jval_parse(text, strlen(text))))
			all = jval_free(all);
	}
	return show_json(all);
}

static int list_names(const msb_image_list_t *l)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (size_t i = 0; i < msb_image_list_count(l); i++)
		(void)buf_printf(
			&b, "%s\n",
			msb_image_reference(msb_image_list_item(l, i)));
	return ui_print(&b) ? 1 : 0;
}

#define SHORT_DIGEST 19 /* "sha256:" and 12 digits */

static int list_table(const msb_image_list_t *l)
{
	static const char *const header[] = { "REFERENCE", "DIGEST", "SIZE",
					      "CREATED" };
	struct table t;

	table_init(&t, header, ARRAY_SIZE(header));
	for (size_t i = 0; i < msb_image_list_count(l); i++) {
		const msb_image_t *img = msb_image_list_item(l, i);
		int64_t size = msb_image_size_bytes(img);
		char digest[SHORT_DIGEST + 1], bytes[24] = "-", time[TIME_SIZE];

		(void)snprintf(digest, sizeof(digest), "%s",
			       msb_image_digest(img));
		if (size >= 0)
			(void)bytes_text((uint64_t)size, bytes, sizeof(bytes));
		table_row(&t);
		table_set(&t, 0, msb_image_reference(img), STYLE_PLAIN);
		table_set(&t, 1, digest, STYLE_PLAIN);
		table_set(&t, 2, bytes, STYLE_PLAIN);
		table_set(&t, 3,
			  show_local_time(msb_image_created_unix_ms(img), time,
					  sizeof(time)),
			  STYLE_DIM);
	}
	return show_table(&t, "No images found.");
}

int cmd_image_list(struct cli *cli)
{
	msb_image_list_t *l;
	msb_error_t *e = NULL;
	int code;

	if (!cli_open(cli) || !cli_ok(msb_image_list(cli->m, &l, &e), &e))
		return 1;
	if (cli_has(cli, O_FORMAT))
		code = list_json(l);
	else if (cli_has(cli, O_QUIET))
		code = list_names(l);
	else
		code = list_table(l);
	msb_image_list_free(l);
	return code;
}

/* --- inspect --- */

static const char *or_dash(const struct json *j)
{
	const char *text = jval_str(j);

	return text ? text : "-";
}

/* A list of words, with spaces between them. */
static char *joined(const struct json *list)
{
	struct buf b;
	char *text;

	buf_init(&b, OUTPUT_MAX);
	for (const struct json *w = list ? list->first : NULL; w; w = w->next)
		(void)buf_printf(&b, "%s%s", buf_len(&b) ? " " : "",
				 or_dash(w));
	if (!buf_len(&b))
		(void)buf_str(&b, "-");
	text = buf_take_str(&b);
	buf_fini(&b);
	return text;
}

static void put_config(struct page *p, const struct json *config)
{
	autofree char *entrypoint = joined(jval_get(config, "entrypoint"));
	autofree char *cmd = joined(jval_get(config, "cmd"));
	const struct json *env = jval_get(config, "env");

	if (!config || config->type != JSON_OBJECT)
		return;
	page_section(p, "Config");
	page_sub_line(p, "Entrypoint", entrypoint, "");
	page_sub_line(p, "Cmd", cmd, "");
	page_sub_line(p, "WorkingDir", or_dash(jval_get(config, "working_dir")),
		      "");
	page_sub_line(p, "User", or_dash(jval_get(config, "user")), "");
	if (!env || !env->first)
		return;
	page_key(p, "  ", "Env", 0);
	(void)buf_str(&p->b, "\n");
	for (const struct json *e = env->first; e; e = e->next) {
		(void)buf_str(&p->b, "    ");
		text_put_safe(&p->b, or_dash(e));
		(void)buf_str(&p->b, "\n");
	}
}

static uint64_t number(const struct json *j)
{
	uint64_t v = 0;

	if (j && j->type == JSON_NUMBER)
		(void)str_to_u64(j->text, &v);
	return v;
}

static void put_layers(struct page *p, const struct json *layers)
{
	char title[32], size[24], digest[SHORT_DIGEST + 1];
	size_t n = 0;

	for (const struct json *l = layers ? layers->first : NULL; l;
	     l = l->next)
		n++;
	(void)snprintf(title, sizeof(title), "Layers (%zu)", n);
	page_section(p, title);
	n = 0;
	for (const struct json *l = layers ? layers->first : NULL; l;
	     l = l->next) {
		uint64_t bytes = number(jval_get(l, "compressed_size_bytes"));

		(void)snprintf(digest, sizeof(digest), "%s",
			       or_dash(jval_get(l, "blob_digest")));
		(void)buf_printf(&p->b, "  %-4zu %-16s %-10s ", ++n, digest,
				 bytes_text(bytes, size, sizeof(size)));
		text_put_safe(&p->b, or_dash(jval_get(l, "media_type")));
		(void)buf_str(&p->b, "\n");
	}
}

static int inspect_text(const msb_image_t *img, const struct json *j)
{
	int64_t size = msb_image_size_bytes(img);
	char time[TIME_SIZE], bytes[24] = "-";
	struct page p;

	if (size >= 0)
		(void)bytes_text((uint64_t)size, bytes, sizeof(bytes));
	page_init(&p);
	page_line(&p, "Reference", msb_image_reference(img));
	page_line(&p, "Digest", msb_image_digest(img));
	page_line(&p, "Architecture", or_dash(jval_get(j, "architecture")));
	page_line(&p, "OS", or_dash(jval_get(j, "os")));
	page_line(&p, "Size", bytes);
	page_line(&p, "Created",
		  show_local_time(msb_image_created_unix_ms(img), time,
				  sizeof(time)));
	put_config(&p, jval_get(j, "config"));
	put_layers(&p, jval_get(j, "layers"));
	return page_print(&p);
}

int cmd_image_inspect(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_image_t *img;
	struct json *j;
	int code;

	if (!cli_open(cli) ||
	    !cli_ok(msb_image_get(cli->m, cli->args.words[0], &img, &e), &e))
		return 1;
	j = jval_parse(msb_image_json(img), strlen(msb_image_json(img)));
	if (cli_has(cli, O_FORMAT)) {
		code = show_json(j);
	} else {
		code = inspect_text(img, j);
		jval_free(j);
	}
	msb_image_free(img);
	return code;
}

/* --- remove, prune --- */

static int remove_one(struct cli *cli, const char *reference)
{
	msb_error_t *e = NULL;
	int rc;

	/* it waits for pulls that are under way */
	ui_spinner_start(cli_has(cli, O_QUIET), "Removing", reference);
	rc = msb_image_remove(cli->m, reference, cli_has(cli, O_FORCE), &e);
	ui_spinner_stop();
	if (rc < 0) {
		if (cli_has(cli, O_QUIET))
			msb_error_free(e);
		else
			ui_library_error(e, NULL);
		return 1;
	}
	if (!cli_has(cli, O_QUIET))
		ui_success("Removed", reference, NULL, 0);
	return 0;
}

int cmd_image_remove(struct cli *cli)
{
	int code = cli_each(cli, remove_one);

	if (code && cli->m) /* also when it is quiet about each */
		ui_error("some images failed to remove");
	return code;
}

static int prune_json(const msb_image_freed_t *f)
{
	struct json *o = jval_object();

	(void)jval_add(o, "image_refs_removed", jval_number(f->references));
	(void)jval_add(o, "manifests_removed", jval_number(f->manifests));
	(void)jval_add(o, "layers_removed", jval_number(f->layers));
	(void)jval_add(o, "fsmeta_removed", jval_number(f->merged));
	(void)jval_add(o, "vmdk_removed", jval_number(0)); /* we have none */
	if (jval_add(o, "bytes_reclaimed", jval_number(f->bytes)))
		o = jval_free(o);
	return show_json(o);
}

int cmd_image_prune(struct cli *cli)
{
	msb_image_freed_t freed = { .struct_size = sizeof(freed) };
	char target[64], size[24];
	msb_error_t *e = NULL;
	int rc;

	if (!cli_has(cli, O_YES) &&
	    !ui_confirm("Remove all images that no sandbox uses?"))
		return 1;
	if (!cli_open(cli))
		return 1;
	ui_spinner_start(cli_has(cli, O_QUIET), "Pruning", "images");
	rc = msb_image_prune(cli->m, &freed, &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return 1;
	if (cli_has(cli, O_FORMAT))
		return prune_json(&freed);
	(void)snprintf(target, sizeof(target), "%u image%s", freed.references,
		       freed.references == 1 ? "" : "s");
	if (!cli_has(cli, O_QUIET))
		ui_success("Pruned", target,
			   bytes_text(freed.bytes, size, sizeof(size)), 0);
	return 0;
}
