/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot configuration to CBOR. Keys and shapes are those of core.bootstrap;
 * ours beyond it are root_tag, scripts, tls, unix_time_nanos and a list of
 * lower devices. Mounts travel in one list per kind, so their order between
 * kinds is not kept: the agent sorts them by path.
 */
#include "protocol/bootspec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bootspec_int.h"

void bootspec_fini(struct bootspec *s)
{
	for (size_t i = 0; i < s->nmounts; i++) {
		free(s->mounts[i].tag);
		free(s->mounts[i].filename);
		free(s->mounts[i].path);
		free(s->mounts[i].fstype);
	}
	for (size_t i = 0; i < s->nscripts; i++) {
		free(s->scripts[i].name);
		free(s->scripts[i].data);
	}
	free(s->mounts);
	free(s->scripts);
	free(s->rlimits);
	free(s->root_tag);
	free(s->root_device);
	free(s->root_fstype);
	free(s->root_upper);
	free(s->hostname);
	free(s->host_alias);
	free(s->ca_pem);
	free(s->host_cas_pem);
	free(s->user);
	free(s->workdir);
	free(s->init);
	strv_fini(&s->root_lower);
	strv_fini(&s->env);
	strv_fini(&s->init_args);
	strv_fini(&s->init_env);
	memset(s, 0, sizeof(*s));
}

static void put_str(struct buf *b, const char *text)
{
	cbor_put_string(b, text, strlen(text));
}

/* Key and value; nothing when absent. */
static void put_opt(struct buf *b, const char *key, const char *text)
{
	if (!text)
		return;
	cbor_put_text(b, key);
	put_str(b, text);
}

const struct field boot_flags_fields[BOOT_FLAGS] = {
	FIELD(struct boot_flags, readonly, "readonly", F_BOOL, 0),
	FIELD(struct boot_flags, noexec, "noexec", F_BOOL, 0),
	FIELD(struct boot_flags, nosuid, "nosuid", F_BOOL, 0),
	FIELD(struct boot_flags, nodev, "nodev", F_BOOL, 0),
};

static void put_flags(struct buf *b, unsigned flags)
{
	struct boot_flags f = {
		.readonly = flags & BOOT_RDONLY,
		.noexec = flags & BOOT_NOEXEC,
		.nosuid = flags & BOOT_NOSUID,
		.nodev = flags & BOOT_NODEV,
	};

	cbor_put_text(b, "flags");
	fields_encode(b, boot_flags_fields, ARRAY_SIZE(boot_flags_fields), &f);
}

static void put_mount(struct buf *b, const struct boot_mount *m)
{
	bool sized = m->kind == BOOT_MOUNT_TMPFS && m->size_mib;
	bool moded = m->kind == BOOT_MOUNT_TMPFS && m->mode;

	cbor_put_map(b, 2u + !!m->tag + !!m->filename + !!m->fstype + sized +
				moded);
	put_opt(b, m->kind == BOOT_MOUNT_DISK ? "id" : "tag", m->tag);
	put_opt(b, "filename", m->filename);
	put_opt(b, m->kind == BOOT_MOUNT_TMPFS ? "path" : "guest_path",
		m->path ? m->path : "");
	put_opt(b, "fstype", m->fstype);
	if (sized) {
		cbor_put_text(b, "size_mib");
		cbor_put_uint(b, m->size_mib);
	}
	if (moded) {
		cbor_put_text(b, "mode");
		cbor_put_uint(b, m->mode);
	}
	put_flags(b, m->flags);
}

const char *const boot_mount_keys[BOOT_MOUNT_KINDS] = {
	[BOOT_MOUNT_DIR] = "dir_mounts",
	[BOOT_MOUNT_FILE] = "file_mounts",
	[BOOT_MOUNT_DISK] = "disk_mounts",
	[BOOT_MOUNT_TMPFS] = "tmpfs_mounts",
};

static size_t count_mounts(const struct bootspec *s, enum boot_mount_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nmounts; i++)
		n += s->mounts[i].kind == kind;
	return n;
}

static void put_mounts(struct buf *b, const struct bootspec *s,
		       enum boot_mount_kind kind)
{
	size_t n = count_mounts(s, kind);

	if (!n)
		return;
	cbor_put_text(b, boot_mount_keys[kind]);
	cbor_put_array(b, n);
	for (size_t i = 0; i < s->nmounts; i++)
		if (s->mounts[i].kind == kind)
			put_mount(b, &s->mounts[i]);
}

static void put_upper(struct buf *b, const struct bootspec *s)
{
	cbor_put_text(b, "upper");
	if (!s->root_upper) {
		cbor_put_map(b, 1);
		put_opt(b, "kind", "tmpfs");
		return;
	}
	cbor_put_map(b, 3);
	put_opt(b, "kind", "device");
	put_opt(b, "device", s->root_upper);
	put_opt(b, "fstype", "ext4");
}

