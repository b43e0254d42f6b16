/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sandbox as JSON: the table of what there is. */
#include <errno.h>
#include <string.h>

#include "api/config_json.h"
#include "api/image_int.h"

/* Room for all that patches may hold, in Base64, and for the rest. */
#define JSON_MAX (96u << 20)
#define REPLACE_GRACE_MS 10000u

/* ---- root ---------------------------------------------------------------- */

static void image_object(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "oci",    "bind",
					    "disk",   "format",
					    "fstype", "upper_size_mib",
					    NULL };
	static const char *const kinds[] = { "oci", "bind", "disk", NULL };
	const char *kind, *format, *fstype, *source;
	struct err err = { 0 };
	msb_error_t *e = NULL;
	uint64_t mib;

	options_only(o, v, keys);
	kind = options_one_of(o, v, kinds);
	source = kind ? options_text(o, v, kind) : NULL;
	format = options_text(o, v, "format");
	fstype = options_text(o, v, "fstype");
	if (!source || o->rc)
		return;
	if (strcmp(kind, "disk") != 0 && (format || fstype))
		options_bad(o, format ? "format" : "fstype",
			    "is for disks only");
	else
		options_done_err(o, kind,
				 config_set_root(o->c,
						 *kind == 'o'	? ROOT_OCI
						 : *kind == 'b' ? ROOT_BIND
								: ROOT_DISK,
						 source, format, fstype, &err),
				 &err);
	if (!options_number(o, v, "upper_size_mib", UINT32_MAX, &mib))
		return;
	if (*kind != 'o')
		options_bad(o, "upper_size_mib", "is for oci only");
	else
		options_done(o, "upper_size_mib",
			     msb_config_set_oci_upper_size_mib(
				     o->c, (uint32_t)mib, &e),
			     &e);
}

static void read_image(struct options *o, const json_t *v)
{
	msb_error_t *e = NULL;

	if (json_is_object(v))
		image_object(o, v);
	else if (!json_is_string(v))
		options_bad(o, NULL, "must be a text or an object");
	else
		options_done(
			o, NULL,
			msb_config_set_image(o->c, json_string_value(v), &e),
			&e);
}

/* ---- pulling ------------------------------------------------------------- */

/* What is set already stays, somebody who looks at the progress included. */
static msb_image_options_t *image_options(struct options *o)
{
	if (!o->c->image_options)
		o->c->image_options = msb_image_options_new();
	if (!o->c->image_options)
		options_no_memory(o);
	return o->rc ? NULL : o->c->image_options;
}

static int set_pull_policy(msb_config_t *c, const char *text, msb_error_t **e)
{
	static const char *const names[] = {
		[MSB_PULL_IF_MISSING] = "if-missing",
		[MSB_PULL_ALWAYS] = "always",
		[MSB_PULL_NEVER] = "never",
	};
	struct err err = { 0 };
	struct options o = { .c = c, .err = &err };
	msb_image_options_t *to;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) != 0)
			continue;
		to = image_options(&o);
		if (!to)
			return api_fail_err(&err, o.rc, e);
		msb_image_options_set_policy(to, (msb_pull_policy_t)i);
		return 0;
	}
	return api_fail_err(&err,
			    err_set(&err, ERR_INVALID, EINVAL,
				    "'%.60s' is none of: always, if-missing, "
				    "never",
				    text),
			    e);
}

static void read_registry(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "username", "password", "insecure",
					    "ca_certs", NULL };
	msb_image_options_t *to = image_options(o);
	const char *user, *password, *ca;
	msb_error_t *e = NULL;
	bool insecure;

	options_only(o, v, keys);
	user = options_text(o, v, "username");
	password = options_text(o, v, "password");
	ca = options_text(o, v, "ca_certs");
	if (o->rc)
		return;
	if (!user != !password)
		options_bad(o, NULL, "a login needs username and password");
	else if (user)
		options_done(
			o, NULL,
			msb_image_options_set_login(to, user, password, &e),
			&e);
	if (options_bool(o, v, "insecure", &insecure))
		msb_image_options_set_insecure(to, insecure);
	if (ca && !o->rc)
		options_done(o, "ca_certs",
			     msb_image_options_set_ca_certs(to, ca, &e), &e);
}

