/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent has been doing, and the file that tells about it. */
#include "agent/activity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define WRITE_DELAY_MS 1000

void activity_init(struct activity *a, struct loop *loop)
{
	memset(a, 0, sizeof(*a));
	a->loop = loop;
	a->last_ms = loop_now_ms(loop);
}

void activity_fini(struct activity *a)
{
	loop_timer_cancel(&a->write_timer);
}

void activity_render(const struct activity *a, uint64_t wall_ns,
		     uint64_t now_ms, struct buf *out)
{
	uint64_t ago = now_ms > a->last_ms ? now_ms - a->last_ms : 0;
	char now[40], last[40];

	clock_format_rfc3339(wall_ns, 3, now, sizeof(now));
	clock_format_rfc3339(wall_ns - ago * NSEC_PER_MSEC, 3, last,
			     sizeof(last));
	(void)buf_printf(out,
			 "{\n"
			 "  \"heartbeat_seq\": %" PRIu64 ",\n"
			 "  \"activity_seq\": %" PRIu64 ",\n"
			 "  \"timestamp\": \"%s\",\n"
			 "  \"last_activity\": \"%s\",\n"
			 "  \"active_sessions\": %" PRIu32 ",\n"
			 "  \"active_exec_sessions\": %" PRIu32 ",\n"
			 "  \"active_fs_streams\": %" PRIu32 ",\n"
			 "  \"active_tcp_streams\": %" PRIu32 ",\n"
			 "  \"activity_counters\": {\n"
			 "    \"host_messages\": %" PRIu64 ",\n"
			 "    \"guest_messages\": %" PRIu64 ",\n"
			 "    \"exec_output_bytes\": %" PRIu64 ",\n"
			 "    \"fs_bytes\": %" PRIu64 ",\n"
			 "    \"tcp_bytes\": %" PRIu64 "\n"
			 "  }\n"
			 "}\n",
			 a->heartbeat_seq, a->activity_seq, now, last, a->execs,
			 a->execs, a->fs_streams, a->tcp_streams,
			 a->host_messages, a->guest_messages, a->exec_bytes,
			 a->fs_bytes, a->tcp_bytes);
}

static void on_write(struct timer *t)
{
	struct activity *a = container_of(t, struct activity, write_timer);
	autoclose int dir = open(HEARTBEAT_DIR,
				 O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	MSB_CLEANUP(buf_fini) struct buf text = { .max = 4096 };

	a->heartbeat_seq++;
	activity_render(a, clock_wall_ns(), loop_now_ms(a->loop), &text);
	if (dir >= 0 && !text.failed)
		/* for readers in the guest only: nothing depends on it */
		(void)io_write_file_at(dir, "heartbeat.json", buf_data(&text),
				       buf_len(&text), 0644);
}

void activity_changed(struct activity *a)
{
	if (!a->write_timer.loop)
		loop_timer(a->loop, &a->write_timer, WRITE_DELAY_MS, on_write);
}

void activity_mark(struct activity *a)
{
	a->activity_seq++;
	a->last_ms = loop_now_ms(a->loop);
	activity_changed(a);
}
