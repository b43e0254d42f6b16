/* SPDX-License-Identifier: Apache-2.0 */
/* From the options of run and create to the configuration of a sandbox. */
#include "cli/newbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/grammar.h"
#include "cli/network.h"
#include "cli/show.h"
#include "cli/ui.h"

#define SCRIPT_FILE_MAX (16u << 20)
#define DEFAULT_GRACE_MS 10000

static const char *source_text(const struct cli *cli)
{
	const char *snapshot = cli_text(cli, O_SNAPSHOT);

	return snapshot ? snapshot : cli->args.words[0];
}

int newbox_check_usage(const struct cli *cli)
{
	if (cli_has(cli, O_SNAPSHOT) && cli->args.nwords)
		return cli_usage(cli,
				 "'--from-snapshot' cannot be used with an "
				 "image");
	if (!cli_has(cli, O_SNAPSHOT) && !cli->args.nwords)
		return cli_usage(cli, "<IMAGE> is missing");
	return network_check_usage(cli);
}

static bool wrong(const struct err *err)
{
	ui_grammar_error(err);
	return false;
}

/* One option with a text that the library checks itself. */
typedef int (*set_text_fn)(msb_config_t *c, const char *text, msb_error_t **e);

static bool set_text(struct cli *cli, struct newbox *b, int id, set_text_fn set)
{
	const char *text = cli_text(cli, id);
	msb_error_t *e = NULL;

	return !text || cli_ok(set(b->config, text, &e), &e);
}

static bool set_machine(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_MEMORY);
	msb_error_t *e = NULL;
	struct err err = { 0 };
	uint64_t cpus;
	uint32_t mib;

	if (text) {
		if (grammar_size(text, &mib, &err))
			return wrong(&err);
		if (!cli_ok(msb_config_set_memory_mib(b->config, mib, &e), &e))
			return false;
	}
	return !args_number(&cli->args, O_CPUS, &cpus) ||
	       cli_ok(msb_config_set_cpus(b->config, (unsigned)cpus, &e), &e);
}

static bool set_shell(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_SHELL);
	struct err err = { 0 };

	if (text && grammar_shell(text, &err))
		return wrong(&err);
	return set_text(cli, b, O_SHELL, msb_config_set_shell);
}

static bool set_replace(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_REPLACE_GRACE);
	uint64_t grace_ms = DEFAULT_GRACE_MS;
	struct err err = { 0 };

	if (text &&
	    grammar_grace("--replace-with-timeout", text, &grace_ms, &err))
		return wrong(&err);
	b->replace = text || cli_has(cli, O_REPLACE);
	msb_config_set_replace(b->config, b->replace, grace_ms);
	return true;
}

bool newbox_add_env(struct cli *cli, msb_config_t *c, int id,
		    newbox_add_env_fn add)
{
	struct err err = { 0 };
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, id, &pos))) {
		autofree char *key = NULL;
		const char *value;
		msb_error_t *e = NULL;

		if (grammar_env(text, getenv, &key, &value, &err))
			return wrong(&err);
		if (!cli_ok(add(c, key, value, &e), &e))
			return false;
	}
	return true;
}

bool newbox_add_labels(struct cli *cli, msb_config_t *c)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_LABEL, &pos))) {
		autofree char *key = strndup(text, strcspn(text, "="));
		msb_error_t *e = NULL;
		size_t len = key ? strlen(key) : 0;

		if (!key) {
			ui_error("out of memory");
			return false;
		}
		if (text[len] != '=') {
			ui_error("invalid --label '%s': expected K=V", text);
			return false;
		}
		if (!cli_ok(msb_config_add_label(c, key, text + len + 1, &e),
			    &e))
			return false;
	}
	return true;
}

/* What every kind of mount has. */
static msb_mount_options_t mount_options(const struct mount_arg *m)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk" };
	msb_mount_options_t o = { .struct_size = sizeof(o),
				  .stat_virt = (msb_stat_virt_t)m->stat_virt,
				  .host_perms = (msb_host_perms_t)m->host_perms,
				  .size_mib = m->size_mib,
				  .fstype = m->fstype };

	o.flags = (m->readonly ? MSB_MOUNT_READONLY : 0u) |
		  (m->noexec ? MSB_MOUNT_NOEXEC : 0u) |
		  (m->nosuid ? MSB_MOUNT_NOSUID : 0u) |
		  (m->nodev ? MSB_MOUNT_NODEV : 0u) |
		  (m->follow_symlinks ? MSB_MOUNT_FOLLOW_SYMLINKS : 0u);
	if (m->has_quota)
		o.quota_mib = m->quota_mib ? m->quota_mib : MSB_QUOTA_NONE;
	if (m->format >= 0)
		o.format = formats[m->format];
	return o;
}

