/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of virtio-mmio (virtio 1.2, table 4.1), as a page of memory.
 *
 * The page always holds what a read is to return, also where that depends on
 * a selector, because the guest may have it mapped and read it without us. So
 * every word is stored at once, atomically, and config fields that belong
 * together may be read half-way through a change, as on a slow bus: the driver
 * compares the generation, and is interrupted after a change was complete.
 *
 * InterruptStatus lives in the page only. A queue's used index is stored
 * before the bit is set, the bit before the guest is interrupted; the guest
 * reads the bit, clears it, then looks at the ring. So a bit set between its
 * reading and clearing is lost, but not what it stood for; and the interrupt
 * is sent anew for each event, whether the bit was set before or not.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "virtio/transport/mmio_int.h"

#define MAGIC 0x74726976u  /* "virt" */
#define VENDOR 0x0042534du /* "MSB" */

_Static_assert(VIRTIO_MMIO_QUEUE_NOTIFY == VIRTIO_MMIO_NOTIFY_OFFSET &&
		       VIRTIO_MMIO_INTERRUPT_ACK == VIRTIO_MMIO_ACK_OFFSET &&
		       VIRTIO_MMIO_CONFIG == MMIO_CONFIG,
	       "offsets told to the engine");

#define STATUS_OF_DRIVER                                                       \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                \
	 VIRTIO_CONFIG_S_FAILED)

static uint32_t *word(const struct virtio_mmio *m, size_t off)
{
	return (uint32_t *)(void *)(m->regs + off);
}

static void show(struct virtio_mmio *m, size_t off, uint32_t v)
{
	__atomic_store_n(word(m, off), htole32(v), __ATOMIC_RELEASE);
}

static uint64_t offered(const struct virtio_mmio *m)
{
	return m->dev->features | MMIO_TRANSPORT_FEATURES;
}

static struct mmio_queue *selected(struct virtio_mmio *m)
{
	return m->queue_sel < m->dev->nqueues ? &m->queue[m->queue_sel] : NULL;
}

void mmio_regs_init(struct virtio_mmio *m)
{
	show(m, VIRTIO_MMIO_MAGIC_VALUE, MAGIC);
	show(m, VIRTIO_MMIO_VERSION, 2);
	show(m, VIRTIO_MMIO_DEVICE_ID, m->dev->ops->id);
	show(m, VIRTIO_MMIO_VENDOR_ID, VENDOR);
	/* no shared memory region has any length, whichever is selected */
	show(m, VIRTIO_MMIO_SHM_LEN_LOW, UINT32_MAX);
	show(m, VIRTIO_MMIO_SHM_LEN_HIGH, UINT32_MAX);
	show(m, VIRTIO_MMIO_SHM_BASE_LOW, UINT32_MAX);
	show(m, VIRTIO_MMIO_SHM_BASE_HIGH, UINT32_MAX);
	mmio_regs_update(m);
}

void mmio_regs_update(struct virtio_mmio *m)
{
	const struct mmio_queue *q = selected(m);
	uint32_t sel = m->device_features_sel;

	show(m, VIRTIO_MMIO_DEVICE_FEATURES,
	     sel < 2 ? (uint32_t)(offered(m) >> 32 * sel) : 0);
	show(m, VIRTIO_MMIO_QUEUE_NUM_MAX, q ? VIRTIO_MMIO_QUEUE_SIZE : 0);
	show(m, VIRTIO_MMIO_QUEUE_READY, q && q->ready);
	show(m, VIRTIO_MMIO_STATUS, m->status);
	show(m, VIRTIO_MMIO_CONFIG_GENERATION, m->generation);
}