/* ---- programs ------------------------------------------------------------ */

static void init_object(struct options *o, const json_t *v)
{
	static const struct option table[] = {
		{ "cmd", OPTION_TEXT, { .text = msb_config_set_init } },
		{ "args", OPTION_EACH, { .text = msb_config_add_init_arg } },
		{ "env", OPTION_MAP, { .pair = msb_config_add_init_env } },
	};

	options_apply(o, v, table, ARRAY_SIZE(table));
	if (!options_get(o, v, "cmd"))
		options_bad(o, "cmd", "is required");
}

static void read_init(struct options *o, const json_t *v)
{
	msb_error_t *e = NULL;

	if (json_is_object(v))
		init_object(o, v);
	else if (!json_is_string(v))
		options_bad(o, NULL, "must be a text or an object");
	else
		options_done(
			o, NULL,
			msb_config_set_init(o->c, json_string_value(v), &e),
			&e);
}

static int add_script(msb_config_t *c, const char *name, const char *text,
		      msb_error_t **e)
{
	return msb_config_add_script(c, name, text, strlen(text), e);
}

static bool read_limit(struct options *o, const json_t *v, const char *key,
		       uint64_t *ret)
{
	const json_t *limit = options_get(o, v, key);

	if (!json_is_string(limit))
		return options_number(o, v, key, INT64_MAX, ret);
	if (strcmp(json_string_value(limit), "unlimited") != 0) {
		options_bad(o, key, "must be a whole number or \"unlimited\"");
		return false;
	}
	*ret = UINT64_MAX;
	return true;
}

static void read_rlimit(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "resource", "soft", "hard", NULL };
	msb_error_t *e = NULL;
	const char *resource;
	uint64_t soft, hard;

	options_only(o, v, keys);
	resource = options_text(o, v, "resource");
	if (!resource)
		options_bad(o, "resource", "is required");
	if (!read_limit(o, v, "soft", &soft)) {
		options_bad(o, "soft", "is required");
		return;
	}
	hard = soft;
	(void)read_limit(o, v, "hard", &hard);
	if (resource && !o->rc)
		options_done(
			o, NULL,
			msb_config_add_rlimit(o->c, resource, soft, hard, &e),
			&e);
}

static void read_rlimits(struct options *o, const json_t *v)
{
	if (!json_is_array(v))
		options_bad(o, NULL, "must be a list");
	for (size_t i = 0; !o->rc && i < json_array_size(v); i++) {
		size_t before = options_enter_item(o, i);

		read_rlimit(o, json_array_get(v, i));
		options_leave(o, before);
	}
}

/* ---- all ----------------------------------------------------------------- */

static void read_replace(struct options *o, const json_t *root)
{
	bool replace = false,
	     given = options_bool(o, root, "replace", &replace);
	uint64_t grace = REPLACE_GRACE_MS;

	if (options_number(o, root, "replace_timeout_ms", INT64_MAX, &grace)) {
		if (given && !replace)
			options_bad(o, "replace_timeout_ms",
				    "contradicts replace, which is false");
		given = replace = true;
	}
	if (given && !o->rc)
		msb_config_set_replace(o->c, replace, grace);
}

