/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the machine of a sandbox and starts it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/user.h"
#include "runtime/initramfs.h"
#include "runtime/sandbox.h"
#include "store/paths.h"
#include "virtio/dev/balloon.h"
#include "virtio/dev/rng.h"

#define LISTEN_BACKLOG 256
#define ROOT_NEGATIVE_MS 1000
/* Several times what hosts have; the guest keeps it in memory. */
#define HOST_CAS_MAX (4u << 20)
#define PASSWD_MAX (1u << 20)
#define MACHINE_TEXT_MAX 65536u

int sandbox_boot_err(struct sandbox *s, const char *stage, int rc,
		     const struct err *err)
{
	sandbox_fail_boot(s, stage, err->sys, "%s", err->msg);
	return rc;
}

int sandbox_boot_errno(struct sandbox *s, const char *stage, int rc,
		       const char *what)
{
	sandbox_fail_boot(s, stage, -rc, "%s: %s", what, strerror(-rc));
	return rc;
}

/* --- state directory, logs, socket --- */

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_state(struct sandbox *s)
{
	int rc = open_dir(AT_FDCWD, s->spec.sandbox_dir);

	if (rc < 0)
		return sandbox_boot_errno(s, "config", rc, s->spec.sandbox_dir);
	s->dir_fd = rc;
	rc = io_mkdir_p(s->dir_fd, SANDBOX_LOG_DIR, 0700);
	if (!rc)
		rc = io_mkdir_p(s->dir_fd, SANDBOX_RUNTIME_DIR, 0700);
	if (!rc)
		rc = s->logs_fd = open_dir(s->dir_fd, SANDBOX_LOG_DIR);
	if (rc >= 0)
		rc = s->runtime_fd = open_dir(s->dir_fd, SANDBOX_RUNTIME_DIR);
	if (rc < 0)
		return sandbox_boot_errno(s, "config", rc, s->spec.sandbox_dir);
	s->machine_file = (struct report_file)REPORT_FILE_INIT(
		s->runtime_fd, RUNTIME_MACHINE_JSON);
	s->exit_file = (struct report_file)REPORT_FILE_INIT(s->runtime_fd,
							    RUNTIME_EXIT_JSON);
	rc = logs_new(s->logs_fd, &s->logs);
	if (rc)
		return sandbox_boot_errno(s, "other", rc,
					  "start the log writer");
	return 0;
}

static void start_log(struct sandbox *s)
{
	enum log_level level = LOG_INFO;

	if (s->spec.config.log_level)
		(void)log_level_parse(s->spec.config.log_level, &level);
	log_init(level, logs_runtime_line, s->logs);
	log_info("runtime", "sandbox %s, runtime " MSB_VERSION ", pid %d",
		 s->spec.config.name, (int)getpid());
}

/* --- the agent's channel --- */

static size_t on_agent_data(void *ctx, const void *data, size_t len)
{
	struct sandbox *s = ctx;

	relay_from_guest(s->relay, data, len);
	return len;
}

static void on_agent_writable(void *ctx)
{
	relay_guest_writable(((struct sandbox *)ctx)->relay);
}

static void on_agent_open(void *ctx, bool open)
{
	struct sandbox *s = ctx;

	log_debug("runtime", "agent channel %s", open ? "open" : "closed");
	if (open)
		relay_guest_writable(s->relay);
	else
		sandbox_on_agent_closed(s);
}

static void on_console(void *ctx, const void *data, size_t len)
{
	struct sandbox *s = ctx;

	logs_kernel(s->logs, data, len);
	if (s->bootlog)
		bootlog_add(s->bootlog, data, len);
}

static size_t guest_send(void *ctx, const void *data, size_t len)
{
	return vconsole_write(((struct sandbox *)ctx)->console, data, len);
}

static void on_ready(void *ctx)
{
	sandbox_on_ready(ctx);
}

static void on_shutdown(void *ctx)
{
	sandbox_on_shutdown(ctx);
}

