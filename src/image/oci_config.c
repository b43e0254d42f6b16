/* SPDX-License-Identifier: Apache-2.0 */
/* Image configurations: what a container is to be run with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/oci.h"
#include "image/oci_json.h"

#define WHAT "the image's configuration"

static int no_memory(struct err *err)
{
	(void)err_sys(err, ERR_NO_MEMORY, ENOMEM, "read " WHAT);
	return -ENOMEM;
}

static int read_list(const json_t *o, const char *member, struct strv *ret,
		     struct err *err)
{
	int rc = oci_json_strv(o, member, OCI_MAX_ENTRIES, ret);

	if (rc == -ENOMEM)
		return no_memory(err);
	return rc ? oci_json_bad(err, WHAT, member,
				 "is not an array of strings, or too long")
		  : 0;
}

/* Entries that are no KEY=VALUE mean nothing to a program; they are dropped. */
static int read_env(const json_t *o, struct strv *ret, struct err *err)
{
	struct strv all = { 0 };
	int rc = read_list(o, "Env", &all, err);

	for (size_t i = 0; !rc && i < all.n; i++)
		if (strchr(all.v[i], '=') > all.v[i] && strv_add(ret, all.v[i]))
			rc = no_memory(err);
	strv_fini(&all);
	return rc;
}

static int read_text(const json_t *o, const char *member, char **ret,
		     struct err *err)
{
	const char *text;

	if (oci_json_text(o, member, &text))
		return oci_json_bad(err, WHAT, member, "is not a string");
	if (!text || !*text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

/* The keys of an object, as ports and volumes are listed. */
static int read_keys(const json_t *o, const char *member, struct strv *ret,
		     struct err *err)
{
	const char *key;
	json_t *map, *value;

	if (oci_json_object(o, member, &map) ||
	    json_object_size(map) > OCI_MAX_ENTRIES)
		return oci_json_bad(err, WHAT, member,
				    "is not an object, or too large");
	json_object_foreach(
		map, key, value) if (strv_add(ret, key)) return no_memory(err);
	return 0;
}

static int read_labels(const json_t *o, struct strv *ret, struct err *err)
{
	const char *key;
	json_t *map, *value;

	if (oci_json_object(o, "Labels", &map) ||
	    json_object_size(map) > OCI_MAX_ENTRIES)
		return oci_json_bad(err, WHAT, "Labels",
				    "is not an object, or too large");
	json_object_foreach(map, key, value)
	{
		if (!json_is_string(value))
			return oci_json_bad(err, WHAT, "Labels",
					    "has a value that is no string");
		if (strv_take(ret,
			      str_fmt("%s=%s", key, json_string_value(value))))
			return no_memory(err);
	}
	return 0;
}

static int read_process(const json_t *root, struct oci_config *c,
			struct err *err)
{
	json_t *o;
	int rc;

	if (oci_json_object(root, "config", &o))
		return oci_json_bad(err, WHAT, "config", "is not an object");
	rc = read_env(o, &c->env, err);
	rc = rc ? rc : read_list(o, "Entrypoint", &c->entrypoint, err);
	rc = rc ? rc : read_list(o, "Cmd", &c->cmd, err);
	rc = rc ? rc : read_labels(o, &c->labels, err);
	rc = rc ? rc : read_text(o, "WorkingDir", &c->workdir, err);
	rc = rc ? rc : read_text(o, "User", &c->user, err);
	rc = rc ? rc : read_text(o, "StopSignal", &c->stop_signal, err);
	rc = rc ? rc : read_keys(o, "ExposedPorts", &c->exposed_ports, err);
	return rc ? rc : read_keys(o, "Volumes", &c->volumes, err);
}

static int read_name(const json_t *root, const char *member, char ret[32],
		     struct err *err)
{
	const char *text;

	if (oci_json_text(root, member, &text) || (text && strlen(text) >= 32))
		return oci_json_bad(err, WHAT, member, "is not a short text");
	if (text)
		memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int read_diff_ids(const json_t *root, struct oci_config *c,
			 struct err *err)
{
	json_t *rootfs, *list;
	size_t n;

	if (oci_json_object(root, "rootfs", &rootfs) || !rootfs ||
	    oci_json_array(rootfs, "diff_ids", &list))
		return oci_json_bad(err, WHAT, "rootfs",
				    "is missing, or has no array 'diff_ids'");
	n = json_array_size(list);
	if (n > OCI_MAX_LAYERS)
		return oci_json_bad(err, WHAT, "diff_ids", "is too long");
	c->diff_ids = calloc(n ? n : 1, sizeof(*c->diff_ids));
	if (!c->diff_ids)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || digest_parse(text, &c->diff_ids[i]))
			return oci_json_bad(err, WHAT, "diff_ids",
					    "has an entry that is no digest");
	}
	c->ndiff_ids = n;
	return 0;
}

int oci_config_parse(const char *text, size_t len, struct oci_config *ret,
		     struct err *err)
{
	struct oci_config c = { 0 };
	autojson json_t *root = NULL;
	int rc = oci_json_load(text, len, OCI_DOCUMENT_MAX, WHAT, &root, err);

	if (rc)
		return rc;
	if (!json_is_object(root))
		return err_set(err, ERR_IMAGE, EINVAL,
			       WHAT " is not an object");
	rc = read_name(root, "os", c.os, err);
	rc = rc ? rc : read_name(root, "architecture", c.arch, err);
	rc = rc ? rc : read_name(root, "variant", c.variant, err);
	rc = rc ? rc : read_diff_ids(root, &c, err);
	rc = rc ? rc : read_process(root, &c, err);
	if (rc) {
		oci_config_fini(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void oci_config_fini(struct oci_config *c)
{
	strv_fini(&c->env);
	strv_fini(&c->entrypoint);
	strv_fini(&c->cmd);
	strv_fini(&c->labels);
	strv_fini(&c->exposed_ports);
	strv_fini(&c->volumes);
	free(c->workdir);
	free(c->user);
	free(c->stop_signal);
	free(c->diff_ids);
	memset(c, 0, sizeof(*c));
}
