/* SPDX-License-Identifier: Apache-2.0 */
/* msb inspect, msb doctor. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/network.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)

/* A string or number as text, or NULL. */
static const char *scalar(const struct json *j)
{
	if (!j)
		return NULL;
	if (j->type == JSON_BOOL)
		return j->truth ? "yes" : "no";
	return j->type == JSON_STRING || j->type == JSON_NUMBER ? j->text
								: NULL;
}

static void put_env(struct page *p, const struct json *env)
{
	if (!env || !env->first)
		return;
	page_section(p, "Environment");
	for (const struct json *e = env->first; e; e = e->next) {
		const char *k = jval_str(e->first);
		const char *v = e->first ? jval_str(e->first->next) : NULL;

		(void)buf_str(&p->b, "  ");
		text_put_safe(&p->b, k ? k : "");
		(void)buf_str(&p->b, "=");
		text_put_safe(&p->b, v ? v : "");
		(void)buf_str(&p->b, "\n");
	}
}

static void put_labels(struct page *p, const msb_sandbox_t *s)
{
	const char *label = msb_sandbox_label(s, 0);

	if (label)
		page_section(p, "Labels");
	for (size_t i = 0; (label = msb_sandbox_label(s, i)); i++) {
		(void)buf_str(&p->b, "  ");
		text_put_safe(&p->b, label);
		(void)buf_str(&p->b, "\n");
	}
}

static void put_policies(struct page *p, const struct json *m)
{
	const char *stat_virt = jval_str(jval_get(m, "stat_virtualization"));
	const char *perms = jval_str(jval_get(m, "host_permissions"));
	bool has_stat = stat_virt && strcasecmp(stat_virt, "strict") != 0;
	bool has_perms = perms && strcasecmp(perms, "private") != 0;

	if (!has_stat && !has_perms)
		return;
	(void)buf_printf(
		&p->b, " [%s%s%s%s%s]", has_stat ? "stat-virt=" : "",
		has_stat ? stat_virt : "", has_stat && has_perms ? "," : "",
		has_perms ? "host-perms=" : "", has_perms ? perms : "");
}

/* What is mounted, without its flags. */
static void put_source(struct page *p, const struct json *m)
{
	const char *type = jval_str(jval_get(m, "type"));
	const char *host = jval_str(jval_get(m, "host"));
	const char *name = jval_str(jval_get(m, "name"));
	const char *size = scalar(jval_get(m, "size_mib"));
	const char *format = jval_str(jval_get(m, "format"));
	const char *fstype = jval_str(jval_get(m, "fstype"));

	if (str_eq(type, "Tmpfs")) {
		(void)buf_str(&p->b, "tmpfs");
		if (size && strcmp(size, "0") != 0)
			(void)buf_printf(&p->b, " (%s MiB)", size);
	} else if (str_eq(type, "Named")) {
		(void)buf_str(&p->b, "volume:");
		text_put_safe(&p->b, name ? name : "-");
	} else if (str_eq(type, "DiskImage")) {
		(void)buf_str(&p->b, "disk:");
		text_put_safe(&p->b, host ? host : "-");
		(void)buf_printf(&p->b, " (%s) [",
				 !format		   ? "-"
				 : str_eq(format, "Qcow2") ? "qcow2"
							   : "raw");
		text_put_safe(&p->b, fstype ? fstype : "auto");
		(void)buf_str(&p->b, "]");
	} else {
		text_put_safe(&p->b, host ? host : "-");
	}
}

static void put_mount(struct page *p, const struct json *m)
{
	static const char *const flags[] = { "noexec", "nosuid", "nodev" };
	const char *guest = jval_str(jval_get(m, "guest"));
	bool tmpfs = str_eq(jval_str(jval_get(m, "type")), "Tmpfs");
	bool ro = jval_is_true(jval_get(m, "readonly"));
	size_t width = guest ? text_width(guest) : 0;
	const char *separator;

	(void)buf_str(&p->b, "  ");
	text_put_safe(&p->b, guest ? guest : "");
	(void)buf_printf(&p->b, "%*s → ", width < 16 ? (int)(16 - width) : 0,
			 "");
	put_source(p, m);
	separator = " (";
	if (ro || !tmpfs) { /* that a tmpfs can be written goes unsaid */
		(void)buf_printf(&p->b, "%s%s", separator, ro ? "ro" : "rw");
		separator = ",";
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!jval_is_true(jval_get(m, flags[i])))
			continue;
		(void)buf_printf(&p->b, "%s%s", separator, flags[i]);
		separator = ",";
	}
	if (*separator == ',')
		(void)buf_str(&p->b, ")");
	put_policies(p, m);
	(void)buf_str(&p->b, "\n");
}

