/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mmio: registers, negotiation, queues, interrupts, faults, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/io.h"
#include "vcpu.h"

#define FEATURE (1ull << 5)
#define QUEUES 2
#define CONFIG_LEN 10

/* A device that notes what it is asked and echoes lengths. */
struct probe {
	struct virtio_device dev;
	struct virtio_device_ops ops;
	struct vcpu v;
	uint8_t config[CONFIG_LEN];
	int refuse; /* what start returns */
	struct iovec iov[VQ_MAX_IOV];
	/* counted on the serving thread, atomic */
	unsigned starts, refused, stops, ready[QUEUES], queue_stops, configs;
	unsigned served;
	unsigned block; /* queue_ready waits while set */
	uint64_t acked;
	pthread_t thread; /* of the last call */
};

static struct probe *of(struct virtio_device *d)
{
	return container_of(d, struct probe, dev);
}

static void count(unsigned *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static unsigned get(const unsigned *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

static int probe_start(struct virtio_device *d)
{
	struct probe *p = of(d);

	p->acked = d->acked;
	p->thread = pthread_self();
	count(p->refuse ? &p->refused : &p->starts);
	return p->refuse;
}

static void probe_ready(struct virtio_device *d, unsigned q)
{
	struct probe *p = of(d);
	struct virtqueue *vq = &d->queues[q];
	struct vq_chain c;
	int rc;

	count(&p->ready[q]);
	while (get(&p->block))
		;
	do {
		vq_disable_kick(vq);
		while ((rc = vq_pop(vq, p->iov, &c)) > 0) {
			vq_push(vq, &c, (uint32_t)c.write_len);
			count(&p->served);
		}
		if (rc < 0)
			virtio_fault(d, "probe: broken ring");
	} while (vq_enable_kick(vq));
	vq_signal(vq);
}

static void probe_queue_stop(struct virtio_device *d, unsigned q)
{
	(void)q;
	count(&of(d)->queue_stops);
}

static void probe_config(struct virtio_device *d, size_t off, size_t len)
{
	struct probe *p = of(d);

	(void)off;
	(void)len;
	p->config[0] = 0x11; /* read-only after all */
	count(&p->configs);
}

static void probe_stop(struct virtio_device *d)
{
	count(&of(d)->stops);
}

static struct probe *probe_new(bool thread, bool page)
{
	struct probe *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->ops = (struct virtio_device_ops){ .id = VIRTIO_ID_RNG,
					     .name = "probe",
					     .wants_thread = thread,
					     .start = probe_start,
					     .queue_ready = probe_ready,
					     .queue_stop = probe_queue_stop,
					     .config_written = probe_config,
					     .stop = probe_stop };
	for (unsigned i = 0; i < CONFIG_LEN; i++)
		p->config[i] = (uint8_t)(0x11 * (i + 1));
	p->dev = (struct virtio_device){ .ops = &p->ops,
					 .features = FEATURE,
					 .config = p->config,
					 .config_len = CONFIG_LEN,
					 .nqueues = QUEUES };
	vcpu_open(&p->v, &p->dev, page);
	return p;
}

static int setup_shared(void **state)
{
	*state = probe_new(false, false);
	return 0;
}

static int setup_thread(void **state)
{
	*state = probe_new(true, true);
	return 0;
}

static int teardown(void **state)
{
	struct probe *p = *state;

	vcpu_close(&p->v);
	assert_null(p->dev.transport);
	assert_int_equal(get(&p->starts), get(&p->stops));
	free(p);
	return 0;
}

/* Everything up to DRIVER_OK. */
static void bring_up(struct probe *p, uint64_t features)
{
	assert_int_equal(vcpu_negotiate(&p->v, features),
			 STATUS_ACKNOWLEDGE | STATUS_DRIVER |
				 STATUS_FEATURES_OK);
	for (unsigned i = 0; i < QUEUES; i++)
		vcpu_queue(&p->v, i, 16);
	vcpu_driver_ok(&p->v);
}

static void post(struct probe *p, unsigned q, uint32_t len)
{
	struct drv_seg seg = { drv_alloc(&p->v.mem, len), len, true };

	drv_add(&p->v.q[q], &seg, 1, false);
}

static void test_identity(void **state)
{
	static const uint16_t zero[] = { 0x28, 0x3c, 0x40, 0x54, 0x58, 0xac,
					 0xc0, 0xc4, 0x38, 0x80, 0x50, 0x64 };
	struct vcpu *v = &((struct probe *)*state)->v;
	uint8_t two[2] = { 0xaa, 0xaa };
	uint64_t eight = UINT64_MAX;

	assert_int_equal(vcpu_read(v, 0x000), 0x74726976);
	assert_int_equal(vcpu_read(v, 0x004), 2);
	assert_int_equal(vcpu_read(v, 0x008), VIRTIO_ID_RNG);
	assert_int_equal(vcpu_read(v, 0x00c), 0x0042534d);
	for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
		assert_int_equal(vcpu_read(v, zero[i]), 0);
	for (uint64_t off = 0xb0; off <= 0xbc; off += 4)
		assert_int_equal(vcpu_read(v, off), UINT32_MAX);
	/* nothing but whole, aligned words */
	virtio_mmio_read(v->m, 0, two, sizeof(two));
	assert_int_equal(le16_get(two), 0);
	virtio_mmio_read(v->m, 0, &eight, sizeof(eight));
	assert_true(eight == 0);
	assert_int_equal(vcpu_read(v, 0x002), 0);
	/* outside */
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_LEN), 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_LEN - 2), 0);
	assert_int_equal(vcpu_read(v, UINT64_MAX - 1), 0);
	vcpu_write(v, VIRTIO_MMIO_LEN, 1);
	vcpu_write(v, UINT64_MAX, 1);
}