void mmio_regs_config(struct virtio_mmio *m, bool changed)
{
	const struct virtio_device *dev = m->dev;
	uint32_t generation = m->generation;

	if (changed)
		show(m, VIRTIO_MMIO_CONFIG_GENERATION, generation + 1);
	for (size_t off = 0; off < dev->config_len; off += 4) {
		size_t left = dev->config_len - off;
		uint8_t bytes[4] = { 0 };

		memcpy(bytes, dev->config + off, left < 4 ? left : 4);
		show(m, MMIO_CONFIG + off, le32_get(bytes));
	}
	if (changed)
		m->generation = generation + 2;
	show(m, VIRTIO_MMIO_CONFIG_GENERATION, m->generation);
}

void mmio_interrupt(struct virtio_mmio *m, uint32_t bits)
{
	const uint64_t one = 1;

	(void)__atomic_fetch_or(word(m, VIRTIO_MMIO_INTERRUPT_STATUS),
				htole32(bits), __ATOMIC_SEQ_CST);
	/* when it is full, interrupts are waiting already */
	(void)io_write(m->irq_fd, &one, sizeof(one));
}

/* --- reading --- */

/* Control registers are read as words, the config space in any way that does
 * not cross its words: so each read is one load. */
void virtio_mmio_read(struct virtio_mmio *m, uint64_t off, void *data,
		      size_t len)
{
	uint8_t *out = data;

	memset(out, 0, len);
	if (off >= VIRTIO_MMIO_LEN || len > MMIO_ACCESS_MAX ||
	    (off < MMIO_CONFIG && (len != 4 || off % 4)))
		return;
	for (size_t i = 0; i < len && off + i < VIRTIO_MMIO_LEN;) {
		size_t in_word = (size_t)(off + i) % 4, n = 4 - in_word;
		uint8_t bytes[4];

		if (n > len - i)
			n = len - i;
		le32_put(bytes, le32toh(__atomic_load_n(
					word(m, (size_t)(off + i) - in_word),
					__ATOMIC_ACQUIRE)));
		memcpy(out + i, bytes + in_word, n);
		i += n;
	}
}

/* --- writing --- */

static void kick(const struct virtio_mmio *m, uint32_t q)
{
	const uint64_t one = 1;

	if (q < m->dev->nqueues)
		(void)io_write(m->queue[q].kick_fd, &one, sizeof(one));
}

static void acknowledge(struct virtio_mmio *m, uint32_t bits)
{
	(void)__atomic_fetch_and(word(m, VIRTIO_MMIO_INTERRUPT_STATUS),
				 htole32(~bits), __ATOMIC_SEQ_CST);
}

static void set_low(uint64_t *v, uint32_t low)
{
	*v = (*v & 0xffffffff00000000u) | low;
}

static void set_high(uint64_t *v, uint32_t high)
{
	*v = (*v & 0xffffffffu) | (uint64_t)high << 32;
}

static void write_driver_features(struct virtio_mmio *m, uint32_t v)
{
	if (m->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (m->driver_features_sel == 0)
		set_low(&m->driver_features, v);
	else if (m->driver_features_sel == 1)
		set_high(&m->driver_features, v);
	else if (v)
		m->unknown_features = true;
}

/* A queue that is ready keeps what it was made ready with. */
static void write_queue(struct virtio_mmio *m, size_t off, uint32_t v)
{
	struct mmio_queue *q = selected(m);

	if (!q || q->ready)
		return;
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->num = v;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&q->rings.desc, v);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&q->rings.desc, v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&q->rings.avail, v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&q->rings.avail, v);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&q->rings.used, v);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&q->rings.used, v);
		break;
	default: /* read-only, or of the legacy interface */
		break;
	}
}

/* What stays with the transport. */
static void write_plain(struct virtio_mmio *m, size_t off, uint32_t v)
{
	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		m->device_features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		m->driver_features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(m, v);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		m->queue_sel = v;
		break;
	default:
		write_queue(m, off, v);
		break;
	}
}