static void put_mounts(struct page *p, const struct json *mounts)
{
	if (!mounts || !mounts->first)
		return;
	page_section(p, "Mounts");
	for (const struct json *m = mounts->first; m; m = m->next)
		put_mount(p, m);
}

/* Every layer and its state; below the object may stand further ones. */
static void put_layers(struct page *p, const char *title, const struct json *o)
{
	if (!o || o->type != JSON_OBJECT || !o->first)
		return;
	page_section(p, title);
	for (const struct json *m = o->first; m; m = m->next) {
		const char *text = scalar(m);

		page_sub_line(p, m->key, text ? text : "-", "");
	}
}

static void put_machine(struct page *p, const struct json *machine)
{
	const char *cpu = scalar(jval_get(machine, "cpu"));

	if (!machine)
		return;
	page_section(p, "Machine");
	page_sub_line(p, "Engine", scalar(jval_get(machine, "engine")), "");
	page_sub_line(p, "Mode", scalar(jval_get(machine, "mode")), "");
	page_sub_line(p, "CPU", cpu ? cpu : "any", "");
	page_sub_line(p, "Process", scalar(jval_get(machine, "pid")), "");
	page_sub_line(p, "Boot", scalar(jval_get(machine, "boot_ms")), " ms");
	put_layers(p, "Jail", jval_get(machine, "jail"));
	put_layers(p, "Runtime jail", jval_get(machine, "runtime_jail"));
}

/* The writable layer above an image. */
static void put_upper(struct page *p, const struct json *oci)
{
	const char *mib = scalar(jval_get(oci, "upper_size_mib"));
	char text[32];

	if (!mib)
		return;
	(void)snprintf(text, sizeof(text), "%s MiB", mib);
	page_line(p, "OCI Upper", text);
}

/* --- how it runs --- */

static void put_duration(struct page *p, const char *name,
			 const struct json *secs)
{
	char text[32];
	uint64_t s;

	if (!secs || secs->type != JSON_NUMBER || str_to_u64(secs->text, &s) ||
	    s > UINT64_MAX / 1000)
		return;
	page_line(p, name, ui_duration(s * 1000, text, sizeof(text)));
}

/* "/sbin/init --verbose" */
static void put_init(struct page *p, const struct json *init)
{
	const char *cmd = jval_str(jval_get(init, "cmd"));
	const struct json *args = jval_get(init, "args");

	if (!cmd)
		return;
	page_key(p, "", "Init", 14);
	(void)buf_str(&p->b, " ");
	text_put_safe(&p->b, cmd);
	for (const struct json *a = args ? args->first : NULL; a; a = a->next) {
		(void)buf_str(&p->b, " ");
		text_put_safe(&p->b, jval_str(a) ? jval_str(a) : "");
	}
	(void)buf_str(&p->b, "\n");
}

static void put_scripts(struct page *p, const struct json *scripts)
{
	if (!scripts || scripts->type != JSON_OBJECT || !scripts->first)
		return;
	page_key(p, "", "Scripts", 14);
	for (const struct json *s = scripts->first; s; s = s->next) {
		(void)buf_str(&p->b, s == scripts->first ? " " : ", ");
		text_put_safe(&p->b, s->key);
	}
	(void)buf_str(&p->b, "\n");
}