static int on_modify(void *ctx, const void *text, size_t len, struct err *err)
{
	return sandbox_modify(ctx, text, len, err);
}

static void on_guest_broken(void *ctx, const char *why)
{
	struct sandbox *s = ctx;

	if (s->state == BOOTING)
		sandbox_fail_boot(s, "other", 0, "the guest's agent: %s", why);
	sandbox_kill(s, EXIT_INTERNAL_ERROR);
}

static void on_quiet(void *ctx)
{
	struct sandbox *s = ctx;

	if (s->spec.config.ephemeral && s->released && s->state == RUNNING)
		sandbox_stop(s, EXIT_COMPLETED);
}

static void on_usage(void *ctx, const struct msg_usage *u)
{
	sampler_on_usage(ctx, u);
}

static void on_startup_exit(void *ctx, const struct relay_exit *e)
{
	sandbox_on_startup_exit(ctx, e);
}

static void on_machine_exit(void *ctx, const struct machine_exit *e)
{
	sandbox_on_machine_exit(ctx, e);
}

static int make_channel(struct sandbox *s)
{
	const struct vconsole_events events = { .ctx = s,
						.on_console = on_console,
						.on_data = on_agent_data,
						.on_writable =
							on_agent_writable,
						.on_open = on_agent_open };
	const struct relay_config cfg = { .loop = s->loop,
					  .logs = s->logs,
					  .ctx = s,
					  .guest_send = guest_send,
					  .on_ready = on_ready,
					  .on_shutdown = on_shutdown,
					  .on_modify = on_modify,
					  .on_guest_broken = on_guest_broken,
					  .on_usage = on_usage,
					  .on_quiet = on_quiet,
					  .on_exit = on_startup_exit };
	int rc = relay_new(&cfg, &s->relay);

	if (!rc)
		rc = vconsole_new(&events, &s->console);
	return rc ? sandbox_boot_errno(s, "build_vm", rc, "agent channel") : 0;
}

static int make_rng_and_balloon(struct sandbox *s)
{
	int rc = vrng_new(&s->rng);

	if (!rc)
		rc = vballoon_new(&s->balloon);
	return rc ? sandbox_boot_errno(s, "build_vm", rc, "devices") : 0;
}

/* Files that are not needed before the guest is ready: making them takes the
 * host's file system longer than all else here, and the guest boots meanwhile.
 */
static int make_files(struct sandbox *s)
{
	int rc = io_unix_listen_at(s->runtime_fd, RUNTIME_AGENT_SOCK,
				   LISTEN_BACKLOG);

	if (rc < 0)
		return sandbox_boot_errno(s, "other", rc, "bind agent.sock");
	s->listen_fd = rc;
	rc = report_file_prepare(&s->machine_file);
	if (!rc)
		rc = report_file_prepare(&s->exit_file);
	return rc ? sandbox_boot_errno(s, "other", rc, "state files") : 0;
}

/* --- shared directories --- */

static enum fs_stat_virt stat_virt_of(enum stat_virt v)
{
	switch (v) {
	case STAT_VIRT_RELAXED:
		return FS_STAT_RELAXED;
	case STAT_VIRT_OFF:
		return FS_STAT_OFF;
	case STAT_VIRT_STRICT:
	default:
		return FS_STAT_STRICT;
	}
}

static int start_share(struct sandbox *s, struct fs_share *f,
		       const struct fs_config *cfg, const char *stage)
{
	struct fs_server *server;
	struct err err = { 0 };
	int rc;

	f->readonly = cfg->readonly;
	rc = fs_server_new(cfg, &server, &err);
	if (rc)
		return sandbox_boot_err(s, stage, rc, &err);
	/* not by its path, which may lead elsewhere by now */
	f->dir_fd = fcntl(fs_server_dir(server), F_DUPFD_CLOEXEC, 0);
	rc = f->dir_fd < 0 ? -errno
			   : vdev_fs_new(f->share.tag, server, &f->device);
	if (rc) {
		fs_server_free(server);
		return sandbox_boot_errno(s, "build_vm", rc, cfg->path);
	}
	return 0;
}

