/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling guest memory. Most of a start is the host's kernel clearing large
 * pages, so a thread reads the files, with the owner's help in the end.
 */
#ifndef MSB_ENGINE_KVM_LOADER_H
#define MSB_ENGINE_KVM_LOADER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LOADER_JOBS 24

struct load_job {
	uint8_t *to;
	uint64_t len; /* what is still to be read */
	uint64_t off; /* in the file */
	int fd;	      /* borrowed */
};

struct loader {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool started;
	/* guarded by lock */
	struct load_job job[LOADER_JOBS];
	unsigned njobs, at;
	unsigned reading; /* pieces that are being read */
	bool stop;
	int rc; /* of the first piece that failed */
};

void loader_init(struct loader *l);

/* Read len bytes of fd at off to memory that is not used meanwhile; before
 * loader_start(). -E2BIG: too many jobs. */
int loader_add_file(struct loader *l, void *to, int fd, uint64_t off,
		    uint64_t len);

/* Begin; without a thread loader_finish() does all. */
void loader_start(struct loader *l);

/* Return when the files are read: 0, -ENODATA when one of them ended early, or
 * -errno. Their descriptors are not used any more. */
int loader_finish(struct loader *l);

/* Break off; the memory is not used any more. */
void loader_fini(struct loader *l);

#endif
