/* SPDX-License-Identifier: Apache-2.0 */
/* The shared object as a whole: opening, making, reading. */
#include "metrics/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Whoever makes the object needs microseconds; when it dies, its lock goes. */
#define LOCK_TRIES 100u
#define LOCK_PAUSE_NS 1000000

static uint64_t fnv1a64(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return h;
}

void metrics_registry_name(const char *home, char name[METRICS_SHM_NAME_MAX])
{
	(void)snprintf(name, METRICS_SHM_NAME_MAX, "/msb-met-%016" PRIx64 "-v2",
		       fnv1a64(home));
}

static uint64_t entries_end(uint32_t capacity)
{
	uint64_t end = HEADER_LEN + (uint64_t)capacity * ENTRY_LEN;

	return (end + METRICS_SLOT_LEN - 1) / METRICS_SLOT_LEN *
	       METRICS_SLOT_LEN;
}

static uint64_t object_len(uint32_t capacity)
{
	return entries_end(capacity) + (uint64_t)capacity * METRICS_SLOT_LEN;
}

uint64_t registry_slot_offset(const struct metrics_registry *r, uint32_t slot)
{
	return entries_end(r->capacity) + (uint64_t)slot * METRICS_SLOT_LEN;
}

struct metrics_slot *registry_slot(const struct metrics_registry *r,
				   uint32_t slot)
{
	return (struct metrics_slot *)(void *)((uint8_t *)r->header +
					       registry_slot_offset(r, slot));
}

/* --- opening --- */

static int refuse(const struct metrics_registry *r, struct err *err, int sys,
		  const char *why)
{
	return err_set(err, ERR_IO, sys, "metrics registry /dev/shm%s %s",
		       r->name, why);
}

static int io_failure(const struct metrics_registry *r, struct err *err,
		      int sys, const char *doing)
{
	return err_sys(err, ERR_IO, sys, "%s metrics registry /dev/shm%s",
		       doing, r->name);
}

/*
 * The directory is everybody's: another user may have been there first. Root
 * may look at what belongs to the owner of the home.
 */
static int check_owner(const struct metrics_registry *r, const char *home,
		       const struct stat *st, struct err *err)
{
	struct stat dir;
	bool ours = st->st_uid == geteuid();

	if (!ours && geteuid() == 0)
		ours = stat(home, &dir) == 0 && dir.st_uid == st->st_uid;
	if (!S_ISREG(st->st_mode) || !ours || st->st_mode & 077)
		return refuse(r, err, EPERM,
			      "belongs to somebody else, or others may write "
			      "to it");
	return 0;
}

static bool header_fits(const struct registry_header *h, uint64_t len)
{
	return h->magic == REGISTRY_MAGIC && h->version == REGISTRY_VERSION &&
	       h->header_len == HEADER_LEN && h->entry_len == ENTRY_LEN &&
	       h->slot_len == METRICS_SLOT_LEN && h->capacity > 0 &&
	       h->capacity <= METRICS_MAX_CAPACITY &&
	       object_len(h->capacity) <= len;
}

static bool header_ready(const struct registry_header *h, uint64_t len)
{
	return atomic_load_explicit(&h->state, memory_order_acquire) ==
		       REGISTRY_READY &&
	       header_fits(h, len);
}

/*
 * 1: the object is ready, len bytes; 0: nobody has finished making it. Not
 * through a mapping: a page that is not there yet would be allocated, and with
 * no room left for it that would be a SIGBUS.
 */
static int look(const struct metrics_registry *r, const char *home,
		uint64_t *ret_len, struct err *err)
{
	uint32_t state;
	struct stat st;
	ssize_t n;
	int rc;

	if (fstat(r->fd, &st) < 0)
		return io_failure(r, err, errno, "look at");
	rc = check_owner(r, home, &st, err);
	if (rc)
		return rc;
	n = pread(r->fd, &state, sizeof(state),
		  offsetof(struct registry_header, state));
	if (n < 0)
		return io_failure(r, err, errno, "read");
	if (n < (ssize_t)sizeof(state) || state == REGISTRY_RAW)
		return 0;
	if (st.st_size < (off_t)HEADER_LEN ||
	    (uint64_t)st.st_size > object_len(METRICS_MAX_CAPACITY))
		return refuse(r, err, EPROTO, "has an impossible size");
	*ret_len = (uint64_t)st.st_size;
	return 1;
}

/* 1: mapped; 0: nobody has finished making it; -errno. */
static int map_ready(struct metrics_registry *r, const char *home,
		     struct err *err)
{
	struct registry_header *h;
	uint64_t len = 0;
	int rc = look(r, home, &len, err);

	if (rc <= 0)
		return rc;
	h = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		 0);
	if (h == MAP_FAILED)
		return io_failure(r, err, errno, "map");
	if (!header_ready(h, len)) {
		(void)munmap(h, (size_t)len);
		return refuse(r, err, EPROTO, "is not one of this version");
	}
	r->header = h;
	r->len = (size_t)len;
	r->capacity = h->capacity;
	r->entry = (struct registry_entry *)(void *)((uint8_t *)h + HEADER_LEN);
	return 1;
}

