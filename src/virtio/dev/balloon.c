/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues: 0 inflate and 1 deflate carry arrays of page numbers, the reporting
 * queue carries free pages as its buffers. Its number is 4 to some drivers and
 * 2 to others (Linux), which do not count the queues of features that are not
 * offered; we offer none of those, so each of 2 to 4 is the reporting queue.
 *
 * To give pages back takes the host's kernel up to a millisecond for a few
 * megabytes, so a report is worked off over several turns of the loop: it is
 * put back, popped again and checked again, and what was done already is
 * skipped. No request is held between callbacks.
 */
#include "virtio/dev/balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/compiler.h"

#define BIT(n) (1ull << (n))
/* Page numbers of one request; Linux sends up to 256. */
#define PFNS_MAX 1024u
#define PFN_LEN 4u
/* Given back by one call, and before others get their turn on the loop. */
#define PIECE (4u << 20)
#define TURN_BUDGET (8u << 20)
/* What a call costs by itself, as bytes. */
#define CALL_COST (64u << 10)

enum queue { Q_INFLATE, Q_DEFLATE, Q_REPORT, Q_COUNT = 5 };

struct vballoon {
	struct virtio_device dev;
	struct {
		uint32_t num_pages; /* ours */
		uint32_t actual;    /* the guest's */
	} config;		    /* little-endian */
	uint32_t target;	  /* num_pages, where the guest cannot write */
	size_t page;		  /* of the host */
	size_t reported[Q_COUNT]; /* bytes done of the oldest report */
	struct deferred more;
	bool more_queue[Q_COUNT]; /* for which queues */
	uint32_t pfns[PFNS_MAX];
	struct iovec iov[VQ_MAX_IOV];
};

static struct vballoon *of(struct virtio_device *d)
{
	return container_of(d, struct vballoon, dev);
}

/*
 * Give back whole pages of the host in [p, p+len). A failure (the mapping is
 * of a kind that has no holes) only means that the memory stays.
 */
static void give_back(const struct vballoon *b, uint8_t *p, size_t len)
{
	size_t skip = (size_t)(-(uintptr_t)p & (b->page - 1));

	if (len < skip + b->page)
		return;
	len = (len - skip) & ~(b->page - 1);
	/* a file gets a hole, private memory is forgotten */
	if (madvise(p + skip, len, MADV_REMOVE) < 0)
		(void)madvise(p + skip, len, MADV_DONTNEED);
}

/* --- page numbers --- */

static int compare_pfns(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Neighbours go together; a number outside guest memory is nobody's page.
 * Returns the cost. */
static size_t remove_pfns(struct vballoon *b, size_t n)
{
	size_t cost = 0;

	qsort(b->pfns, n, sizeof(b->pfns[0]), compare_pfns);
	for (size_t i = 0, end; i < n; i = end) {
		uint64_t gpa = (uint64_t)b->pfns[i] * VBALLOON_PAGE, len;
		uint8_t *p;

		for (end = i + 1; end < n; end++)
			if (b->pfns[end] - b->pfns[end - 1] > 1)
				break;
		len = (b->pfns[end - 1] - (uint64_t)b->pfns[i] + 1) *
		      VBALLOON_PAGE;
		p = gmem_range(b->dev.mem, gpa, len);
		if (p)
			give_back(b, p, len);
		cost += CALL_COST + len;
	}
	return cost;
}

/* One request with page numbers; false: a fault. */
static bool serve_pfns(struct vballoon *b, unsigned q, const struct vq_chain *c,
		       size_t *budget)
{
	size_t n = c->read_len / PFN_LEN, cost = CALL_COST;

	if (c->nwrite || c->read_len % PFN_LEN || !n || n > PFNS_MAX) {
		virtio_fault(&b->dev, "balloon: malformed request");
		return false;
	}
	if (q == Q_INFLATE) {
		(void)iov_read(c->readable, c->nread, 0, b->pfns, c->read_len);
		for (size_t i = 0; i < n; i++)
			b->pfns[i] = le32toh(b->pfns[i]);
		cost = remove_pfns(b, n);
	}
	*budget -= cost < *budget ? cost : *budget;
	/* deflated pages come back as they are touched */
	vq_push(&b->dev.queues[q], c, 0);
	return true;
}

/* --- free page reports --- */

static uint64_t memory_len(const struct guest_memory *m)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->nregions; i++)
		sum += m->region[i].len;
	return sum;
}

/* The part of a report from byte *done on that fits the budget; true when that
 * was all of it. */
