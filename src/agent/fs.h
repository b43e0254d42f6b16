/* SPDX-License-Identifier: Apache-2.0 */
/* File operations for clients, done as the agent itself. */
#ifndef MSB_AGENT_FS_H
#define MSB_AGENT_FS_H

#include "agent/agent.h"

int fs_service_new(struct agent *a, struct fs_service **ret); /* 0, -errno */
/* Ends all streams without an answer and closes all handles. */
struct fs_service *fs_service_free(struct fs_service *s);

/* The id is not in use. Answers now, or when the stream it starts ends. */
void fs_request(struct agent *a, uint32_t id, const struct msg_fs_request *r);
/* core.fs.data; s is NULL when nothing goes on under that id. */
void fs_data(struct agent *a, uint32_t id, struct session *s, struct view data);
/* Stop sending data of a stream to the host, or go on. */
void fs_hold(struct session *s, bool hold);
/* A client is gone: its streams end, its handles are closed. */
void fs_client_gone(struct agent *a, const struct msg_id_range *r);

/* core.fs.response {ok: false}. */
void fs_send_failed(struct agent *a, uint32_t id, const char *fmt, ...)
	MSB_PRINTF(3, 4);

/* Flags of open(2) for the options, or -EINVAL for a contradiction. */
int fs_open_flags(const struct msg_fs_open *o);

#endif