/* A guest needs more than 1 KiB of its own memory for each file it knows. */
static uint32_t max_inodes(const struct sandbox *s)
{
	return s->spec.config.memory_mib < 1u << 20
		       ? s->spec.config.memory_mib << 10
		       : 1u << 30;
}

static int share_root(struct sandbox *s)
{
	struct fs_share *f = &s->shares[s->nshares++];
	/* Names that are not there are asked for all the time, along PATH. */
	const struct fs_config cfg = { .path = s->spec.config.root.path,
				       .negative_ms = ROOT_NEGATIVE_MS,
				       .max_inodes = max_inodes(s),
				       .strict_or_relaxed = true };

	f->dir_fd = -1;
	(void)snprintf(f->share.tag, sizeof(f->share.tag), ROOT_TAG);
	return start_share(s, f, &cfg, "image");
}

/* Numeric identity of the guest's default user, 0:0 when nobody knows: files
 * of the exporting user belong to it. */
static void default_user(const struct sandbox *s, uint32_t *uid, uint32_t *gid)
{
	const char *user = s->spec.config.user;
	autoclose int etc = -1;
	struct buf passwd;

	*uid = s->spec.owner_uid;
	*gid = s->spec.owner_gid;
	if (s->spec.has_owner || !user)
		return;
	buf_init(&passwd, PASSWD_MAX);
	if (s->spec.config.root.kind == ROOT_BIND)
		etc = openat(s->shares[0].dir_fd, "etc",
			     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (etc >= 0) /* without it numbers still work */
		(void)io_read_file_at(etc, "passwd", &passwd);
	(void)user_lookup(user, buf_cstr(&passwd), uid, gid);
	buf_fini(&passwd);
}

static int share_mount(struct sandbox *s, size_t index, uint32_t uid,
		       uint32_t gid)
{
	const struct mount_config *m = &s->spec.config.mounts[index];
	struct fs_share *f = &s->shares[s->nshares];
	struct share earlier[MAX_SHARES];
	struct fs_config cfg = {
		.path = m->host,
		.follow_symlinks = m->follow_root_symlinks,
		.readonly = m->flags & MOUNT_READONLY,
		.noexec = m->flags & MOUNT_NOEXEC,
		.stat_virt = stat_virt_of(m->stat_virt),
		.host_perms = m->host_perms == HOST_PERMS_MIRROR
				      ? FS_PERMS_MIRROR
				      : FS_PERMS_PRIVATE,
		.guest_uid = uid,
		.guest_gid = gid,
		.max_inodes = max_inodes(s),
		.quota_bytes = (uint64_t)m->quota_mib << 20,
		.quota_whole = m->kind == MOUNT_NAMED,
	};
	autofree char *dir = NULL;
	struct stat st;

	f->dir_fd = -1;
	for (size_t i = 0; i < s->nshares; i++)
		earlier[i] = s->shares[i].share;
	share_tag(m->guest, earlier, s->nshares, f->share.tag);
	s->nshares++;
	f->share.index = index;
	if (stat(m->host, &st) < 0)
		return sandbox_boot_errno(s, "mount", -errno, m->host);
	if (!S_ISDIR(st.st_mode)) {
		char *slash;

		f->share.kind = SHARE_FILE;
		cfg.quota_bytes = 0;
		dir = strdup(m->host);
		if (!dir)
			return sandbox_boot_errno(s, "mount", -ENOMEM, m->host);
		slash = strrchr(dir, '/');
		cfg.file = m->host + (slash - dir) + 1;
		slash[slash == dir] = 0;
		cfg.path = dir;
	}
	return start_share(s, f, &cfg, "mount");
}

static int make_shares(struct sandbox *s)
{
	const struct sandbox_config *c = &s->spec.config;
	bool root = c->root.kind == ROOT_BIND;
	uint32_t uid, gid;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < c->nmounts; i++)
		n += c->mounts[i].kind != MOUNT_TMPFS;
	if (n > MAX_MOUNTS) {
		sandbox_fail_boot(s, "config", E2BIG,
				  "%zu mounts; a sandbox has at most %d", n,
				  MAX_MOUNTS);
		return -E2BIG;
	}
	if (!n && !root)
		return 0;
	s->shares = calloc(n + root, sizeof(*s->shares));
	if (!s->shares)
		return sandbox_boot_errno(s, "mount", -ENOMEM, "mounts");
	if (root)
		rc = share_root(s);
	if (!rc)
		default_user(s, &uid, &gid);
	for (size_t i = 0; !rc && i < c->nmounts; i++)
		if (mount_is_share(&c->mounts[i]))
			rc = share_mount(s, i, uid, gid);
	return rc;
}