/* In this order, whatever that of the text. */
static const struct option table[] = {
	{ "image", OPTION_OWN, { .own = read_image } },
	{ "snapshot", OPTION_TEXT, { .text = msb_config_set_snapshot } },
	{ "pull_policy", OPTION_TEXT, { .text = set_pull_policy } },
	{ "registry", OPTION_OWN, { .own = read_registry } },
	{ "cpus", OPTION_U32, { .u32 = msb_config_set_cpus } },
	{ "memory_mib", OPTION_U32, { .u32 = msb_config_set_memory_mib } },
	{ "workdir", OPTION_TEXT, { .text = msb_config_set_workdir } },
	{ "shell", OPTION_TEXT, { .text = msb_config_set_shell } },
	{ "hostname", OPTION_TEXT, { .text = msb_config_set_hostname } },
	{ "user", OPTION_TEXT, { .text = msb_config_set_user } },
	{ "env", OPTION_MAP, { .pair = msb_config_add_env } },
	{ "labels", OPTION_MAP, { .pair = msb_config_add_label } },
	{ "entrypoint", OPTION_ARGV, { .argv = msb_config_set_entrypoint } },
	{ "cmd", OPTION_ARGV, { .argv = msb_config_set_cmd } },
	{ "scripts", OPTION_MAP, { .pair = add_script } },
	{ "init", OPTION_OWN, { .own = read_init } },
	{ "rlimits", OPTION_OWN, { .own = read_rlimits } },
	{ "max_duration_s",
	  OPTION_U64,
	  { .u64 = msb_config_set_max_duration_s } },
	{ "idle_timeout_s",
	  OPTION_U64,
	  { .u64 = msb_config_set_idle_timeout_s } },
	{ "replace", OPTION_LATER, { 0 } },
	{ "replace_timeout_ms", OPTION_LATER, { 0 } },
	{ "ephemeral", OPTION_BOOL, { .flag = msb_config_set_ephemeral } },
	{ "attached", OPTION_BOOL, { .flag = msb_config_set_attached } },
	{ "log_level", OPTION_TEXT, { .text = msb_config_set_log_level } },
	{ "metrics_interval_ms",
	  OPTION_U32,
	  { .u32 = msb_config_set_metrics_interval_ms } },
	{ "engine", OPTION_TEXT, { .text = msb_config_set_engine } },
	{ "engine_jail", OPTION_TEXT, { .text = msb_config_set_engine_jail } },
	{ "engine_mode", OPTION_TEXT, { .text = msb_config_set_engine_mode } },
	{ "startup", OPTION_ARGV, { .argv = msb_config_set_startup } },
	{ "mounts", OPTION_OWN, { .own = options_mounts } },
	{ "patches", OPTION_OWN, { .own = options_patches } },
	{ "ports", OPTION_OWN, { .own = options_ports } },
	{ "network", OPTION_OWN, { .own = options_network } },
	{ "secrets", OPTION_OWN, { .own = options_secrets } },
	{ "on_secret_violation", OPTION_OWN, { .own = options_violation } },
};

/* The text of the place could be a piece of a secret: not told. */
static json_t *parse(const char *json, size_t len, struct err *err)
{
	json_error_t at;
	json_t *root;

	if (len > JSON_MAX) {
		err_set(err, ERR_INVALID, E2BIG,
			"the options have more than %u MiB", JSON_MAX >> 20);
		return NULL;
	}
	root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &at);
	if (root)
		return root;
	if (json_error_code(&at) == json_error_out_of_memory)
		api_no_memory(err);
	else
		err_set(err, ERR_INVALID, EINVAL,
			"the options are no JSON%s: line %d, column %d",
			json_error_code(&at) == json_error_duplicate_key
				? " (a key is there twice)"
				: "",
			at.line, at.column);
	explicit_bzero(&at, sizeof(at));
	return NULL;
}

static void wipe(const json_t *text)
{
	/* its bytes are on the heap, and its own */
	void *bytes = (void *)(uintptr_t)json_string_value(text);

	if (bytes)
		explicit_bzero(bytes, json_string_length(text));
}

/* Whatever became of them. */
static void wipe_values(const json_t *root)
{
	const json_t *list = json_object_get(root, "secrets");

	for (size_t i = 0; i < json_array_size(list); i++)
		wipe(json_object_get(json_array_get(list, i), "value"));
	wipe(json_object_get(json_object_get(root, "registry"), "password"));
}

int msb_config_apply_json(msb_config_t *c, const char *json, size_t len,
			  msb_error_t **e)
{
	struct err err = { 0 };
	struct options o = { .c = c, .err = &err };
	json_t *root = parse(json, len, &err);

	if (!root)
		return api_fail_err(
			&err, err.kind == ERR_NO_MEMORY ? -ENOMEM : -EINVAL, e);
	if (!json_is_object(root))
		options_bad(&o, NULL, "the options must be one object");
	options_apply(&o, root, table, ARRAY_SIZE(table));
	read_replace(&o, root);
	options_network_check(&o);
	wipe_values(root);
	json_decref(root);
	return o.rc ? api_fail_err(&err, o.rc, e) : 0;
}
