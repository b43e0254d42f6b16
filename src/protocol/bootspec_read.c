/* SPDX-License-Identifier: Apache-2.0 */
/* Boot configuration from CBOR; see bootspec.c for its shape. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bootspec_int.h"

#define MAX_MOUNTS 4096
#define MAX_RLIMITS 64
#define MAX_SCRIPTS 4096
#define MAX_LOWER 1024

/* Owned copy of an optional string; *ret stays NULL when absent. */
static int dup_opt(struct view v, char **ret)
{
	if (!v.p)
		return 0;
	if (v.len && memchr(v.p, 0, v.len))
		return -EBADMSG;
	*ret = view_dup(v);
	return *ret ? 0 : -ENOMEM;
}

/* Array cursor of an optional item: no members when it is absent. */
static int enter_opt_array(struct cbor *item, size_t max, struct cbor *it,
			   size_t *ret_n)
{
	*it = *item;
	*ret_n = 0;
	if (cbor_at_end(item))
		return 0;
	return cbor_enter_array(item, it, ret_n) || *ret_n > max ? -EBADMSG : 0;
}

static int enter_fields(struct cbor *c, const struct field *f, size_t n,
			void *out)
{
	struct cbor it;

	if (cbor_enter_map(c, &it, NULL))
		return -EBADMSG;
	return fields_get(&it, f, n, out);
}

struct raw_mount {
	struct view tag, filename, path, fstype;
	uint32_t size_mib, mode;
	struct cbor flags;
};

static const struct field mount_fields[] = {
	FIELD(struct raw_mount, tag, "tag", F_STRING, 0),
	FIELD(struct raw_mount, tag, "id", F_STRING, 0),
	FIELD(struct raw_mount, filename, "filename", F_STRING, 0),
	FIELD(struct raw_mount, path, "guest_path", F_STRING, 0),
	FIELD(struct raw_mount, path, "path", F_STRING, 0),
	FIELD(struct raw_mount, fstype, "fstype", F_STRING, 0),
	FIELD(struct raw_mount, size_mib, "size_mib", F_U32, 0),
	FIELD(struct raw_mount, mode, "mode", F_U32, 0),
	FIELD(struct raw_mount, flags, "flags", F_ITEM, 0),
};

static int get_mount(struct cbor *it, enum boot_mount_kind kind,
		     struct boot_mount *m)
{
	struct raw_mount raw = { 0 };
	struct boot_flags f = { 0 };
	int rc;

	if (enter_fields(it, mount_fields, ARRAY_SIZE(mount_fields), &raw) ||
	    !raw.path.p || (kind != BOOT_MOUNT_TMPFS && !raw.tag.p) ||
	    (kind == BOOT_MOUNT_FILE && !raw.filename.p))
		return -EBADMSG;
	if (!cbor_at_end(&raw.flags) &&
	    enter_fields(&raw.flags, boot_flags_fields, BOOT_FLAGS, &f))
		return -EBADMSG;
	m->kind = kind;
	m->size_mib = raw.size_mib;
	m->mode = raw.mode;
	m->flags = (f.readonly ? BOOT_RDONLY : 0u) |
		   (f.noexec ? BOOT_NOEXEC : 0u) |
		   (f.nosuid ? BOOT_NOSUID : 0u) | (f.nodev ? BOOT_NODEV : 0u);
	rc = dup_opt(raw.tag, &m->tag);
	if (!rc)
		rc = dup_opt(raw.filename, &m->filename);
	if (!rc)
		rc = dup_opt(raw.path, &m->path);
	if (!rc)
		rc = dup_opt(raw.fstype, &m->fstype);
	return rc;
}

static int get_mounts(struct cbor *item, enum boot_mount_kind kind,
		      struct bootspec *s)
{
	struct boot_mount *grown;
	struct cbor it;
	size_t n;
	int rc;