static void put_limits(struct page *p, const struct json *rlimits)
{
	if (!rlimits || !rlimits->first)
		return;
	page_section(p, "Limits");
	for (const struct json *r = rlimits->first; r; r = r->next) {
		const char *name = jval_str(jval_get(r, "resource"));
		const char *soft = scalar(jval_get(r, "soft"));
		const char *hard = scalar(jval_get(r, "hard"));
		char text[64];

		(void)snprintf(text, sizeof(text), "%s / %s",
			       soft ? soft : "unlimited",
			       hard ? hard : "unlimited");
		page_sub_line(p, name ? name : "-", text, "");
	}
}

static void put_running(struct page *p, const struct json *config)
{
	const struct json *policy = jval_get(config, "policy");
	autofree char *command = show_command(config);

	page_line(p, "Workdir", jval_str(jval_get(config, "workdir")));
	page_line(p, "Shell", jval_str(jval_get(config, "shell")));
	if (command && strcmp(command, "-") != 0)
		page_line(p, "Command", command);
	page_line(p, "User", jval_str(jval_get(config, "user")));
	page_line(p, "Hostname", jval_str(jval_get(config, "hostname")));
	put_init(p, jval_get(config, "init"));
	put_scripts(p, jval_get(config, "scripts"));
	put_duration(p, "Max duration", jval_get(policy, "max_duration_secs"));
	put_duration(p, "Idle timeout", jval_get(policy, "idle_timeout_secs"));
	page_line(p, "Log level", jval_str(jval_get(config, "log_level")));
	put_limits(p, jval_get(config, "rlimits"));
}

static void put_exit(struct page *p, const msb_sandbox_t *s)
{
	const char *reason = msb_sandbox_exit_reason(s);
	char cause[32], text[96];

	msb_sandbox_exit_cause(s, cause, sizeof(cause));
	if (reason)
		(void)snprintf(text, sizeof(text), "%s%s%s%s", reason,
			       *cause ? " (" : "", cause, *cause ? ")" : "");
	page_line(p, "Exit reason", reason ? text : NULL);
}

static int inspect_text(const msb_sandbox_t *s, const struct json *config,
			const struct json *network, const struct json *machine)
{
	char status[16], time[TIME_SIZE];
	struct page p = { .colors = ui_colors(STDOUT_FILENO) };
	enum table_style style;

	buf_init(&p.b, OUTPUT_MAX);
	page_line(&p, "Name", msb_sandbox_name(s));
	page_key(&p, "", "Status", 14);
	(void)show_status(msb_sandbox_status(s), status, sizeof(status),
			  &style);
	(void)buf_printf(&p.b, " %s%s%s\n", p.colors ? style_on(style) : "",
			 status, p.colors ? STYLE_OFF : "");
	put_exit(&p, s);
	page_line(&p, "Created",
		  show_local_time(msb_sandbox_created_unix_ms(s), time,
				  sizeof(time)));
	page_line(&p, "Updated",
		  show_local_time(msb_sandbox_updated_unix_ms(s), time,
				  sizeof(time)));
	page_line(&p, "Image", msb_sandbox_image(s));
	page_line(&p, "Digest", jval_str(jval_get(config, "manifest_digest")));
	put_upper(&p, jval_get(jval_get(config, "image"), "Oci"));
	page_section(&p, "Resources");
	page_sub_line(&p, "CPUs", scalar(jval_get(config, "cpus")), "");
	page_sub_line(&p, "Memory", scalar(jval_get(config, "memory_mib")),
		      " MiB");
	put_running(&p, config);
	put_labels(&p, s);
	put_env(&p, jval_get(config, "env"));
	put_mounts(&p, jval_get(config, "mounts"));
	network_page(&p, network);
	put_machine(&p, machine);
	return ui_print(&p.b) ? 1 : 0;
}

/* Takes the trees. */
static int inspect_json(const msb_sandbox_t *s, struct json *config,
			struct json *network, struct json *machine)
{
	struct json *o = jval_object();
	char time[TIME_SIZE], cause[32];