static void test_odd_writes(void **state)
{
	struct vcpu *v = &((struct probe *)*state)->v;
	uint8_t one[8] = { 1 };

	virtio_mmio_write(v->m, VIRTIO_MMIO_STATUS, one, 1);
	virtio_mmio_write(v->m, VIRTIO_MMIO_STATUS, one, 2);
	virtio_mmio_write(v->m, VIRTIO_MMIO_STATUS, one, 8);
	virtio_mmio_write(v->m, VIRTIO_MMIO_STATUS - 1, one, 4);
	virtio_mmio_write(v->m, VIRTIO_MMIO_STATUS, one, 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS), 0);
	/* read-only ones stay */
	for (uint64_t off = 0; off <= 0x10; off += 4)
		if (off != 0x14)
			vcpu_write(v, off, 0);
	assert_int_equal(vcpu_read(v, 0), 0x74726976);
}

static void test_features(void **state)
{
	const uint64_t all = FEATURE | VIRTIO_BIT_VERSION_1 |
			     VIRTIO_BIT_EVENT_IDX | VIRTIO_BIT_INDIRECT_DESC;
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	assert_int_equal(vcpu_read(v, 0x10), (uint32_t)all);
	vcpu_write(v, 0x14, 1);
	assert_int_equal(vcpu_read(v, 0x10), all >> 32);
	vcpu_write(v, 0x14, 2);
	assert_int_equal(vcpu_read(v, 0x10), 0);
	vcpu_write(v, 0x14, UINT32_MAX);
	assert_int_equal(vcpu_read(v, 0x10), 0);

	assert_true(vcpu_negotiate(v, all) & STATUS_FEATURES_OK);
	assert_true(p->acked == all);
	/* what was agreed stays */
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	vcpu_driver_ok(v);
	assert_int_equal(get(&p->starts), 1);
	assert_false(vcpu_negotiate(v, 1 << 7) & STATUS_FEATURES_OK);
	assert_true(vcpu_negotiate(v, 0) & STATUS_FEATURES_OK);
	assert_true(p->acked == VIRTIO_BIT_VERSION_1);
	assert_int_equal(get(&p->starts), 2);
}

