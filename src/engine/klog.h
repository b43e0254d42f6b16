/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest kernel prints through a pipe: its console before the virtio
 * console works, its panic, its complaints about the host.
 *
 * The guest may be hostile. The pipe is read at a bounded rate, so that it can
 * neither fill a disk faster than rotation nor keep the runtime's loop busy:
 * beyond it the pipe fills, and the writer waits or loses what does not fit.
 */
#ifndef MSB_ENGINE_KLOG_H
#define MSB_ENGINE_KLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

#define KLOG_TAIL 4096
#define KLOG_BURST (256u << 10)
#define KLOG_RATE (256u << 10) /* bytes a second once the burst is used */

struct klog {
	struct watch watch;
	struct timer resume;
	struct loop *loop;
	int fd; /* owned; -1 when ended */
	uint32_t budget;
	uint64_t refilled_ms;
	void (*on_data)(void *ctx, const void *data, size_t len);
	void *ctx;
	/* the last bytes, oldest first, always NUL-terminated */
	char tail[KLOG_TAIL + 1];
	size_t tail_len;
};

/* Takes fd, the non-blocking read end of a pipe, also on failure. */
int klog_init(struct klog *k, struct loop *loop, int fd,
	      void (*on_data)(void *ctx, const void *data, size_t len),
	      void *ctx);
/* The writer has gone: read what is left, up to the burst. */
void klog_drain(struct klog *k);
void klog_fini(struct klog *k);

/* Pass on a line or lines of the engine's own, never within one of the guest.
 */
void klog_say(struct klog *k, const char *text);

/* Remember bytes for the questions below; NULs become spaces. */
void klog_note(struct klog *k, const void *data, size_t len);
bool klog_contains(const struct klog *k, const char *text);
/*
 * The rest of the last line that contains key, after it; false when there is
 * none. key "" gives the last line that is not empty.
 */
bool klog_last_line(const struct klog *k, const char *key, char *buf,
		    size_t len);

#endif