static int add_named(msb_config_t *c, const struct mount_arg *m,
		     msb_mount_options_t *o, msb_error_t **e)
{
	const msb_volume_options_t v = { .struct_size = sizeof(v),
					 .kind = m->disk ? MSB_VOLUME_DISK
							 : MSB_VOLUME_DIR,
					 .quota_mib = o->quota_mib,
					 .capacity_mib = o->size_mib };
	bool described = m->disk || m->has_quota;

	o->quota_mib = 0;
	o->size_mib = 0;
	return msb_config_add_named(c, m->source, m->guest, MSB_VOLUME_ENSURE,
				    described ? &v : NULL, o, e);
}

/* --mount-dir and --mount-file say what the source must be. */
static bool is_kind(enum mount_flavour flavour, const struct mount_arg *m)
{
	struct stat st;

	if ((flavour != MOUNT_ARG_DIR && flavour != MOUNT_ARG_FILE) ||
	    stat(m->source, &st) < 0 || /* the library tells */
	    S_ISDIR(st.st_mode) == (flavour == MOUNT_ARG_DIR))
		return true;
	ui_error("%s: %s",
		 flavour == MOUNT_ARG_DIR
			 ? "--mount-dir takes a directory, this is none"
			 : "--mount-file takes a file, this is a directory",
		 m->source);
	return false;
}

static bool add_mount(struct newbox *b, enum mount_flavour flavour,
		      const char *text)
{
	struct err err = { 0 };
	msb_mount_options_t o;
	msb_error_t *e = NULL;
	struct mount_arg m;
	bool ok;
	int rc;

	if (flavour == MOUNT_ARG_TMPFS ? grammar_tmpfs(text, &m, &err)
				       : grammar_mount(flavour, text, &m, &err))
		return wrong(&err);
	o = mount_options(&m);
	if (!is_kind(flavour, &m)) {
		mount_arg_fini(&m);
		return false;
	}
	if (flavour == MOUNT_ARG_TMPFS)
		rc = msb_config_add_tmpfs(b->config, m.guest, &o, &e);
	else if (flavour == MOUNT_ARG_DISK)
		rc = msb_config_add_disk(b->config, m.source, m.guest, &o, &e);
	else if (m.named)
		rc = add_named(b->config, &m, &o, &e);
	else
		rc = msb_config_add_bind(b->config, m.source, m.guest, &o, &e);
	ok = cli_ok(rc, &e);
	mount_arg_fini(&m);
	return ok;
}

static bool add_mounts(struct cli *cli, struct newbox *b)
{
	static const struct {
		int id;
		enum mount_flavour flavour;
	} kinds[] = {
		{ O_VOLUME, MOUNT_ARG_VOLUME },
		{ O_MOUNT_DIR, MOUNT_ARG_DIR },
		{ O_MOUNT_FILE, MOUNT_ARG_FILE },
		{ O_MOUNT_NAMED, MOUNT_ARG_NAMED },
		{ O_MOUNT_DISK, MOUNT_ARG_DISK },
		{ O_TMPFS, MOUNT_ARG_TMPFS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *text;
		size_t pos = 0;

		while ((text = args_next(&cli->args, kinds[i].id, &pos)))
			if (!add_mount(b, kinds[i].flavour, text))
				return false;
	}
	return true;
}

/* Replace the body of a --script-path, which is a path, by the contents. */
static bool load_script(struct script *s)
{
	autoclose int fd = open(s->body, O_RDONLY | O_CLOEXEC);
	struct buf b;
	int rc = fd < 0 ? -errno : 0;

	buf_init(&b, SCRIPT_FILE_MAX);
	if (!rc)
		rc = io_read_all(fd, &b);
	if (!rc && !utf8_valid(buf_data(&b), buf_len(&b)))
		rc = -EILSEQ;
	if (rc) {
		ui_error("failed to read script file '%s': %s", s->body,
			 rc == -EILSEQ ? "it is not valid UTF-8"
				       : strerror(-rc));
		buf_fini(&b);
		return false;
	}
	free(s->body);
	s->len = buf_len(&b);
	s->body = buf_take_str(&b);
	buf_fini(&b);
	if (!s->body)
		ui_error("out of memory");
	return s->body != NULL;
}

static bool add_script(struct newbox *b, struct script *s, bool path,
		       struct strv *names)
{
	msb_error_t *e = NULL;

	for (size_t i = 0; i < names->n; i++) {
		if (!strcmp(names->v[i], s->name)) {
			ui_error("script name '%s' specified more than once",
				 s->name);
			return false;
		}
	}
	if (strv_add(names, s->name)) {
		ui_error("out of memory");
		return false;
	}
	if (path && !load_script(s))
		return false;
	return cli_ok(
		msb_config_add_script(b->config, s->name, s->body, s->len, &e),
		&e);
}

static bool add_scripts(struct cli *cli, struct newbox *b)
{
	static const struct {
		int id;
		enum script_kind kind;
	} kinds[] = {
		{ O_SCRIPT, SCRIPT_SNIPPET },
		{ O_SCRIPT_RAW, SCRIPT_RAW },
		{ O_SCRIPT_PATH, SCRIPT_PATH },
	};
	const char *shell = cli_text(cli, O_SHELL);
	struct strv names = { 0 };
	struct err err = { 0 };
	bool ok = true;

	for (size_t k = 0; ok && k < ARRAY_SIZE(kinds); k++) {
		const char *text;
		size_t pos = 0;

		while (ok &&
		       (text = args_next(&cli->args, kinds[k].id, &pos))) {
			struct script s = { 0 };

			if (grammar_script(kinds[k].kind, text, shell, &s,
					   &err))
				ok = wrong(&err);
			else
				ok = add_script(b, &s,
						kinds[k].kind == SCRIPT_PATH,
						&names);
			script_fini(&s);
		}
	}
	strv_fini(&names);
	return ok;
}

static bool set_init(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_INIT);
	struct err err = { 0 };
	msb_error_t *e = NULL;
	size_t pos = 0;

	if (!text)
		return true;
	if (grammar_init(text, &err))
		return wrong(&err);
	if (!cli_ok(msb_config_set_init(b->config, text, &e), &e))
		return false;
	while ((text = args_next(&cli->args, O_INIT_ARG, &pos)))
		if (!cli_ok(msb_config_add_init_arg(b->config, text, &e), &e))
			return false;
	return newbox_add_env(cli, b->config, O_INIT_ENV,
			      msb_config_add_init_env);
}