static int lock(const struct metrics_registry *r, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (unsigned i = 0; flock(r->fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return io_failure(r, err, errno, "lock");
		(void)nanosleep(&pause, NULL); /* early is one more try */
	}
	return 0;
}

int registry_allocate(const struct metrics_registry *r, uint64_t offset,
		      uint64_t len)
{
	return posix_fallocate(r->fd, (off_t)offset, (off_t)len);
}

/*
 * Under the lock, an object that is not ready. What a dead maker has left of it
 * is part of a header at most.
 */
static int format(struct metrics_registry *r, uint32_t capacity,
		  struct err *err)
{
	struct registry_header *h;
	int rc;

	if (fchmod(r->fd, 0600) < 0 ||
	    ftruncate(r->fd, (off_t)object_len(capacity)) < 0)
		return io_failure(r, err, errno, "make");
	rc = registry_allocate(r, 0, HEADER_LEN);
	if (rc)
		return io_failure(r, err, rc, "find room for");
	h = mmap(NULL, HEADER_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		 0);
	if (h == MAP_FAILED)
		return io_failure(r, err, errno, "map");
	h->magic = REGISTRY_MAGIC;
	h->version = REGISTRY_VERSION;
	h->header_len = HEADER_LEN;
	h->entry_len = ENTRY_LEN;
	h->slot_len = METRICS_SLOT_LEN;
	h->capacity = capacity;
	h->created_unix_ms = (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);
	atomic_store_explicit(&h->state, REGISTRY_READY, memory_order_release);
	(void)munmap(h, HEADER_LEN);
	return 0;
}

static int make(struct metrics_registry *r, const char *home, uint32_t capacity,
		struct err *err)
{
	int rc = lock(r, err);

	if (rc)
		return rc;
	rc = map_ready(r, home, err); /* somebody else may have made it */
	if (!rc) {
		rc = format(r, capacity, err);
		if (!rc)
			rc = map_ready(r, home, err);
	}
	(void)flock(r->fd, LOCK_UN); /* else closing it does the same */
	return rc;
}

static int open_object(struct metrics_registry *r, const char *home,
		       uint32_t capacity, struct err *err)
{
	int rc;

	r->fd = shm_open(r->name, O_RDWR | (capacity ? O_CREAT : 0), 0600);
	if (r->fd < 0 && errno == ENOENT && !capacity)
		return -ENOENT;
	if (r->fd < 0)
		return io_failure(r, err, errno, "open");
	rc = map_ready(r, home, err);
	if (!rc)
		rc = capacity ? make(r, home, capacity, err) : -ENOENT;
	return rc < 0 ? rc : 0;
}

int metrics_registry_open(const char *home, uint32_t capacity,
			  struct metrics_registry **ret, struct err *err)
{
	struct metrics_registry *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "metrics registry");
	metrics_registry_name(home, r->name);
	if (capacity > METRICS_MAX_CAPACITY)
		capacity = METRICS_MAX_CAPACITY;
	rc = open_object(r, home, capacity, err);
	if (rc)
		r = metrics_registry_close(r);
	*ret = r;
	return rc;
}

struct metrics_registry *metrics_registry_close(struct metrics_registry *r)
{
	if (!r)
		return NULL;
	if (r->header)
		(void)munmap(r->header, r->len);
	close_fd(&r->fd);
	free(r);
	return NULL;
}

int metrics_registry_fd(const struct metrics_registry *r)
{
	return r->fd;
}

/* --- reading --- */

uint32_t metrics_used(const struct metrics_registry *r)
{
	uint32_t used =
		atomic_load_explicit(&r->header->used, memory_order_relaxed);

	return used < r->capacity ? used : r->capacity;
}

void entry_name(const struct registry_entry *e, char name[METRICS_NAME_MAX + 1])
{
	uint64_t len = atomic_load_explicit(&e->name_len, memory_order_relaxed);
	uint64_t words[NAME_WORDS];

	for (unsigned i = 0; i < NAME_WORDS; i++)
		words[i] =
			atomic_load_explicit(&e->name[i], memory_order_relaxed);
	if (len > METRICS_NAME_MAX)
		len = METRICS_NAME_MAX;
	memcpy(name, words, (size_t)len);
	name[len] = 0;
}

static uint32_t load_u32(const _Atomic uint64_t *p)
{
	uint64_t v = atomic_load_explicit(p, memory_order_relaxed);

	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void load_facts(const struct registry_entry *e, struct metrics_facts *f)
{
	entry_name(e, f->name);
	f->cpus = load_u32(&e->cpus);
	f->interval_ms = load_u32(&e->interval_ms);
	f->memory_limit_bytes = atomic_load_explicit(&e->memory_limit_bytes,
						     memory_order_relaxed);
}

/* The entry still says what it said when its facts were read. */
static bool unchanged(const struct registry_entry *e, uint64_t tag)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&e->tag, memory_order_relaxed) == tag;
}

int metrics_read(const struct metrics_registry *r, uint32_t slot,
		 struct metrics_reading *ret)
{
	const struct registry_entry *e;
	uint64_t tag;
	enum entry_state state;
	bool ended;

	if (slot >= r->capacity)
		return 0;
	e = &r->entry[slot];
	tag = atomic_load_explicit(&e->tag, memory_order_acquire);
	state = tag_state(tag);
	if (state != ENTRY_ACTIVE && state != ENTRY_STALE)
		return 0;
	load_facts(e, &ret->facts);
	if (!slot_read(registry_slot(r, slot), tag_generation(tag),
		       &ret->sample, &ended) ||
	    !unchanged(e, tag))
		return 0;
	ret->pid = tag_pid(tag);
	ret->ended = ended || state == ENTRY_STALE;
	return 1;
}

int metrics_find(const struct metrics_registry *r, const char *name,
		 struct metrics_reading *ret)
{
	uint32_t n = metrics_used(r);

	for (uint32_t i = 0; i < n; i++) {
		char own[METRICS_NAME_MAX + 1];

		entry_name(&r->entry[i], own);
		if (!strcmp(own, name) && metrics_read(r, i, ret) &&
		    !strcmp(ret->facts.name, name))
			return 1;
	}
	return 0;
}