/* --- the machine --- */

static int describe_guest(struct sandbox *s, const struct share *shares,
			  size_t nshares, struct bootspec *ret)
{
	MSB_CLEANUP(buf_fini) struct buf cas = { .max = HOST_CAS_MAX };
	struct guest_trust trust = { .ca = sandbox_ca_pem(s) };
	int rc = sandbox_host_cas_pem(s, &cas);

	if (!rc && buf_len(&cas)) {
		trust.host_cas = buf_cstr(&cas);
		rc = trust.host_cas ? 0 : -ENOMEM;
	}
	if (rc)
		return sandbox_boot_errno(s, "config", rc,
					  "the host's certificates");
	rc = compose_bootspec(&s->spec.config, shares, nshares,
			      s->nic ? &s->link : NULL, &trust, clock_wall_ns(),
			      ret);
	return rc ? sandbox_boot_errno(s, "config", rc, "boot specification")
		  : 0;
}

/* Patches of a root that has not been booted yet; *ret is -1 without any. */
static int open_patches(struct sandbox *s, int *ret, uint64_t *ret_bytes)
{
	struct stat st;

	*ret = openat(s->dir_fd, SANDBOX_PATCHES,
		      O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0 && errno == ENOENT)
		return 0;
	if (*ret < 0 || fstat(*ret, &st) < 0)
		return sandbox_boot_errno(s, "patch", -errno, SANDBOX_PATCHES);
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static int make_initramfs(struct sandbox *s)
{
	struct share shares[MAX_SHARES];
	autoclose int patches = -1;
	struct bootspec spec;
	struct err err = { 0 };
	struct buf encoded;
	uint64_t bytes;
	size_t n = 0;
	int rc;

	for (size_t i = s->spec.config.root.kind == ROOT_BIND; i < s->nshares;
	     i++)
		shares[n++] = s->shares[i].share;
	for (size_t i = 0; i < s->ndisks; i++)
		if (*s->disks[i].share.tag)
			shares[n++] = s->disks[i].share;
	rc = describe_guest(s, shares, n, &spec);
	if (rc)
		return rc;
	rc = open_patches(s, &patches, &spec.patch_bytes);
	if (rc) {
		bootspec_fini(&spec);
		return rc;
	}
	buf_init(&encoded, BOOTSPEC_MAX);
	rc = bootspec_encode(&spec, &encoded);
	bytes = spec.patch_bytes;
	bootspec_fini(&spec);
	if (rc)
		sandbox_boot_errno(s, "config", rc, "boot specification");
	else
		rc = initramfs_build(s->spec.initramfs, &encoded, patches,
				     bytes, &err);
	if (rc < 0)
		sandbox_boot_err(s, "build_vm", rc,
				 &err); /* not if told already */
	buf_fini(&encoded);
	return rc;
}

static enum engine_uml_mode mode_of(const char *text)
{
	if (str_eq(text, "ptrace"))
		return UML_MODE_PTRACE;
	return str_eq(text, "seccomp") ? UML_MODE_SECCOMP : UML_MODE_AUTO;
}

static int start_machine(struct sandbox *s, int initramfs_fd)
{
	const struct sandbox_config *c = &s->spec.config;
	struct virtio_device *devices[4 + MAX_SHARES];
	struct machine_desc desc = {
		.vcpus = c->cpus,
		.memory_mib = c->memory_mib,
		.kernel_path = s->spec.kernel,
		.initramfs_fd = initramfs_fd,
		.devices = devices,
		.uml_mode = mode_of(c->engine_mode),
		.jail_relaxed = str_eq(c->engine_jail, "relaxed"),
		.events = { s, on_console, on_machine_exit },
	};
	enum engine_kind kind;
	char reason[240];
	struct err err = { 0 };
	int rc;

	/* Those with threads of their own last: when the guest has found them
	 * all, the loop is busy closing the jail. */
	devices[desc.ndevices++] = vconsole_device(s->console);
	devices[desc.ndevices++] = s->rng;
	devices[desc.ndevices++] = s->balloon;
	if (s->nic)
		devices[desc.ndevices++] = s->nic;
	for (size_t i = 0; i < s->ndisks; i++)
		devices[desc.ndevices++] = s->disks[i].device;
	for (size_t i = 0; i < s->nshares; i++)
		devices[desc.ndevices++] = s->shares[i].device;
	rc = engine_select(s->spec.engine, &kind, reason, sizeof(reason), &err);
	if (!rc)
		rc = machine_start(s->loop, kind, &desc, &s->machine, &err);
	if (rc)
		return sandbox_boot_err(s, "build_vm", rc, &err);
	log_info("engine", "%s: %s", engine_kind_name(kind), reason);
	return 0;
}

int sandbox_boot(struct sandbox *s)
{
	autoclose int initramfs = -1;
	uint64_t before_ns;
	int rc = open_state(s);

	if (rc)
		return rc;
	start_log(s);
	buf_init(&s->machine_text, MACHINE_TEXT_MAX);
	s->bootlog = calloc(1, sizeof(*s->bootlog)); /* nice to have */
	rc = make_channel(s);
	if (!rc)
		rc = make_rng_and_balloon(s);
	if (!rc)
		rc = make_shares(s);
	if (!rc)
		rc = sandbox_make_disks(s);
	if (!rc)
		rc = sandbox_make_network(s);
	if (rc)
		return rc;
	initramfs = make_initramfs(s);
	if (initramfs < 0)
		return initramfs;
	rc = sandbox_watch(s);
	if (rc)
		return sandbox_boot_errno(s, "other", rc, "event loop");
	before_ns = clock_mono_ns();
	logs_machine_started(s->logs);
	rc = start_machine(s, initramfs);
	if (rc)
		return rc;
	log_info("runtime", "machine: %llu us to its start, %llu us for it",
		 (unsigned long long)(before_ns - s->started_ns) / 1000,
		 (unsigned long long)(clock_mono_ns() - before_ns) / 1000);
	rc = make_files(s);
	if (rc)
		return rc;
	sampler_open(s);
	sandbox_seal(s);
	return 0;
}

void sandbox_unboot(struct sandbox *s)
{
	s->machine = machine_free(s->machine);
	for (size_t i = 0; i < s->nshares; i++) {
		struct fs_share *f = &s->shares[i];

		if (f->device)
			f->device->ops->free(f->device);
		close_fd(&f->dir_fd);
	}
	free(s->shares);
	s->shares = NULL;
	s->nshares = 0;
	sandbox_free_disks(s);
	s->console = vconsole_free(s->console);
	if (s->rng)
		s->rng->ops->free(s->rng);
	if (s->balloon)
		s->balloon->ops->free(s->balloon);
	s->rng = s->balloon = NULL;
	sandbox_free_network(s);
}