/* --log-level, else the verbosity of this program. */
static bool set_log_level(struct cli *cli, struct newbox *b)
{
	static const struct {
		int id;
		const char *level;
	} global[] = {
		{ O_ERROR, "error" }, { O_WARN, "warn" },   { O_INFO, "info" },
		{ O_DEBUG, "debug" }, { O_TRACE, "trace" },
	};
	const char *text = cli_text(cli, O_LOG_LEVEL);
	struct err err = { 0 };
	msb_error_t *e = NULL;

	for (size_t i = 0; !text && i < ARRAY_SIZE(global); i++)
		if (cli_has(cli, global[i].id))
			text = global[i].level;
	if (!text)
		return true;
	if (grammar_log_level(text, &err))
		return wrong(&err);
	return cli_ok(msb_config_set_log_level(b->config, text, &e), &e);
}

static bool set_durations(struct cli *cli, struct newbox *b)
{
	const char *max = cli_text(cli, O_MAX_DURATION);
	const char *idle = cli_text(cli, O_IDLE_TIMEOUT);
	struct err err = { 0 };
	msb_error_t *e = NULL;
	uint64_t s;

	if (max) {
		if (grammar_duration("--max-duration", max, &s, &err))
			return wrong(&err);
		if (!cli_ok(msb_config_set_max_duration_s(b->config, s, &e),
			    &e))
			return false;
	}
	if (idle) {
		if (grammar_duration("--idle-timeout", idle, &s, &err))
			return wrong(&err);
		if (!cli_ok(msb_config_set_idle_timeout_s(b->config, s, &e),
			    &e))
			return false;
	}
	return true;
}

static bool set_entrypoint(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_ENTRYPOINT);
	msb_error_t *e = NULL;

	return !text ||
	       cli_ok(msb_config_set_entrypoint(b->config, &text, 1, &e), &e);
}

static bool set_names(struct cli *cli, struct newbox *b)
{
	msb_error_t *e = NULL;

	return set_text(cli, b, O_NAME, msb_config_set_name) &&
	       set_text(cli, b, O_HOSTNAME, msb_config_set_hostname) &&
	       set_text(cli, b, O_USER, msb_config_set_user) &&
	       set_text(cli, b, O_WORKDIR, msb_config_set_workdir) &&
	       set_entrypoint(cli, b) &&
	       set_text(cli, b, O_ENGINE, msb_config_set_engine) &&
	       set_text(cli, b, O_ENGINE_MODE, msb_config_set_engine_mode) &&
	       set_text(cli, b, O_ENGINE_JAIL, msb_config_set_engine_jail) &&
	       set_text(cli, b, O_SNAPSHOT, msb_config_set_snapshot) &&
	       (cli_has(cli, O_SNAPSHOT) ||
		cli_ok(msb_config_set_image(b->config, source_text(cli), &e),
		       &e));
}

