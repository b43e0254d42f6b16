/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A power failure of the host: of what was written to the image since the last
 * fdatasync(), any part may be on its disk. Whatever part it is, the image is
 * one that qemu-img check finds no errors in (clusters nobody uses aside), what
 * was flushed is there, and what was not is old or new, never foreign.
 *
 * fdatasync, pwritev2 and fallocate are replaced here, which note what goes to
 * the file; images are then put together from notes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "virtio/disk/disk.h"

#define SECTORS 512u
#define VERSIONS 64u
#define NOTES_MAX 4096u
#define FILE_MAX (4u << 20)

struct fixture;

struct note {
	uint64_t off;
	size_t len;
	uint8_t *data; /* NULL: a hole */
};

static struct {
	int fd; /* whose writes are noted; -1: nobody's */
	uint8_t *durable;
	size_t durable_len;
	struct note notes[NOTES_MAX];
	size_t n;
	/* what is to be looked at before a sync has its effect */
	void (*before_sync)(struct fixture *f);
	struct fixture *fixture;
} host = { .fd = -1 };

static void note(uint64_t off, size_t len, const struct iovec *iov, int n)
{
	struct note *w = &host.notes[host.n++];

	assert_true(host.n < NOTES_MAX && off + len <= FILE_MAX);
	*w = (struct note){ off, len, NULL };
	if (!iov)
		return;
	w->data = malloc(len);
	assert_non_null(w->data);
	len = 0;
	for (int i = 0; i < n; i++) {
		memcpy(w->data + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
}

static void apply(const struct note *w, uint8_t *file, size_t *len)
{
	if (w->data) {
		memcpy(file + w->off, w->data, w->len);
		if (w->off + w->len > *len)
			*len = w->off + w->len;
	} else if (w->off < *len) {
		size_t n = *len - w->off < w->len ? *len - w->off : w->len;

		memset(file + w->off, 0, n);
	}
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	ssize_t rc = syscall(SYS_pwritev2, fd, iov, n, off, 0, flags);

	if (fd == host.fd && rc > 0)
		note((uint64_t)off, (size_t)rc, iov, n);
	return rc;
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	int rc = (int)syscall(SYS_fallocate, fd, mode, off, len);

	if (fd == host.fd && rc == 0)
		note((uint64_t)off, (size_t)len, NULL, 0);
	return rc;
}

int fdatasync(int fd)
{
	if (fd != host.fd)
		return (int)syscall(SYS_fdatasync, fd);
	if (host.before_sync)
		host.before_sync(host.fixture);
	for (size_t i = 0; i < host.n; i++) {
		apply(&host.notes[i], host.durable, &host.durable_len);
		free(host.notes[i].data);
	}
	host.n = 0;
	return 0;
}

/* ---- what a sector may hold -------------------------------------------- */

/* A sector that was written holds its number and that of the write. */
struct sector {
	uint32_t versions[VERSIONS]; /* 0: zeroes; the first one is flushed */
	unsigned n;
};

struct fixture {
	char dir[32];
	struct disk *disk;
	struct sector sectors[SECTORS];
	uint32_t version, seed;
	uint8_t *crashed;
};

static uint32_t rnd(struct fixture *f)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return f->seed >> 8;
}

static void fill(uint8_t *data, uint32_t sector, uint32_t version)
{
	for (size_t i = 0; i < 512; i += 8) {
		le32_put(data + i, sector);
		le32_put(data + i + 4, version);
	}
}

/* The version in a sector; a mixture fails. */
static uint32_t version_of(const uint8_t *data, uint32_t sector)
{
	static const uint8_t zeroes[512];
	uint8_t want[512];
	uint32_t v = le32_get(data + 4);

	if (!memcmp(data, zeroes, 512))
		return 0;
	fill(want, sector, v);
	assert_memory_equal(data, want, 512);
	return v;
}

static void may_hold(struct fixture *f, uint32_t sector, uint32_t version)
{
	struct sector *s = &f->sectors[sector];

	assert_true(s->n < VERSIONS);
	s->versions[s->n++] = version;
}

static void flush(struct fixture *f)
{
	assert_int_equal(disk_flush(f->disk), 0);
	for (uint32_t i = 0; i < SECTORS; i++) {
		uint8_t data[512];
		struct iovec v = { data, 512 };

		assert_int_equal(disk_read(f->disk, &v, 1, i * 512ull), 0);
		f->sectors[i].versions[0] = version_of(data, i);
		f->sectors[i].n = 1;
	}
}

static void one_step(struct fixture *f)
{
	uint32_t first = rnd(f) % SECTORS, n = 1 + rnd(f) % 20;
	uint8_t data[20 * 512];
	struct iovec v = { data, 0 };

	if (n > SECTORS - first)
		n = SECTORS - first;
	for (uint32_t i = first; i < first + n; i++)
		if (f->sectors[i].n > VERSIONS - 2)
			return;
	v.iov_len = n * 512ul;
	switch (rnd(f) % 6) {
	case 0:
		assert_int_equal(
			disk_discard(f->disk, first * 512ull, n * 512ull), 0);
		for (uint32_t i = 0; i < n; i++)
			may_hold(f, first + i, 0);
		break;
	case 1:
		assert_int_equal(
			disk_zero(f->disk, first * 512ull, n * 512ull, true),
			0);
		for (uint32_t i = 0; i < n; i++)
			may_hold(f, first + i, 0);
		break;
	default:
		f->version++;
		for (uint32_t i = 0; i < n; i++) {
			fill(data + i * 512ul, first + i, f->version);
			may_hold(f, first + i, f->version);
		}
		assert_int_equal(
			disk_write(f->disk, &v, 1, first * 512ull, false), 0);
		break;
	}
}

/* ---- after the crash --------------------------------------------------- */

static int run(struct fixture *f, const char *command)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (chdir(f->dir) == 0)
			(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_file(struct fixture *f, const char *name, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

/* Some of the notes, in their order; parts of 512 bytes reach a disk whole. */
static void crash(struct fixture *f)
{
	size_t len = host.durable_len;
	int fd;

	memset(f->crashed, 0, FILE_MAX);
	memcpy(f->crashed, host.durable, host.durable_len);
	for (size_t i = 0; i < host.n; i++)
		for (size_t at = 0; at < host.notes[i].len; at += 512) {
			struct note w = host.notes[i];

			if (rnd(f) % 2)
				continue;
			w.off += at;
			w.len = w.len - at < 512 ? w.len - at : 512;
			if (w.data)
				w.data += at;
			apply(&w, f->crashed, &len);
		}
	fd = open_file(f, "crash.qcow2", O_RDWR | O_CREAT | O_TRUNC);
	assert_int_equal(write(fd, f->crashed, len), len);
	(void)close(fd);
}

static void expect_sound(struct fixture *f)
{
	int fd, rc = run(f, "qemu-img check -q crash.qcow2 >check.txt 2>&1");
	struct disk *d;

	if (rc != 0 && rc != 3) {
		(void)run(f, "cat check.txt >&2");
		fail_msg("qemu-img check: %d", rc);
	}
	fd = open_file(f, "crash.qcow2", O_RDONLY);
	assert_int_equal(disk_qcow2(fd, true, &d, NULL), 0);
	for (uint32_t i = 0; i < SECTORS; i++) {
		const struct sector *s = &f->sectors[i];
		uint8_t data[512];
		struct iovec v = { data, 512 };
		uint32_t version;
		unsigned k = 0;

		assert_int_equal(disk_read(d, &v, 1, i * 512ull), 0);
		version = version_of(data, i);
		while (k < s->n && s->versions[k] != version)
			k++;
		if (k == s->n)
			fail_msg("sector %u holds version %u", i, version);
	}
	disk_free(d);
}

static void crash_and_look(struct fixture *f)
{
	for (unsigned i = 0; i < 3; i++) {
		crash(f);
		expect_sound(f);
	}
}

static void begin(struct fixture *f, const char *make)
{
	struct stat st;
	int fd;

	assert_int_equal(run(f, make), 0);
	fd = open_file(f, "d.qcow2", O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size <= FILE_MAX);
	memset(host.durable, 0, FILE_MAX);
	assert_int_equal(pread(fd, host.durable, (size_t)st.st_size, 0),
			 st.st_size);
	host.durable_len = (size_t)st.st_size;
	host.fd = fd;
	assert_int_equal(disk_qcow2(fd, false, &f->disk, NULL), 0);
	flush(f);
	host.fixture = f;
	host.before_sync = crash_and_look;
}

static void end(struct fixture *f)
{
	disk_free(f->disk);
	host.before_sync = NULL;
	(void)fdatasync(host.fd);
	host.fd = -1;
}

/* A disk whose sectors all are of the first version. */
static void make_raw(struct fixture *f)
{
	int fd = open_file(f, "in.raw", O_RDWR | O_CREAT | O_TRUNC);

	f->version = 1;
	for (uint32_t i = 0; i < SECTORS; i++) {
		uint8_t data[512];

		fill(data, i, f->version);
		assert_int_equal(write(fd, data, 512), 512);
	}
	(void)close(fd);
}

static void any_moment_will_do(void **state)
{
	static const char *const images[] = {
		"qemu-img create -q -f qcow2 -o cluster_size=512 d.qcow2 256k",
		"qemu-img create -q -f qcow2 -o cluster_size=4096 d.qcow2 256k",
		"qemu-img create -q -f qcow2 -o cluster_size=512,"
		"refcount_bits=64 d.qcow2 256k",
		/* full */
		"qemu-img convert -O qcow2 -o cluster_size=1024 in.raw d.qcow2",
		/* all is shared with a snapshot, and has to be copied */
		"qemu-img convert -O qcow2 -o cluster_size=2048 in.raw d.qcow2"
		" && qemu-img snapshot -c a d.qcow2",
		"qemu-img convert -O qcow2 -o cluster_size=512 in.raw d.qcow2"
		" && qemu-img snapshot -c a d.qcow2",
		"qemu-img convert -c -O qcow2 -o cluster_size=4096 in.raw "
		"d.qcow2",
	};
	struct fixture *f = *state;

	make_raw(f);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		begin(f, images[i]);
		for (unsigned round = 0; round < 8; round++) {
			for (unsigned k = rnd(f) % 40; k--;)
				one_step(f);
			crash_and_look(f);
			flush(f);
		}
		end(f);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "%s/msb-crash-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->crashed = malloc(FILE_MAX);
	host.durable = malloc(FILE_MAX);
	assert_true(f->crashed && host.durable);
	f->seed = 7;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf \"%s\"", f->dir);
	(void)run(f, command);
	free(f->crashed);
	free(host.durable);
	free(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_moment_will_do, setup,
						teardown),
	};

	if (access("/usr/bin/qemu-img", X_OK) < 0 ||
	    access("/usr/bin/qemu-io", X_OK) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