static void forget_driver(struct virtio_mmio *m)
{
	m->status = 0;
	m->device_features_sel = m->driver_features_sel = m->queue_sel = 0;
	m->driver_features = 0;
	m->unknown_features = false;
	for (unsigned i = 0; i < m->dev->nqueues; i++) {
		m->queue[i].ready = false;
		m->queue[i].num = 0;
		m->queue[i].rings = (struct vq_rings){ .desc = 0 };
	}
	acknowledge(m, UINT32_MAX);
}

static bool features_acceptable(const struct virtio_mmio *m)
{
	return !m->unknown_features && !(m->driver_features & ~offered(m)) &&
	       (m->driver_features & VIRTIO_BIT_VERSION_1);
}

/* Bits are only ever added, but for a reset; with the slot. */
static void write_status(struct virtio_mmio *m, uint32_t v)
{
	if (v == 0) {
		m->request = (struct mmio_request){ .act = MMIO_RESET };
		if (!m->started || mmio_slot_call(m))
			forget_driver(m);
		return;
	}
	m->status |= v & STATUS_OF_DRIVER;
	if ((v & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !(m->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    features_acceptable(m)) {
		m->request =
			(struct mmio_request){ .act = MMIO_START,
					       .features = m->driver_features };
		if (!mmio_slot_call(m))
			return;
	}
	if ((v & VIRTIO_CONFIG_S_DRIVER_OK) &&
	    (m->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !(m->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		m->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		m->request = (struct mmio_request){ .act = MMIO_RUN };
		mmio_slot_send(m); /* nothing of it is told here */
	}
}

static void write_queue_ready(struct virtio_mmio *m, uint32_t v)
{
	struct mmio_queue *q = selected(m);

	if (!q || q->ready == (v & 1))
		return;
	q->ready = v & 1;
	if (!(m->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	m->request = (struct mmio_request){ .act = MMIO_QUEUE,
					    .queue = m->queue_sel };
	(void)mmio_slot_call(m);
}

static void write_slotted(struct virtio_mmio *m, size_t off, uint32_t v)
{
	if (!mmio_slot_take(m))
		return;
	if (off == VIRTIO_MMIO_STATUS)
		write_status(m, v);
	else
		write_queue_ready(m, v);
	mmio_regs_update(m);
	mmio_slot_give(m);
}

static void write_config(struct virtio_mmio *m, uint64_t off, const void *data,
			 size_t len)
{
	const struct virtio_device *dev = m->dev;

	if (!dev->ops->config_written || off >= dev->config_len ||
	    len > dev->config_len - off)
		return;
	pthread_mutex_lock(&m->lock);
	if (mmio_slot_take(m)) {
		m->request = (struct mmio_request){ .act = MMIO_CONFIG_WRITE,
						    .off = (size_t)off,
						    .len = len };
		memcpy(m->request.data, data, len);
		/* not before the driver is known to speak our version */
		if (m->started)
			(void)mmio_slot_call(m);
		mmio_slot_give(m);
	}
	pthread_mutex_unlock(&m->lock);
}

void virtio_mmio_write(struct virtio_mmio *m, uint64_t off, const void *data,
		       size_t len)
{
	uint32_t v;

	if (len == 0 || len > MMIO_ACCESS_MAX)
		return;
	if (off >= MMIO_CONFIG) {
		write_config(m, off - MMIO_CONFIG, data, len);
		return;
	}
	if (len != 4 || off % 4)
		return;
	v = le32_get(data);
	if (off == VIRTIO_MMIO_QUEUE_NOTIFY) {
		kick(m, v);
		return;
	}
	if (off == VIRTIO_MMIO_INTERRUPT_ACK) {
		acknowledge(m, v & (MMIO_INT_USED | MMIO_INT_CONFIG));
		return;
	}
	pthread_mutex_lock(&m->lock);
	if (off == VIRTIO_MMIO_STATUS || off == VIRTIO_MMIO_QUEUE_READY) {
		write_slotted(m, (size_t)off, v);
	} else {
		write_plain(m, (size_t)off, v);
		mmio_regs_update(m);
	}
	pthread_mutex_unlock(&m->lock);
}