static void test_features_refused(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	/* version 1 is a must */
	vcpu_write(v, VIRTIO_MMIO_STATUS,
		   STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS),
			 STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	/* DRIVER_OK means nothing without */
	vcpu_driver_ok(v);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS),
			 STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	/* features beyond what we can read */
	vcpu_reset(v);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	vcpu_write(v, VIRTIO_MMIO_STATUS, STATUS_FEATURES_OK);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(get(&p->starts), 0);
	/* the device has its own opinion */
	p->refuse = -ENOTSUP;
	assert_false(vcpu_negotiate(v, 0) & STATUS_FEATURES_OK);
	assert_int_equal(get(&p->refused), 1);
	assert_true(p->dev.acked == 0);
}

static void test_life(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;
	uint64_t one = 1;

	bring_up(p, 0);
	vcpu_wait(&p->ready[1], 1);
	assert_int_equal(get(&p->ready[0]), 1);
	assert_int_equal(vcpu_irqs(v), 0);
	if (!p->ops.wants_thread)
		assert_false(pthread_equal(p->thread, pthread_self()));
	/* through the register, as an exit */
	post(p, 1, 100);
	vcpu_notify(v, 1);
	assert_int_equal(vcpu_used(v, 1), 100);
	assert_int_equal(vcpu_interrupt(v), 1);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	/* through the eventfd, as KVM does it */
	post(p, 0, 7);
	assert_int_equal(io_write(virtio_mmio_kick_fd(v->m, 0), &one, 8), 8);
	assert_int_equal(vcpu_used(v, 0), 7);
	assert_int_equal(vcpu_interrupt(v), 1);
	/* a queue that does not exist, a value that is none */
	vcpu_notify(v, QUEUES);
	vcpu_notify(v, UINT32_MAX);
	assert_int_equal(get(&p->served), 2);
}

static void test_acknowledge(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	bring_up(p, 0);
	post(p, 0, 1);
	vcpu_notify(v, 0);
	(void)vcpu_used(v, 0);
	while (!vcpu_irqs(v))
		;
	assert_int_equal(vcpu_read(v, 0x60), 1);
	vcpu_write(v, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	assert_int_equal(vcpu_read(v, 0x60), 1);
	/* each event interrupts, acknowledged or not */
	post(p, 0, 1);
	vcpu_notify(v, 0);
	(void)vcpu_used(v, 0);
	while (!vcpu_irqs(v))
		;
	vcpu_write(v, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(vcpu_read(v, 0x60), 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_INTERRUPT_ACK), 0);
}

static void test_queue_registers(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	assert_true(vcpu_negotiate(v, 0) & STATUS_FEATURES_OK);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_SEL, QUEUES);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_READY), 0);
	vcpu_queue(v, 0, 16);
	/* a ready queue keeps its rings */
	vcpu_write(v, VIRTIO_MMIO_QUEUE_NUM, 3);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_DESC_HIGH, 77);
	vcpu_driver_ok(v);
	vcpu_wait(&p->ready[0], 1);
	post(p, 0, 5);
	vcpu_notify(v, 0);
	assert_int_equal(vcpu_used(v, 0), 5);
	/* taken back while the device runs, given again */
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(get(&p->queue_stops), 1);
	vcpu_notify(v, 0);
	vcpu_queue(v, 0, 256);
	assert_true(get(&p->ready[0]) >= 2);
	post(p, 0, 6);
	vcpu_notify(v, 0);
	assert_int_equal(vcpu_used(v, 0), 6);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET,
			 0);
}

/* One broken queue; the rest of the device is dead with it. */
static void expect_fault(struct probe *p, const char *why)
{
	struct vcpu *v = &p->v;
	unsigned ready;

	vcpu_wait(&v->faults, 1);
	assert_string_equal(v->why, why);
	assert_true(vcpu_read(v, VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET);
	assert_int_equal(vcpu_interrupt(v) & 2, 2);
	ready = get(&p->ready[1]);
	vcpu_notify(v, 1);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_SEL, 1);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 0); /* waits for the device */
	assert_int_equal(get(&p->ready[1]), ready);
	assert_int_equal(v->faults, 1);
	/* a reset mends it */
	vcpu_reset(v);
	assert_int_equal(get(&p->stops), 1);
	bring_up(p, 0);
	post(p, 1, 9);
	vcpu_notify(v, 1);
	assert_int_equal(vcpu_used(v, 1), 9);
	assert_int_equal(v->faults, 1);
}