static void put_root(struct buf *b, const struct bootspec *s)
{
	switch (s->root) {
	case BOOT_ROOT_VIRTIOFS:
		put_opt(b, "root_tag", s->root_tag);
		break;
	case BOOT_ROOT_DISK:
		cbor_put_text(b, "block_root");
		cbor_put_map(b, 2u + !!s->root_fstype);
		put_opt(b, "kind", "disk-image");
		put_opt(b, "device", s->root_device ? s->root_device : "");
		put_opt(b, "fstype", s->root_fstype);
		break;
	case BOOT_ROOT_OCI:
		cbor_put_text(b, "block_root");
		cbor_put_map(b, 3);
		put_opt(b, "kind", "oci-erofs");
		cbor_put_text(b, "lower");
		if (s->root_lower.n != 1)
			cbor_put_array(b, s->root_lower.n);
		for (size_t i = 0; i < s->root_lower.n; i++)
			put_str(b, s->root_lower.v[i]);
		put_upper(b, s);
		break;
	}
}

/* [{key, value}]; an entry without '=' sets nothing and is left out. */
static void put_env(struct buf *b, const char *key, const struct strv *env)
{
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++)
		n += !!strchr(env->v[i], '=');
	cbor_put_text(b, key);
	cbor_put_array(b, n);
	for (size_t i = 0; i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');

		if (!eq)
			continue;
		cbor_put_map(b, 2);
		cbor_put_text(b, "key");
		cbor_put_string(b, env->v[i], (size_t)(eq - env->v[i]));
		cbor_put_text(b, "value");
		put_str(b, eq + 1);
	}
}

static void put_rlimits(struct buf *b, const struct bootspec *s)
{
	if (!s->nrlimits)
		return;
	cbor_put_text(b, "rlimits");
	cbor_put_array(b, s->nrlimits);
	for (size_t i = 0; i < s->nrlimits; i++) {
		cbor_put_map(b, 3);
		put_opt(b, "resource", s->rlimits[i].resource);
		cbor_put_text(b, "soft");
		cbor_put_uint(b, s->rlimits[i].soft);
		cbor_put_text(b, "hard");
		cbor_put_uint(b, s->rlimits[i].hard);
	}
}

static void put_scripts(struct buf *b, const struct bootspec *s)
{
	if (!s->nscripts)
		return;
	cbor_put_text(b, "scripts");
	cbor_put_array(b, s->nscripts);
	for (size_t i = 0; i < s->nscripts; i++) {
		cbor_put_map(b, 2);
		put_opt(b, "name", s->scripts[i].name);
		cbor_put_text(b, "data");
		cbor_put_bytes(b, s->scripts[i].data, s->scripts[i].len);
	}
}

static void put_init(struct buf *b, const struct bootspec *s)
{
	if (!s->init)
		return;
	cbor_put_text(b, "handoff_init");
	cbor_put_map(b, 3);
	put_opt(b, "cmd", s->init);
	cbor_put_text(b, "args");
	cbor_put_array(b, s->init_args.n);
	for (size_t i = 0; i < s->init_args.n; i++)
		put_str(b, s->init_args.v[i]);
	put_env(b, "env", &s->init_env);
}

static void put_tls(struct buf *b, const struct bootspec *s)
{
	cbor_put_text(b, "tls");
	cbor_put_map(b, (size_t) !!s->ca_pem + !!s->host_cas_pem);
	put_opt(b, "ca_pem", s->ca_pem);
	put_opt(b, "host_cas_pem", s->host_cas_pem);
}

int bootspec_encode(const struct bootspec *s, struct buf *out)
{
	bool has_tls = s->ca_pem || s->host_cas_pem;
	bool has_root = s->root != BOOT_ROOT_VIRTIOFS || s->root_tag;
	size_t pairs = 1; /* security_profile */

	for (unsigned k = 0; k < ARRAY_SIZE(boot_mount_keys); k++)
		pairs += count_mounts(s, (enum boot_mount_kind)k) > 0;
	pairs += (size_t)has_root + !!s->hostname + !!s->host_alias +
		 !!s->user + !!s->workdir + s->has_network + has_tls +
		 !!s->env.n + !!s->nrlimits + !!s->nscripts + !!s->init +
		 !!s->unix_time_ns + !!s->patch_bytes;
	cbor_put_map(out, pairs);
	put_root(out, s);
	for (unsigned k = 0; k < ARRAY_SIZE(boot_mount_keys); k++)
		put_mounts(out, s, (enum boot_mount_kind)k);
	put_opt(out, "hostname", s->hostname);
	put_opt(out, "host_alias", s->host_alias);
	put_opt(out, "user", s->user);
	put_opt(out, "default_cwd", s->workdir);
	if (s->env.n)
		put_env(out, "default_env", &s->env);
	put_rlimits(out, s);
	put_scripts(out, s);
	if (s->has_network)
		boot_network_put(out, &s->network);
	if (has_tls)
		put_tls(out, s);
	put_opt(out, "security_profile", "default");
	put_init(out, s);
	if (s->unix_time_ns) {
		cbor_put_text(out, "unix_time_nanos");
		cbor_put_uint(out, s->unix_time_ns);
	}
	if (s->patch_bytes) {
		cbor_put_text(out, "patch_bytes");
		cbor_put_uint(out, s->patch_bytes);
	}
	return out->failed ? -ENOSPC : 0;
}
