/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named volumes on disk, <home>/volumes or where config.json has them:
 *
 *   NAME/                the volume: what guests see, or a disk's directory
 *   NAME/disk.raw        a disk's image
 *   .records/NAME.json   what it was made with
 *   .locks/NAME.lock     flock: exclusive to make and remove it, shared while a
 *                        sandbox with it is being started
 *   .NAME.xxxxxxxx/      being made or removed; a leftover when nobody holds
 *                        the lock
 *
 * The directory NAME is the truth: a record without one is a leftover, and a
 * directory without a record is a volume without a quota.
 */
#ifndef MSB_API_VOLUME_INT_H
#define MSB_API_VOLUME_INT_H

#include "api/api_int.h"

#define VOLUME_DISK "disk.raw"
#define VOLUME_LOCK_WAIT_MS 10000u

struct volume_record {
	msb_volume_kind_t kind;
	uint64_t quota_mib;    /* directory; 0 = none */
	uint64_t capacity_mib; /* disk */
	int64_t created_ms;
	struct strv labels; /* KEY=VALUE, sorted */
};
void volume_record_fini(struct volume_record *r);
/* From the caller's description; o may be NULL. */
int volume_record_make(const msb_volume_options_t *o, struct volume_record *ret,
		       struct err *err);
char *volume_record_to_json(const struct volume_record *r);
int volume_record_from_json(const char *text, size_t len,
			    struct volume_record *ret, struct err *err);

int volume_name_check(const char *name, struct err *err);

struct volumes {
	char *path; /* absolute */
	int fd;
};
/* Without create, -ENOENT (err not filled) when there never was a volume. */
int volumes_open(const msb_t *m, bool create, struct volumes *ret,
		 struct err *err);
void volumes_close(struct volumes *v);

/*
 * Lock one name: the descriptor, or -ETIMEDOUT (ERR_VOLUME_IN_USE) when others
 * keep it too long.
 */
int volume_lock(const struct volumes *v, const char *name, bool exclusive,
		uint64_t timeout_ms, struct err *err);
/* Give up the exclusive lock of a name that nothing has: its file goes, too. */
void volume_lock_retire(const struct volumes *v, const char *name, int *lock);

/* 0, or ERR_VOLUME_NOT_FOUND. Any lock, or none to only show it. */
int volume_load(const struct volumes *v, const char *name,
		struct volume_record *ret, struct err *err);
/* The exclusive lock. -EEXIST (ERR_VOLUME_EXISTS). */
int volume_make(const struct volumes *v, const char *name,
		const struct volume_record *r, struct err *err);
/* The exclusive lock, which is given up. */
int volume_unmake(const struct volumes *v, const char *name, int *lock,
		  struct err *err);
/* Names of all volumes, sorted. */
int volume_names(const struct volumes *v, struct strv *ret, struct err *err);
/* Remove what processes that died left of making and removing. */
void volumes_sweep(const struct volumes *v);

/* What a sandbox that is to be created wants of a volume. */
struct volume_wish {
	char *name;
	msb_volume_mode_t mode;
	bool described; /* record was given */
	struct volume_record record;
};
void volume_wish_fini(struct volume_wish *w);

/*
 * The volumes of a configuration, held so that nobody removes them before the
 * sandbox counts as running.
 */
struct volume_hold {
	int *locks;
	size_t nlocks;
	/* The mounts, the named ones with where they are: shallow, but for host
	 * and fstype of those. */
	struct mount_config *mounts;
	size_t nmounts;
};
/*
 * Make those that are wished for and missing, look for the others.
 */
int volumes_hold(msb_t *m, const struct sandbox_config *c,
		 const struct volume_wish *wishes, size_t nwishes,
		 struct volume_hold *ret, struct err *err);
void volumes_release(struct volume_hold *h);

#endif