static void test_broken_ring(void **state)
{
	struct probe *p = *state;

	bring_up(p, 0);
	vcpu_wait(&p->ready[1], 1);
	drv_set_avail_idx(&p->v.q[0], 1000);
	vcpu_notify(&p->v, 0);
	expect_fault(p, "probe: broken ring");
}

static void bad_queue(struct probe *p, uint32_t off, uint32_t value)
{
	struct vcpu *v = &p->v;

	(void)vcpu_negotiate(v, 0);
	vcpu_queue(v, 0, 16);
	vcpu_queue(v, 1, 16);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_SEL, 0);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 0);
	vcpu_write(v, off, value);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 1);
	vcpu_driver_ok(v);
	expect_fault(p, "probe: queue 0 cannot be used");
}

static void test_bad_size(void **state)
{
	bad_queue(*state, VIRTIO_MMIO_QUEUE_NUM, 0x10010);
}

static void test_too_large(void **state)
{
	bad_queue(*state, VIRTIO_MMIO_QUEUE_NUM, 2 * VIRTIO_MMIO_QUEUE_SIZE);
}

static void test_bad_address(void **state)
{
	bad_queue(*state, VIRTIO_MMIO_QUEUE_USED_HIGH, 1);
}

static void test_misaligned(void **state)
{
	bad_queue(*state, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)VCPU_GPA + 8);
}

static void test_config(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;
	uint8_t data[8];

	assert_int_equal(vcpu_read(v, 0x100), 0x44332211);
	assert_int_equal(vcpu_read(v, 0x108), 0xaa99); /* zero behind the end */
	virtio_mmio_read(v->m, 0x103, data, 1);
	assert_int_equal(data[0], 0x44);
	virtio_mmio_read(v->m, 0x102, data, 8);
	assert_memory_equal(data, "\x33\x44\x55\x66\x77\x88\x99\xaa", 8);
	virtio_mmio_read(v->m, 0xff8, data, 8);
	assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
	/* nothing is written before the features are agreed on */
	vcpu_write(v, 0x104, 0);
	assert_int_equal(vcpu_read(v, 0x104), 0x88776655);
	(void)vcpu_negotiate(v, 0);
	vcpu_write(v, 0x100, 0xddccbbaa);
	assert_int_equal(get(&p->configs), 1);
	assert_int_equal(vcpu_read(v, 0x100), 0xddccbb11); /* device's word */
	virtio_mmio_write(v->m, 0x109, "\x01", 1);
	assert_int_equal(vcpu_read(v, 0x108), 0x0199);
	/* not even partly outside */
	vcpu_write(v, 0x108, 0);
	vcpu_write(v, 0x1000, 0);
	vcpu_write(v, 0x100 + CONFIG_LEN, 0);
	assert_int_equal(get(&p->configs), 2);
	assert_int_equal(vcpu_read(v, 0xfc), 0);
}

static void change_config(void *ctx)
{
	struct probe *p = ctx;

	p->config[4]++;
	virtio_config_changed(&p->dev);
}

static void test_config_changed(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;
	uint32_t generation = vcpu_read(v, 0xfc);

	/* shown, but nobody listens yet */
	vcpu_on_owner(v, change_config, p);
	assert_int_equal(vcpu_read(v, 0x104), 0x88776656);
	assert_int_not_equal(vcpu_read(v, 0xfc), generation);
	assert_int_equal(vcpu_irqs(v), 0);
	bring_up(p, 0);
	generation = vcpu_read(v, 0xfc);
	vcpu_on_owner(v, change_config, p);
	assert_int_equal(vcpu_interrupt(v), 2);
	assert_int_equal(vcpu_read(v, 0x104), 0x88776657);
	assert_int_not_equal(vcpu_read(v, 0xfc), generation);
}