	msb_sandbox_exit_cause(s, cause, sizeof(cause));
	(void)jval_add(o, "exit_cause", jval_string(*cause ? cause : NULL));
	(void)jval_add(o, "config", config ? config : jval_string(NULL));
	(void)jval_add(o, "network", network ? network : jval_string(NULL));
	(void)jval_add(o, "machine", machine ? machine : jval_string(NULL));
	(void)jval_add(o, "exit_reason",
		       jval_string(msb_sandbox_exit_reason(s)));
	(void)jval_add(o, "name", jval_string(msb_sandbox_name(s)));
	(void)jval_add(o, "status",
		       jval_string(msb_status_name(msb_sandbox_status(s))));
	(void)jval_add(
		o, "created_at",
		jval_string(show_json_time(msb_sandbox_created_unix_ms(s), time,
					   sizeof(time))));
	if (jval_add(o, "updated_at",
		     jval_string(show_json_time(msb_sandbox_updated_unix_ms(s),
						time, sizeof(time)))))
		o = jval_free(o);
	return show_json(o);
}

static struct json *parsed(const char *text)
{
	return text ? jval_parse(text, strlen(text)) : NULL;
}

int cmd_inspect(struct cli *cli)
{
	struct json *config, *network, *machine;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int code;

	if (!cli_open(cli) ||
	    !cli_ok(msb_sandbox_get(cli->m, cli->args.words[0], &s, &e), &e))
		return 1;
	config = parsed(msb_sandbox_config_json(s));
	network = network_of(s);
	machine = parsed(msb_sandbox_machine_json(s));
	if (cli_has(cli, O_FORMAT)) {
		code = inspect_json(s, config, network, machine);
	} else {
		code = inspect_text(s, config, network, machine);
		jval_free(config);
		jval_free(network);
		jval_free(machine);
	}
	msb_sandbox_free(s);
	return code;
}

/* --- doctor --- */

struct checks {
	struct page page;
	struct json *all; /* NULL: text */
	bool failed;
};

static const struct {
	const char *name, *mark;
	enum table_style style;
} states[] = {
	[MSB_CHECK_OK] = { "ok", "✓", STYLE_GREEN },
	[MSB_CHECK_WARN] = { "warn", "!", STYLE_YELLOW_BOLD },
	[MSB_CHECK_FAIL] = { "fail", "✗", STYLE_RED_BOLD },
	[MSB_CHECK_INFO] = { "info", "-", STYLE_DIM },
};

static int check_json(struct checks *c, const msb_check_t *check)
{
	struct json *o = jval_object();

	(void)jval_add(o, "detail", jval_string(check->detail));
	(void)jval_add(o, "name", jval_string(check->name));
	(void)jval_add(o, "remedy", jval_string(check->remedy));
	(void)jval_add(o, "state", jval_string(states[check->state].name));
	return jval_append(c->all, o);
}

static int on_check(void *ctx, const msb_check_t *check)
{
	struct checks *c = ctx;
	struct page *p = &c->page;

	c->failed |= check->state == MSB_CHECK_FAIL;
	if (c->all)
		return check_json(c, check);
	(void)buf_printf(&p->b, "   %s%s%s %-20s ",
			 p->colors ? style_on(states[check->state].style) : "",
			 states[check->state].mark, p->colors ? STYLE_OFF : "",
			 check->name);
	text_put_safe(&p->b, check->detail);
	(void)buf_str(&p->b, "\n");
	if (*check->remedy) {
		(void)buf_str(&p->b, "     → ");
		text_put_safe(&p->b, check->remedy);
		(void)buf_str(&p->b, "\n");
	}
	return 0;
}

int cmd_doctor(struct cli *cli)
{
	struct checks c = { .page.colors = ui_colors(STDOUT_FILENO) };
	msb_error_t *e = NULL;
	int rc;

	if (!cli_open(cli))
		return 1;
	buf_init(&c.page.b, OUTPUT_MAX);
	if (cli_has(cli, O_FORMAT))
		c.all = jval_array();
	rc = msb_doctor(cli->m, on_check, &c, &e);
	if (!cli_ok(rc, &e)) {
		jval_free(c.all);
		buf_fini(&c.page.b);
		return 1;
	}
	if (cli_has(cli, O_FORMAT)) {
		buf_fini(&c.page.b);
		rc = show_json(c.all);
	} else {
		rc = ui_print(&c.page.b);
	}
	return rc || c.failed ? 1 : 0;
}
