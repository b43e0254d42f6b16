/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which slot. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "metrics/registry.h"

bool metrics_process_gone(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };
	autoclose int fd = -1;

	if (pid <= 0)
		return true;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 && errno == ENOSYS)
		return kill(pid, 0) < 0 && errno == ESRCH;
	/* a number that has become that of a thread is no process at all */
	if (fd < 0)
		return errno == ESRCH || errno == EINVAL || errno == ENOENT;
	/* it may be a zombie, which maps nothing any more */
	p.fd = fd;
	return poll(&p, 1, 0) > 0;
}

static uint64_t new_generation(struct metrics_registry *r)
{
	uint64_t g;

	do {
		g = (atomic_fetch_add(&r->header->generation, 1) + 1) &
		    TAG_GENERATION_MAX;
	} while (!g); /* a page that was never used has 0 */
	return g;
}

/* Change hands from what is known; false: somebody was faster. */
static bool change(struct registry_entry *e, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&e->tag, &from, to);
}

static bool has_name(const struct registry_entry *e, const char *name)
{
	char own[METRICS_NAME_MAX + 1];

	entry_name(e, own);
	return !strcmp(own, name);
}

/* The same slot and generation in another state. The holder stays, unless there
 * was no runtime yet. */
static void set_state(struct registry_entry *e, uint64_t tag,
		      enum entry_state state)
{
	pid_t pid = tag_state(tag) == ENTRY_RESERVED ? 0 : tag_pid(tag);

	/* whoever was faster has taken it over, or did the same */
	(void)change(e, tag, tag_make(tag_generation(tag), pid, state));
}

void metrics_release(struct metrics_registry *r, const char *name, bool forget)
{
	uint32_t n = metrics_used(r);

	for (uint32_t i = 0; i < n; i++) {
		struct registry_entry *e = &r->entry[i];
		uint64_t tag = atomic_load(&e->tag);
		enum entry_state state = tag_state(tag);

		/* a reserved one may still have the name of who was there
		 * before; and it is its launcher's, or goes with that */
		if ((state != ENTRY_ACTIVE && state != ENTRY_STALE) ||
		    !has_name(e, name))
			continue;
		set_state(e, tag, forget ? ENTRY_FREE : ENTRY_STALE);
	}
}

/* Take slot i if its entry is free, or with any: not in use. */
static bool take(struct metrics_registry *r, uint32_t i, bool any,
		 uint64_t *ret_tag)
{
	struct registry_entry *e = &r->entry[i];
	uint64_t tag = atomic_load(&e->tag), mine;

	if (tag_state(tag) != ENTRY_FREE && !any)
		return false;
	if (!metrics_process_gone(tag_pid(tag)))
		return false;
	mine = tag_make(new_generation(r), getpid(), ENTRY_RESERVED);
	*ret_tag = mine;
	return change(e, tag, mine);
}

static bool take_used(struct metrics_registry *r, bool any, uint32_t *ret_slot,
		      uint64_t *ret_tag)
{
	uint32_t n = metrics_used(r);

	for (uint32_t i = 0; i < n; i++)
		if (take(r, i, any, ret_tag)) {
			*ret_slot = i;
			return true;
		}
	return false;
}

static bool take_new(struct metrics_registry *r, uint32_t *ret_slot,
		     uint64_t *ret_tag)
{
	uint32_t used = metrics_used(r);

	while (used < r->capacity) {
		/* whoever reads or looks for a slot goes as far as used says */
		if (registry_allocate(r,
				      HEADER_LEN + (uint64_t)used * ENTRY_LEN,
				      ENTRY_LEN))
			return false;
		if (!atomic_compare_exchange_strong(&r->header->used, &used,
						    used + 1))
			continue;
		if (take(r, used, false, ret_tag)) {
			*ret_slot = used;
			return true;
		}
		used = metrics_used(r);
	}
	return false;
}

static void fill(struct registry_entry *e, const struct metrics_facts *f)
{
	uint64_t words[NAME_WORDS] = { 0 };
	size_t len = strnlen(f->name, METRICS_NAME_MAX);

	memcpy(words, f->name, len);
	atomic_store(&e->cpus, f->cpus);
	atomic_store(&e->interval_ms, f->interval_ms);
	atomic_store(&e->memory_limit_bytes, f->memory_limit_bytes);
	atomic_store(&e->name_len, len);
	for (unsigned i = 0; i < NAME_WORDS; i++)
		atomic_store(&e->name[i], words[i]);
}

int metrics_reserve(struct metrics_registry *r, const struct metrics_facts *f,
		    struct metrics_ticket *ret, struct err *err)
{
	uint32_t slot;
	uint64_t tag;
	int rc;

	metrics_release(r, f->name, true);
	if (!take_used(r, false, &slot, &tag) && !take_new(r, &slot, &tag) &&
	    !take_used(r, true, &slot, &tag))
		return err_set(err, ERR_NO_SPACE, ENOSPC,
			       "all %u slots of the metrics registry are in "
			       "use (metrics.capacity in config.json)",
			       r->capacity);
	rc = registry_allocate(r, registry_slot_offset(r, slot),
			       METRICS_SLOT_LEN);
	if (rc) {
		set_state(&r->entry[slot], tag, ENTRY_FREE);
		return err_sys(err, ERR_IO, rc,
			       "find room in metrics registry /dev/shm%s",
			       r->name);
	}
	slot_reset(registry_slot(r, slot), tag_generation(tag));
	fill(&r->entry[slot], f);
	*ret = (struct metrics_ticket){ .slot = slot,
					.generation = tag_generation(tag),
					.offset =
						registry_slot_offset(r, slot) };
	return 0;
}

void metrics_hand_over(struct metrics_registry *r,
		       const struct metrics_ticket *t, pid_t runtime)
{
	uint64_t from = tag_make(t->generation, getpid(), ENTRY_RESERVED);

	/* nobody takes it while we live */
	(void)change(&r->entry[t->slot], from,
		     tag_make(t->generation, runtime, ENTRY_ACTIVE));
}

void metrics_give_back(struct metrics_registry *r,
		       const struct metrics_ticket *t)
{
	struct registry_entry *e = &r->entry[t->slot];
	uint64_t tag = atomic_load(&e->tag);

	if (tag_generation(tag) == t->generation)
		set_state(e, tag, ENTRY_FREE);
}