	if (enter_opt_array(item, MAX_MOUNTS - s->nmounts, &it, &n))
		return -EBADMSG;
	if (!n)
		return 0;
	grown = realloc(s->mounts, (s->nmounts + n) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->mounts = grown;
	memset(grown + s->nmounts, 0, n * sizeof(*grown));
	while (!cbor_at_end(&it)) {
		rc = get_mount(&it, kind, &s->mounts[s->nmounts++]);
		if (rc)
			return rc;
	}
	return 0;
}

struct raw_upper {
	struct view kind, device;
};

static const struct field upper_fields[] = {
	FIELD(struct raw_upper, kind, "kind", F_TEXT, F_MUST),
	FIELD(struct raw_upper, device, "device", F_STRING, 0),
};

struct raw_root {
	struct view kind, device, fstype;
	struct cbor lower, upper;
};

static const struct field root_fields[] = {
	FIELD(struct raw_root, kind, "kind", F_TEXT, F_MUST),
	FIELD(struct raw_root, device, "device", F_STRING, 0),
	FIELD(struct raw_root, fstype, "fstype", F_STRING, 0),
	FIELD(struct raw_root, lower, "lower", F_ITEM, 0),
	FIELD(struct raw_root, upper, "upper", F_ITEM, 0),
};

static int add_string(struct cbor *it, struct strv *list)
{
	char *copy = NULL;
	struct view v;
	int rc;

	if (cbor_get_string(it, &v))
		return -EBADMSG;
	rc = dup_opt(v, &copy);
	return rc ? rc : strv_take(list, copy);
}

static int get_strings(struct cbor *it, struct strv *list)
{
	int rc = 0;

	while (!rc && !cbor_at_end(it))
		rc = add_string(it, list);
	return rc;
}

static int get_oci_root(struct raw_root *raw, struct bootspec *s)
{
	struct raw_upper upper = { 0 };
	enum cbor_type type;
	struct cbor it;
	size_t n;
	int rc;

	s->root = BOOT_ROOT_OCI;
	if (cbor_at_end(&raw->lower) || cbor_at_end(&raw->upper) ||
	    cbor_peek(&raw->lower, &type))
		return -EBADMSG;
	it = raw->lower;
	if (type == CBOR_ARRAY &&
	    (cbor_enter_array(&raw->lower, &it, &n) || n > MAX_LOWER))
		return -EBADMSG;
	rc = get_strings(&it, &s->root_lower);
	if (rc)
		return rc;
	if (enter_fields(&raw->upper, upper_fields, ARRAY_SIZE(upper_fields),
			 &upper))
		return -EBADMSG;
	if (view_is(upper.kind, "tmpfs"))
		return 0;
	if (!view_is(upper.kind, "device") || !upper.device.p)
		return -EBADMSG;
	return dup_opt(upper.device, &s->root_upper);
}

static int get_root(struct cbor *item, struct bootspec *s)
{
	struct raw_root raw = { 0 };
	int rc;

	if (cbor_at_end(item))
		return 0;
	if (enter_fields(item, root_fields, ARRAY_SIZE(root_fields), &raw))
		return -EBADMSG;
	if (view_is(raw.kind, "oci-erofs"))
		return get_oci_root(&raw, s);
	if (!view_is(raw.kind, "disk-image") || !raw.device.p)
		return -EBADMSG;
	s->root = BOOT_ROOT_DISK;
	rc = dup_opt(raw.device, &s->root_device);
	return rc ? rc : dup_opt(raw.fstype, &s->root_fstype);
}

struct raw_pair {
	struct view key, value;
};

static const struct field pair_fields[] = {
	FIELD(struct raw_pair, key, "key", F_STRING, F_MUST),
	FIELD(struct raw_pair, value, "value", F_STRING, F_MUST),
};

static int get_pair(struct cbor *it, struct strv *env)
{
	struct raw_pair p;
	char *entry;

	if (enter_fields(it, pair_fields, ARRAY_SIZE(pair_fields), &p) ||
	    memchr(p.key.p, '=', p.key.len) || memchr(p.key.p, 0, p.key.len) ||
	    memchr(p.value.p, 0, p.value.len))
		return -EBADMSG;
	entry = malloc(p.key.len + p.value.len + 2);
	if (!entry)
		return -ENOMEM;
	memcpy(entry, p.key.p, p.key.len);
	entry[p.key.len] = '=';
	memcpy(entry + p.key.len + 1, p.value.p, p.value.len);
	entry[p.key.len + 1 + p.value.len] = 0;
	return strv_take(env, entry);
}

static int get_env(struct cbor *item, struct strv *env)
{
	struct cbor it;
	size_t n;
	int rc = 0;

	if (enter_opt_array(item, SIZE_MAX, &it, &n))
		return -EBADMSG;
	while (!rc && !cbor_at_end(&it))
		rc = get_pair(&it, env);
	return rc;
}

static const struct field rlimit_fields[] = {
	FIELD(struct msg_rlimit, resource, "resource", F_TEXT, F_MUST),
	FIELD(struct msg_rlimit, soft, "soft", F_U64, F_MUST),
	FIELD(struct msg_rlimit, hard, "hard", F_U64, F_MUST),
};

static int get_rlimits(struct cbor *item, struct bootspec *s)
{
	struct msg_rlimit raw;
	struct cbor it;
	size_t n;

	if (enter_opt_array(item, MAX_RLIMITS, &it, &n))
		return -EBADMSG;
	if (!n)
		return 0;
	s->rlimits = calloc(n, sizeof(*s->rlimits));
	if (!s->rlimits)
		return -ENOMEM;
	while (!cbor_at_end(&it)) {
		struct boot_rlimit *r = &s->rlimits[s->nrlimits];

		if (enter_fields(&it, rlimit_fields, ARRAY_SIZE(rlimit_fields),
				 &raw) ||
		    raw.resource.len >= sizeof(r->resource) ||
		    memchr(raw.resource.p, 0, raw.resource.len))
			return -EBADMSG;
		memcpy(r->resource, raw.resource.p, raw.resource.len);
		r->soft = raw.soft;
		r->hard = raw.hard;
		s->nrlimits++;
	}
	return 0;
}

struct raw_script {
	struct view name, data;
};

static const struct field script_fields[] = {
	FIELD(struct raw_script, name, "name", F_STRING, F_MUST),
	FIELD(struct raw_script, data, "data", F_DATA, F_MUST),
};

static int get_script(struct cbor *it, struct boot_script *ret)
{
	struct raw_script raw;
	int rc;

	if (enter_fields(it, script_fields, ARRAY_SIZE(script_fields), &raw))
		return -EBADMSG;
	rc = dup_opt(raw.name, &ret->name);
	if (rc)
		return rc;
	ret->data = malloc(raw.data.len ? raw.data.len : 1);
	if (!ret->data)
		return -ENOMEM;
	memcpy(ret->data, raw.data.p, raw.data.len);
	ret->len = raw.data.len;
	return 0;
}

static int get_scripts(struct cbor *item, struct bootspec *s)
{
	struct cbor it;
	size_t n;
	int rc = 0;

	if (enter_opt_array(item, MAX_SCRIPTS, &it, &n))
		return -EBADMSG;
	if (!n)
		return 0;
	s->scripts = calloc(n, sizeof(*s->scripts));
	if (!s->scripts)
		return -ENOMEM;
	while (!rc && !cbor_at_end(&it))
		rc = get_script(&it, &s->scripts[s->nscripts++]);
	return rc;
}

struct raw_init {
	struct view cmd;
	struct cbor args, env;
};

static const struct field init_fields[] = {
	FIELD(struct raw_init, cmd, "cmd", F_STRING, F_MUST),
	FIELD(struct raw_init, args, "args", F_ITEM, 0),
	FIELD(struct raw_init, env, "env", F_ITEM, 0),
};

static int get_init(struct cbor *item, struct bootspec *s)
{
	struct raw_init raw = { 0 };
	struct cbor it;
	size_t n;
	int rc;

	if (cbor_at_end(item))
		return 0;
	if (enter_fields(item, init_fields, ARRAY_SIZE(init_fields), &raw) ||
	    enter_opt_array(&raw.args, SIZE_MAX, &it, &n))
		return -EBADMSG;
	rc = dup_opt(raw.cmd, &s->init);
	if (!rc)
		rc = get_strings(&it, &s->init_args);
	return rc ? rc : get_env(&raw.env, &s->init_env);
}

struct raw_tls {
	struct view ca_pem, host_cas_pem;
};

static const struct field tls_fields[] = {
	FIELD(struct raw_tls, ca_pem, "ca_pem", F_STRING, 0),
	FIELD(struct raw_tls, host_cas_pem, "host_cas_pem", F_STRING, 0),
};

static int get_tls(struct cbor *item, struct bootspec *s)
{
	struct raw_tls raw = { 0 };
	int rc;

	if (cbor_at_end(item))
		return 0;
	if (enter_fields(item, tls_fields, ARRAY_SIZE(tls_fields), &raw))
		return -EBADMSG;
	rc = dup_opt(raw.ca_pem, &s->ca_pem);
	return rc ? rc : dup_opt(raw.host_cas_pem, &s->host_cas_pem);
}

struct raw_spec {
	struct cbor block_root, mounts[BOOT_MOUNT_KINDS];
	struct cbor default_env, rlimits, scripts, handoff_init, network, tls;
	struct view root_tag, hostname, host_alias, user, default_cwd;
	uint64_t unix_time_ns, patch_bytes;
};

static const struct field spec_fields[] = {
	FIELD(struct raw_spec, root_tag, "root_tag", F_STRING, 0),
	FIELD(struct raw_spec, block_root, "block_root", F_ITEM, 0),
	FIELD(struct raw_spec, mounts[BOOT_MOUNT_DIR], "dir_mounts", F_ITEM, 0),
	FIELD(struct raw_spec, mounts[BOOT_MOUNT_FILE], "file_mounts", F_ITEM,
	      0),
	FIELD(struct raw_spec, mounts[BOOT_MOUNT_DISK], "disk_mounts", F_ITEM,
	      0),
	FIELD(struct raw_spec, mounts[BOOT_MOUNT_TMPFS], "tmpfs_mounts", F_ITEM,
	      0),
	FIELD(struct raw_spec, hostname, "hostname", F_STRING, 0),
	FIELD(struct raw_spec, host_alias, "host_alias", F_STRING, 0),
	FIELD(struct raw_spec, user, "user", F_STRING, 0),
	FIELD(struct raw_spec, default_cwd, "default_cwd", F_STRING, 0),
	FIELD(struct raw_spec, default_env, "default_env", F_ITEM, 0),
	FIELD(struct raw_spec, rlimits, "rlimits", F_ITEM, 0),
	FIELD(struct raw_spec, scripts, "scripts", F_ITEM, 0),
	FIELD(struct raw_spec, network, "network", F_ITEM, 0),
	FIELD(struct raw_spec, tls, "tls", F_ITEM, 0),
	FIELD(struct raw_spec, handoff_init, "handoff_init", F_ITEM, 0),
	FIELD(struct raw_spec, unix_time_ns, "unix_time_nanos", F_U64, 0),
	FIELD(struct raw_spec, patch_bytes, "patch_bytes", F_U64, 0),
};

static int get_spec(struct raw_spec *raw, struct bootspec *s)
{
	int rc = get_root(&raw->block_root, s);

	for (unsigned k = 0; !rc && k < BOOT_MOUNT_KINDS; k++)
		rc = get_mounts(&raw->mounts[k], (enum boot_mount_kind)k, s);
	if (!rc)
		rc = dup_opt(raw->root_tag, &s->root_tag);
	if (!rc)
		rc = dup_opt(raw->hostname, &s->hostname);
	if (!rc)
		rc = dup_opt(raw->host_alias, &s->host_alias);
	if (!rc)
		rc = dup_opt(raw->user, &s->user);
	if (!rc)
		rc = dup_opt(raw->default_cwd, &s->workdir);
	s->has_network = !cbor_at_end(&raw->network);
	if (!rc && s->has_network)
		rc = boot_network_get(&raw->network, &s->network);
	if (!rc)
		rc = get_tls(&raw->tls, s);
	if (!rc)
		rc = get_env(&raw->default_env, &s->env);
	if (!rc)
		rc = get_rlimits(&raw->rlimits, s);
	if (!rc)
		rc = get_scripts(&raw->scripts, s);
	return rc ? rc : get_init(&raw->handoff_init, s);
}

int bootspec_decode(const void *data, size_t len, struct bootspec *ret)
{
	struct raw_spec raw = { 0 };
	struct bootspec s = { 0 };
	int rc;

	if (len > BOOTSPEC_MAX)
		return -EBADMSG;
	if (fields_decode((struct view){ data, len }, NULL, spec_fields,
			  ARRAY_SIZE(spec_fields), &raw))
		return -EBADMSG;
	rc = get_spec(&raw, &s);
	if (rc) {
		bootspec_fini(&s);
		return rc;
	}
	s.unix_time_ns = raw.unix_time_ns;
	s.patch_bytes = raw.patch_bytes;
	*ret = s;
	return 0;
}
