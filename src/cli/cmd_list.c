/* SPDX-License-Identifier: Apache-2.0 */
/* msb list, msb status. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/bars.h"
#include "cli/cli.h"
#include "cli/network.h"
#include "cli/select.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)

/* --- list --- */

static bool listed(const struct cli *cli, msb_status_t status)
{
	if (cli_has(cli, O_RUNNING))
		return status == MSB_STATUS_RUNNING;
	return !cli_has(cli, O_STOPPED) || status == MSB_STATUS_STOPPED;
}

static int list_json(const struct cli *cli, const msb_list_t *l)
{
	struct json *all = jval_array();

	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		struct json *o;
		char time[TIME_SIZE];

		if (!listed(cli, msb_sandbox_status(s)))
			continue;
		o = jval_object();
		(void)jval_add(o, "created_at",
			       jval_string(show_json_time(
				       msb_sandbox_created_unix_ms(s), time,
				       sizeof(time))));
		(void)jval_add(o, "image", jval_string(msb_sandbox_image(s)));
		(void)jval_add(o, "name", jval_string(msb_sandbox_name(s)));
		(void)jval_add(
			o, "status",
			jval_string(msb_status_name(msb_sandbox_status(s))));
		if (jval_append(all, o))
			all = jval_free(all);
	}
	return show_json(all);
}

static int list_names(const struct cli *cli, const msb_list_t *l)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);

		if (listed(cli, msb_sandbox_status(s)))
			(void)buf_printf(&b, "%s\n", msb_sandbox_name(s));
	}
	return ui_print(&b) ? 1 : 0;
}

static int list_table(const struct cli *cli, const msb_list_t *l)
{
	static const char *const header[] = { "NAME", "IMAGE", "STATUS",
					      "CREATED" };
	struct table t;

	table_init(&t, header, ARRAY_SIZE(header));
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		const char *image = msb_sandbox_image(s);
		char status[16], time[TIME_SIZE];
		enum table_style style;

		if (!listed(cli, msb_sandbox_status(s)))
			continue;
		table_row(&t);
		table_set(&t, 0, msb_sandbox_name(s), STYLE_PLAIN);
		table_set(&t, 1, image ? image : "-", STYLE_PLAIN);
		table_set(&t, 2,
			  show_status(msb_sandbox_status(s), status,
				      sizeof(status), &style),
			  style);
		table_set(&t, 3,
			  show_local_time(msb_sandbox_created_unix_ms(s), time,
					  sizeof(time)),
			  STYLE_DIM);
	}
	return show_table(&t, "No sandboxes found.");
}

int cmd_list(struct cli *cli)
{
	msb_list_t *l;
	int code;

	if (!cli_open(cli) || !select_list(cli, &l))
		return 1;
	if (cli_has(cli, O_FORMAT))
		code = list_json(cli, l);
	else if (cli_has(cli, O_QUIET))
		code = list_names(cli, l);
	else
		code = list_table(cli, l);
	msb_list_free(l);
	return code;
}

/* --- status --- */

#define IMAGE_WIDTH 36
#define COMMAND_WIDTH 40
#define PORTS_WIDTH 32

/* NULL when it cannot be read: then nothing is known of it. */
static struct json *config_of(const msb_sandbox_t *s)
{
	const char *text = msb_sandbox_config_json(s);

	return text ? jval_parse(text, strlen(text)) : NULL;
}

/* A number of the configuration, null when it is not known. */
static struct json *number_of(const struct json *config, const char *key)
{
	const struct json *j = jval_get(config, key);
	uint64_t v;

	if (!j || j->type != JSON_NUMBER || str_to_u64(j->text, &v))
		return jval_string(NULL);
	return jval_number(v);
}

static struct json *status_object(const msb_sandbox_t *s)
{
	struct json *config = config_of(s);
	struct json *cpus = number_of(config, "cpus");
	struct json *memory = number_of(config, "memory_mib");
	struct json *ports = network_ports(config);
	autofree char *command = show_command(config);
	struct json *o = jval_object();

	jval_free(config);
	if (!command) {
		jval_free(ports);
		jval_free(cpus);
		jval_free(memory);
		return jval_free(o);
	}
	(void)jval_add(o, "command", jval_string(command));
	(void)jval_add(o, "cpus", cpus);
	(void)jval_add(o, "image", jval_string(msb_sandbox_image(s)));
	(void)jval_add(o, "memory_mib", memory);
	(void)jval_add(o, "name", jval_string(msb_sandbox_name(s)));
	(void)jval_add(o, "ports", ports);
	if (jval_add(o, "status",
		     jval_string(msb_status_name(msb_sandbox_status(s)))))
		return jval_free(o);
	return o;
}

/* "127.0.0.1:8080->80/tcp, ...", cut; NULL when out of memory. */
static char *ports_text(const struct json *config)
{
	struct json *ports = network_ports(config);
	char *text = NULL;
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	for (const struct json *p = ports ? ports->first : NULL; p; p = p->next)
		(void)buf_printf(&b, "%s%s", buf_len(&b) ? ", " : "",
				 jval_str(p));
	if (!buf_len(&b))
		(void)buf_str(&b, "-");
	if (ports && buf_cstr(&b))
		text = text_cut(buf_cstr(&b), PORTS_WIDTH);
	buf_fini(&b);
	jval_free(ports);
	return text;
}

