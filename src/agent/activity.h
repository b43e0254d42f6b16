/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent has been doing, and the file that tells about it. */
#ifndef MSB_AGENT_ACTIVITY_H
#define MSB_AGENT_ACTIVITY_H

#include <stdint.h>

#include "base/buf.h"
#include "loop/loop.h"

#define HEARTBEAT_DIR "/.msb"

struct activity {
	struct loop *loop;
	struct timer write_timer;
	uint64_t heartbeat_seq, activity_seq;
	uint64_t last_ms; /* loop time of the latest activity */
	uint64_t host_messages, guest_messages;
	uint64_t exec_bytes, fs_bytes, tcp_bytes;
	uint32_t execs, fs_streams, tcp_streams; /* open now */
};

void activity_init(struct activity *a, struct loop *loop);
void activity_fini(struct activity *a);

/*
 * Count one activity. The file is written a second after the first change, so
 * that neither an idle agent nor a short command pays for it.
 */
void activity_mark(struct activity *a);
/* Something that is no activity changed, e.g. a session ended. */
void activity_changed(struct activity *a);

/* Contents of heartbeat.json at that wall clock time. */
void activity_render(const struct activity *a, uint64_t wall_ns,
		     uint64_t now_ms, struct buf *out);

#endif