static void test_reset(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	for (int i = 0; i < 3; i++) {
		bring_up(p, VIRTIO_BIT_EVENT_IDX);
		post(p, 0, 1);
		vcpu_notify(v, 0);
		(void)vcpu_used(v, 0);
		vcpu_reset(v);
		assert_int_equal(vcpu_read(v, 0x60), 0);
		assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_int_equal(get(&p->stops), i + 1);
		assert_true(p->dev.acked == 0);
		(void)vcpu_irqs(v);
	}
	/* one without a device behind it */
	vcpu_reset(v);
	assert_int_equal(get(&p->stops), 3);
}

static void test_page(void **state)
{
	struct probe *p = *state;
	struct vcpu *v = &p->v;

	bring_up(p, 0);
	post(p, 0, 1);
	vcpu_notify(v, 0);
	(void)vcpu_used(v, 0);
	while (!vcpu_irqs(v))
		;
	vcpu_write(v, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	for (uint32_t off = 0; off < VIRTIO_MMIO_LEN; off += 4)
		assert_int_equal(le32toh(__atomic_load_n(
					 (uint32_t *)(void *)(v->regs + off),
					 __ATOMIC_SEQ_CST)),
				 vcpu_read(v, off));
	assert_int_equal(v->regs[0x60], 1);
	assert_int_equal(v->regs[0x10], 1);
}

/* --- threads --- */

struct hang {
	struct probe *p;
	unsigned entered, left;
};

static void *hanging_vcpu(void *arg)
{
	struct hang *h = arg;

	count(&h->entered);
	/* waits for the serving thread, which is busy */
	vcpu_write(&h->p->v, VIRTIO_MMIO_STATUS, 0);
	vcpu_write(&h->p->v, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE);
	count(&h->left);
	return NULL;
}

/*
 * The owner ends a machine while vCPUs wait for its very loop, or for the
 * thread of a device that hangs: it lets them go and can join them then.
 */
static void join_vcpus(void *ctx)
{
	struct hang *h = ctx;
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, hanging_vcpu, h), 0);
	vcpu_wait(&h->entered, 2);
	assert_int_equal(get(&h->left), 0); /* nobody could serve them */
	virtio_mmio_release(h->p->v.m);
	virtio_mmio_release(h->p->v.m);
	for (int i = 0; i < 2; i++)
		(void)pthread_join(thread[i], NULL);
	assert_int_equal(get(&h->left), 2);
	__atomic_store_n(&h->p->block, 0, __ATOMIC_SEQ_CST);
	h->p->v.m = virtio_mmio_free(h->p->v.m);
	assert_int_equal(get(&h->p->stops), 1);
}

static void test_release(void **state)
{
	struct probe *p = *state;
	struct hang h = { .p = p };

	bring_up(p, 0);
	vcpu_wait(&p->ready[1], 1);
	if (p->ops.wants_thread) {
		__atomic_store_n(&p->block, 1, __ATOMIC_SEQ_CST);
		vcpu_notify(&p->v, 0);
		vcpu_wait(&p->ready[0], 2);
	}
	vcpu_on_owner(&p->v, join_vcpus, &h);
}

#define HAMMERS 3
#define BLOWS 4000

struct hammer {
	struct probe *p;
	uint64_t seed;
	pthread_t thread;
};

static uint32_t rnd(struct hammer *h)
{
	/* xorshift64: the same numbers everywhere */
	h->seed ^= h->seed << 13;
	h->seed ^= h->seed >> 7;
	h->seed ^= h->seed << 17;
	return (uint32_t)(h->seed >> 16);
}