/* "512.0 MiB", or "-". */
static void put_memory(struct table *t, size_t column, const struct json *j)
{
	char text[24] = "-";
	uint64_t mib;

	if (j && j->type == JSON_NUMBER && !str_to_u64(j->text, &mib) &&
	    mib <= UINT64_MAX >> 20)
		(void)bytes_text(mib << 20, text, sizeof(text));
	table_set(t, column, text, STYLE_PLAIN);
}

static void status_row(struct table *t, const msb_sandbox_t *s)
{
	const char *image = msb_sandbox_image(s);
	struct json *config = config_of(s);
	autofree char *command = show_command(config);
	autofree char *short_image = text_cut(image ? image : "-", IMAGE_WIDTH);
	autofree char *short_command = NULL;
	autofree char *ports = ports_text(config);
	const struct json *cpus;
	enum table_style style;
	char status[16];

	if (command)
		short_command = text_cut(command, COMMAND_WIDTH);
	if (!short_image || !short_command || !ports) {
		jval_free(config);
		t->failed = true;
		return;
	}
	table_row(t);
	table_set(t, 0, msb_sandbox_name(s), STYLE_PLAIN);
	table_set(t, 1, short_image, STYLE_PLAIN);
	table_set(t, 2, short_command, STYLE_PLAIN);
	table_set(t, 3,
		  show_status(msb_sandbox_status(s), status, sizeof(status),
			      &style),
		  style);
	cpus = jval_get(config, "cpus");
	table_set(t, 4, cpus && cpus->text ? cpus->text : "-", STYLE_PLAIN);
	put_memory(t, 5, jval_get(config, "memory_mib"));
	table_set(t, 6, ports, STYLE_PLAIN);
	jval_free(config);
}

static const char *const status_header[] = {
	"NAME", "IMAGE", "COMMAND", "STATUS", "CPUS", "MEM", "PORTS",
};

static int status_print(const struct cli *cli, const msb_sandbox_t *const *s,
			size_t n, bool one)
{
	struct json *all;
	struct table t;
	struct buf b;

	if (cli_has(cli, O_FORMAT)) {
		if (one)
			return show_json(status_object(s[0]));
		all = jval_array();
		for (size_t i = 0; i < n; i++)
			if (jval_append(all, status_object(s[i])))
				all = jval_free(all);
		return show_json(all);
	}
	if (cli_has(cli, O_QUIET)) {
		buf_init(&b, OUTPUT_MAX);
		for (size_t i = 0; i < n; i++)
			(void)buf_printf(&b, "%s\n", msb_sandbox_name(s[i]));
		return ui_print(&b) ? 1 : 0;
	}
	table_init(&t, status_header, ARRAY_SIZE(status_header));
	for (size_t i = 0; i < n; i++)
		status_row(&t, s[i]);
	return show_table(&t, cli_has(cli, O_ALL) ? "No sandboxes found."
						  : "No running sandboxes.");
}

static int by_name(const void *a, const void *b)
{
	const msb_sandbox_t *const *x = a, *const *y = b;

	return strcmp(msb_sandbox_name(*x), msb_sandbox_name(*y));
}

static int status_one(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	const msb_sandbox_t *one;
	int code;

	if (!cli_ok(msb_sandbox_get(cli->m, cli->args.words[0], &s, &e), &e))
		return 1;
	one = s;
	code = status_print(cli, &one, 1, true);
	msb_sandbox_free(s);
	return code;
}

static int status_all(struct cli *cli)
{
	const msb_sandbox_t **shown;
	msb_list_t *l;
	size_t n = 0;
	int code;

	if (!select_list(cli, &l))
		return 1;
	shown = calloc(msb_list_count(l) + 1, sizeof(const msb_sandbox_t *));
	if (!shown) {
		ui_error("out of memory");
		msb_list_free(l);
		return 1;
	}
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		msb_status_t status = msb_sandbox_status(s);

		if (cli_has(cli, O_ALL) || status == MSB_STATUS_RUNNING ||
		    status == MSB_STATUS_DRAINING)
			shown[n++] = s;
	}
	qsort(shown, n, sizeof(const msb_sandbox_t *), by_name);
	code = status_print(cli, shown, n, false);
	free(shown);
	msb_list_free(l);
	return code;
}

int cmd_status(struct cli *cli)
{
	if (cli->args.nwords && cli_has(cli, O_ALL))
		return cli_usage(cli, "'--all' cannot be used with a name");
	if (cli->args.nwords && cli_has(cli, O_LABEL))
		return cli_usage(cli, "'--label' cannot be used with a name");
	if (!cli_open(cli))
		return 1;
	return cli->args.nwords ? status_one(cli) : status_all(cli);
}
