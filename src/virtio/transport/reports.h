/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a transport's owner, on the loop of the owner, what happened on the
 * serving thread. A report crosses through an eventfd that is watched, not
 * through loop_post(): nothing is left behind when the transport is freed.
 */
#ifndef MSB_VIRTIO_TRANSPORT_REPORTS_H
#define MSB_VIRTIO_TRANSPORT_REPORTS_H

#include <pthread.h>
#include <stdbool.h>

#include "loop/loop.h"

/* In this order, when both wait. */
enum report_kind { REPORT_FAULT, REPORT_DISCONNECT, REPORT_KINDS };

struct report {
	bool pending;
	char why[120];
};

struct reports {
	int fd; /* owned; -1 = none */
	struct watch watch;
	pthread_mutex_t lock;
	struct report report[REPORT_KINDS]; /* guarded by lock */
	void (*deliver)(struct reports *r, enum report_kind kind,
			const char *why);
};

/* deliver is called once per turn of the loop, from a clean stack; it may call
 * reports_fini. After a failure reports_fini is due all the same. */
int reports_init(struct reports *r, struct loop *owner,
		 void (*deliver)(struct reports *, enum report_kind,
				 const char *));
/* Any thread. Of several of a kind that were not delivered the last counts. */
void reports_send(struct reports *r, enum report_kind kind, const char *why);
/* On the owner's thread; nothing is delivered any more. */
void reports_fini(struct reports *r);

#endif