/* Mostly what a driver would write, so that the device often runs. */
static void blow(struct hammer *h)
{
	static const uint32_t status[] = {
		0, STATUS_ACKNOWLEDGE | STATUS_DRIVER, STATUS_FEATURES_OK,
		STATUS_FEATURES_OK | STATUS_DRIVER_OK, STATUS_DRIVER_OK
	};
	struct vcpu *v = &h->p->v;
	uint32_t r = rnd(h), at = (uint32_t)VCPU_GPA + (r >> 12) % 4096 * 16;
	uint8_t bytes[8];

	switch (r % 16) {
	case 0:
		vcpu_write(v, VIRTIO_MMIO_STATUS, status[(r >> 8) % 5]);
		break;
	case 1:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_SEL, (r >> 8) % 3);
		break;
	case 2:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, (r >> 8) % 2);
		break;
	case 3:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_NUM, 1u << (r >> 8) % 10);
		break;
	case 4:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_DESC_LOW, at);
		break;
	case 5:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at);
		break;
	case 6:
		vcpu_write(v, VIRTIO_MMIO_QUEUE_USED_LOW, at);
		break;
	case 7:
		vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, 1);
		break;
	case 8:
		vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
		vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, 3u << 28);
		break;
	case 9:
	case 10:
		vcpu_notify(v, (r >> 8) % 3);
		break;
	case 11:
		virtio_mmio_write(v->m, VIRTIO_MMIO_CONFIG + (r >> 8) % 16,
				  "hammered", 1 + (r >> 16) % 8);
		break;
	case 12:
		vcpu_write(v, VIRTIO_MMIO_INTERRUPT_ACK, r >> 8);
		break;
	default:
		virtio_mmio_read(v->m, (r >> 8) % 0x120, bytes, (r >> 20) % 9);
		break;
	}
}

static void *hammering_vcpu(void *arg)
{
	struct hammer *h = arg;

	for (int i = 0; i < BLOWS; i++)
		blow(h);
	return NULL;
}

/* Several vCPUs that know nothing of each other; then a well-behaved one. */
static void test_hammer(void **state)
{
	struct probe *p = *state;
	struct hammer h[HAMMERS];

	for (unsigned i = 0; i < HAMMERS; i++) {
		h[i] = (struct hammer){ .p = p, .seed = 4711 * (i + 1) };
		assert_int_equal(pthread_create(&h[i].thread, NULL,
						hammering_vcpu, &h[i]),
				 0);
	}
	for (unsigned i = 0; i < HAMMERS; i++)
		(void)pthread_join(h[i].thread, NULL);
	assert_true(get(&p->starts) > 0);
	vcpu_reset(&p->v);
	memset(p->v.mem.host, 0, VCPU_MEM_LEN);
	bring_up(p, 0);
	post(p, 1, 3);
	vcpu_notify(&p->v, 1);
	assert_int_equal(vcpu_used(&p->v, 1), 3);
	assert_int_equal(
		vcpu_read(&p->v, VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET, 0);
}

static void test_new_refuses(void **state)
{
	struct probe *p = *state;
	struct virtio_device dev = p->dev;
	struct virtio_mmio *m = NULL;
	int irq = eventfd(0, EFD_CLOEXEC);

	assert_true(irq >= 0);
	dev.config_len = VIRTIO_MMIO_LEN;
	assert_int_equal(
		virtio_mmio_new(NULL, &dev, &p->v.mem.gm, irq, NULL, NULL, &m),
		-EINVAL);
	assert_null(m);
	assert_int_equal(close(irq), -1); /* taken */
	assert_null(virtio_mmio_free(NULL));
}

#define BOTH(fn)                                                               \
	cmocka_unit_test_setup_teardown(fn, setup_shared, teardown),           \
		cmocka_unit_test_setup_teardown(fn, setup_thread, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_identity),
		BOTH(test_odd_writes),
		BOTH(test_features),
		BOTH(test_features_refused),
		BOTH(test_life),
		BOTH(test_acknowledge),
		BOTH(test_queue_registers),
		BOTH(test_broken_ring),
		BOTH(test_bad_size),
		BOTH(test_too_large),
		BOTH(test_bad_address),
		BOTH(test_misaligned),
		BOTH(test_config),
		BOTH(test_config_changed),
		BOTH(test_reset),
		cmocka_unit_test_setup_teardown(test_page, setup_thread,
						teardown),
		BOTH(test_release),
		BOTH(test_hammer),
		cmocka_unit_test_setup_teardown(test_new_refuses, setup_shared,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
