/* SPDX-License-Identifier: Apache-2.0 */
/* The serving agent: one loop, one channel, everything the host asks for. */
#ifndef MSB_AGENT_AGENT_H
#define MSB_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/activity.h"
#include "agent/chan.h"
#include "agent/files.h"
#include "agent/session.h"
#include "agent/spawn.h"
#include "agent/usage.h"
#include "agent/user.h"
#include "base/str.h"
#include "loop/loop.h"
#include "protocol/msg.h"

#define AGENT_IO_BUF (256u << 10)

enum agent_role {
	AGENT_INIT,    /* PID 1: reaps all, powers the machine off */
	AGENT_HANDOFF, /* child of the guest's own init */
	AGENT_HOSTED,  /* ordinary process, for tests */
};

struct agent_times {
	uint64_t boot_ns; /* CLOCK_BOOTTIME when main started */
	uint64_t init_ns; /* duration of initialisation */
};

struct fs_service;

struct agent {
#define AGENT_IO_BUF (256u << 10)

	enum agent_role role;
	struct loop *loop;
	struct chan chan;
	struct session_table sessions;
	struct session_table pids; /* execs not yet reaped, by pid */
	struct files files;
	struct user_files users;
	struct spawner *spawner;
	struct fs_service *fs;
	struct activity activity;
	struct usage usage;
	struct watch child_watch; /* signalfd(SIGCHLD) */
	int sigfd;
	struct deferred reap_more;
	uint8_t *io_buf; /* owned, AGENT_IO_BUF bytes; for one call's use */
	int upper_fd;	 /* writable layer of the root, or -1 */
	/* defaults of exec requests, owned */
	struct strv env;
	char *user, *workdir;
	bool modern; /* some client knows core.error */
	bool ends;   /* shutdown was asked for, or the channel is gone */
	int end_error;
};

/*
 * Serve the channel until the host asks for shutdown (0) or the channel
 * fails (0 at end of file, else -errno). Takes channel_fd; then after_ready, if
 * given, is called once core.ready has been sent, for work that only the
 * first request depends on. agent_end() is due in any case.
 */
int agent_serve(struct agent *a, int channel_fd, const struct agent_times *t,
		void (*after_ready)(struct agent *a, void *ctx), void *ctx);

/*
 * After agent_serve(): terminate programs, close files and streams, and give
 * everything back.
 */
void agent_end(struct agent *a);

/* Queue a message; the payload's own failure is reported too. */
int agent_send(struct agent *a, uint32_t id, const char *type,
	       const struct buf *payload);
int agent_send_data(struct agent *a, uint32_t id, const char *type,
		    const void *data, size_t len);
/* A message with an empty map as payload. */
void agent_send_empty(struct agent *a, uint32_t id, const char *type);
void agent_send_error(struct agent *a, uint32_t id, const char *kind,
		      const char *type, const char *fmt, ...) MSB_PRINTF(5, 6);

/* Text of an error number the way the protocol writes it:
 * "No such file or directory (os error 2)". */
const char *agent_errno_text(int sys, char *buf, size_t len);
/* "ENOENT"; absent for numbers the protocol has no name for. */
struct view agent_errno_name(int sys);

#endif