static bool set_upper_size(struct cli *cli, struct newbox *b)
{
	const char *text = cli_text(cli, O_UPPER_SIZE);
	msb_error_t *e = NULL;
	struct err err = { 0 };
	uint32_t mib;

	if (!text)
		return true;
	if (grammar_size(text, &mib, &err))
		return wrong(&err);
	return cli_ok(msb_config_set_oci_upper_size_mib(b->config, mib, &e),
		      &e);
}

/* How a reference is looked up and pulled, and who is told. */
static bool set_image_options(struct cli *cli, struct newbox *b)
{
	static const msb_pull_policy_t policies[] = { MSB_PULL_IF_MISSING,
						      MSB_PULL_ALWAYS,
						      MSB_PULL_NEVER };
	const char *text = cli_text(cli, O_PULL);
	msb_image_options_t *o;
	msb_error_t *e = NULL;
	struct err err = { 0 };
	int policy = 0;
	bool ok;

	if (text && grammar_pull(text, &policy, &err))
		return wrong(&err);
	o = msb_image_options_new();
	if (!o) {
		ui_error("out of memory");
		return false;
	}
	b->progress = (struct progress){
		.quiet = cli_has(cli, O_QUIET),
		.verb = "Pulling",
		.after = "Starting",
		.after_target = b->name ? b->name : source_text(cli),
	};
	msb_image_options_set_policy(o, policies[policy]);
	msb_image_options_set_progress(o, progress_event, &b->progress);
	ok = cli_ok(msb_config_set_image_options(b->config, o, &e), &e);
	msb_image_options_free(o);
	return ok;
}

/* The whole of *ret: its progress is told to the library. */
static bool build(struct cli *cli, struct newbox *b)
{
	msb_error_t *e = NULL;

	if (!cli_ok(msb_config_new(cli->m, &b->config, &e), &e))
		return false;
	/* The first failure in this order is the one reported. */
	return set_machine(cli, b) && set_shell(cli, b) &&
	       set_replace(cli, b) &&
	       newbox_add_env(cli, b->config, O_ENV, msb_config_add_env) &&
	       newbox_add_labels(cli, b->config) && add_mounts(cli, b) &&
	       add_scripts(cli, b) && set_image_options(cli, b) &&
	       set_upper_size(cli, b) && set_init(cli, b) &&
	       set_log_level(cli, b) && set_durations(cli, b) &&
	       network_set(cli, b->config) && set_names(cli, b) &&
	       network_warn(b->config);
}

bool newbox_build(struct cli *cli, struct newbox *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = cli_text(cli, O_NAME);
	if (build(cli, ret))
		return true;
	newbox_fini(ret);
	return false;
}

void newbox_fini(struct newbox *b)
{
	msb_config_free(b->config);
	b->config = NULL;
}

/* The sandbox is up, but its working directory is not there. */
static bool workdir_ok(struct cli *cli, msb_sandbox_t *s)
{
	const char *path = cli_text(cli, O_WORKDIR);
	msb_error_t *e = NULL;
	int rc;

	if (!path)
		return true;
	rc = msb_sandbox_is_dir(s, path, &e);
	if (rc > 0)
		return true;
	if (!rc) {
		ui_error("invalid config: workdir is not a directory in "
			 "guest: %s",
			 path);
	} else if (e && msb_error_kind(e) == MSB_ERR_FS) {
		ui_error("invalid config: workdir does not exist in guest: "
			 "%s: %s",
			 path, msb_error_message(e));
		msb_error_free(e);
	} else {
		ui_library_error(e, NULL);
	}
	return false;
}

bool newbox_create(struct cli *cli, struct newbox *b, bool check_workdir,
		   msb_sandbox_t **ret)
{
	uint64_t start = clock_mono_ms();
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc;

	ui_spinner_start(cli_has(cli, O_QUIET), "Starting",
			 b->name ? b->name : source_text(cli));
	rc = msb_sandbox_create(cli->m, b->config, &s, &e);
	ui_spinner_stop();
	if (rc < 0) {
		autofree char *logs = NULL;

		if (b->name)
			logs = str_fmt("%s/sandboxes/%s/logs", msb_home(cli->m),
				       b->name);
		ui_library_error(e, logs);
		return false;
	}
	log_debug("cli", "sandbox %s ready after %llu ms", msb_sandbox_name(s),
		  (unsigned long long)(clock_mono_ms() - start));
	if (check_workdir && !workdir_ok(cli, s)) {
		/* What matters was said above. */
		(void)msb_sandbox_stop(s, STOP_TIMEOUT_S * 1000, NULL, NULL);
		msb_sandbox_free(s);
		return false;
	}
	show_relaxed_layers(s);
	*ret = s;
	return true;
}

bool newbox_has_creation_options(const struct cli *cli)
{
	for (size_t i = 0; i < cli->args.nitems; i++)
		if (cli->args.items[i].opt->flags & OPT_CREATION)
			return true;
	return false;
}