static bool remove_reported(const struct vballoon *b, const struct vq_chain *c,
			    size_t *done, size_t *budget)
{
	size_t start = 0;

	for (unsigned i = 0; i < c->nwrite; i++) {
		const struct iovec *v = &c->writable[i];

		while (*done < start + v->iov_len) {
			size_t off = *done - start, n = v->iov_len - off;

			if (*budget == 0)
				return false;
			n = n < PIECE ? n : PIECE;
			give_back(b, (uint8_t *)v->iov_base + off, n);
			*done += n;
			*budget -= n + CALL_COST < *budget ? n + CALL_COST
							   : *budget;
		}
		start += v->iov_len;
	}
	return true;
}

/* One report; false: a fault, or the turn is over. */
static bool serve_report(struct vballoon *b, unsigned q,
			 const struct vq_chain *c, size_t *budget)
{
	struct virtqueue *vq = &b->dev.queues[q];

	/* an honest driver has no page free twice */
	if (c->nread || !c->nwrite || c->write_len > memory_len(b->dev.mem)) {
		virtio_fault(&b->dev, "balloon: malformed report");
		return false;
	}
	if (!remove_reported(b, c, &b->reported[q], budget)) {
		vq_unpop(vq);
		return false;
	}
	b->reported[q] = 0;
	vq_push(vq, c, 0);
	return true;
}

/* --- queues --- */

/* Requests until there are none (0), the turn is over (1) or a fault (< 0). */
static int serve_some(struct vballoon *b, unsigned q, size_t *budget)
{
	struct virtqueue *vq = &b->dev.queues[q];
	struct vq_chain c;
	int rc;

	while ((rc = vq_pop(vq, b->iov, &c)) > 0) {
		bool done = q < Q_REPORT ? serve_pfns(b, q, &c, budget)
					 : serve_report(b, q, &c, budget);

		if (b->dev.broken)
			return -1;
		if (!done || *budget == 0)
			return 1;
	}
	if (rc < 0)
		virtio_fault(&b->dev, "balloon: broken ring or request");
	return rc;
}

static void run_more(struct deferred *d)
{
	struct vballoon *b = container_of(d, struct vballoon, more);

	for (unsigned q = 0; q < Q_COUNT; q++) {
		if (!b->more_queue[q])
			continue;
		b->more_queue[q] = false;
		b->dev.ops->queue_ready(&b->dev, q);
	}
}

static void balloon_queue_ready(struct virtio_device *d, unsigned q)
{
	struct vballoon *b = of(d);
	struct virtqueue *vq = &d->queues[q];
	size_t budget = TURN_BUDGET;
	int rc;

	do {
		vq_disable_kick(vq);
		rc = serve_some(b, q, &budget);
		vq_signal(vq);
	} while (rc == 0 && vq_enable_kick(vq));
	if (rc > 0) {
		b->more_queue[q] = true;
		loop_defer(d->loop, &b->more, run_more);
	}
}

static void balloon_queue_stop(struct virtio_device *d, unsigned q)
{
	struct vballoon *b = of(d);

	b->more_queue[q] = false;
	b->reported[q] = 0;
}

static void balloon_config_written(struct virtio_device *d, size_t off,
				   size_t len)
{
	struct vballoon *b = of(d);

	(void)off;
	(void)len;
	b->config.num_pages = htole32(b->target);
}

static int balloon_start(struct virtio_device *d)
{
	(void)d;
	return 0;
}

static void balloon_stop(struct virtio_device *d)
{
	struct vballoon *b = of(d);

	loop_defer_cancel(&b->more);
	b->config.actual = 0;
}

static void balloon_free(struct virtio_device *d)
{
	free(of(d));
}

static const struct virtio_device_ops balloon_ops = {
	.id = VIRTIO_ID_BALLOON,
	.name = "balloon",
	.config_written = balloon_config_written,
	.start = balloon_start,
	.queue_ready = balloon_queue_ready,
	.queue_stop = balloon_queue_stop,
	.stop = balloon_stop,
	.free = balloon_free,
};

int vballoon_new(struct virtio_device **ret)
{
	struct vballoon *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->page = (size_t)sysconf(_SC_PAGESIZE);
	b->dev = (struct virtio_device){
		.ops = &balloon_ops,
		.features = BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
			    BIT(VIRTIO_BALLOON_F_REPORTING),
		.config = (uint8_t *)&b->config,
		.config_len = sizeof(b->config),
		.nqueues = Q_COUNT,
	};
	*ret = &b->dev;
	return 0;
}

void vballoon_set_target(struct virtio_device *d, uint32_t pages)
{
	struct vballoon *b = of(d);

	b->target = pages;
	b->config.num_pages = htole32(pages);
	virtio_config_changed(d);
}

uint32_t vballoon_actual(const struct virtio_device *d)
{
	return le32_get(d->config +
			offsetof(struct virtio_balloon_config, actual));
}
