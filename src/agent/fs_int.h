/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the file service.
 *
 * What takes a short, bounded time is answered at once. What does not (reading,
 * writing, copying, listing and removing of any size) is a stream: a session
 * that takes one small step per turn of the loop, and none while the channel
 * is full.
 */
#ifndef MSB_AGENT_FS_INT_H
#define MSB_AGENT_FS_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/fs.h"

#define FS_HANDLES_PER_SLOT 1024
#define FS_STREAMS_MAX 4096
#define FS_HANDLE_BUCKETS 256

/* Counted: a stream keeps the file open when the handle is closed. */
struct fs_handle {
	struct fs_handle *next; /* in its bucket */
	uint64_t number;
	uint32_t id; /* of the request that opened it */
	unsigned refs;
	int fd;
	bool dir, can_read, can_write, append;
	char *path; /* as the client gave it */
};

struct fs_stream {
	struct session session;
	struct fs_service *service;
	struct list link; /* in service->running, unless a write or held */
	struct fs_handle *handle; /* read, write: counted */
	/* One step. More to do: true. When done it has sent the answer. */
	bool (*step)(struct fs_stream *s);
	void (*fini)(struct fs_stream *s); /* NULL: nothing of its own */
};

struct fs_service {
	struct agent *a;
	struct fs_handle *handles[FS_HANDLE_BUCKETS];
	uint16_t per_slot[RELAY_MAX_CLIENTS];
	uint64_t last_number;
	struct list running;
	struct deferred run;
	struct chan_waiter room;
	unsigned nstreams;
};

/* fs_handle.c. Takes fd and path in any case; NULL when it cannot. */
int fs_handle_add(struct fs_service *s, uint32_t id, int fd, char *path,
		  struct fs_handle **ret); /* 0, -ENOMEM, -EMFILE: per slot */
/* The handle if the client with that id may use it; else answers, and NULL. */
struct fs_handle *fs_handle_get(struct fs_service *s, uint32_t id,
				uint64_t number);
void fs_handle_ref(struct fs_handle *h);
void fs_handle_unref(struct fs_handle *h);
void fs_handle_close(struct fs_service *s, struct fs_handle *h);
/* Close those opened by ids in [start, end). */
void fs_handle_close_range(struct fs_service *s, uint32_t start, uint32_t end);

/* fs.c: answers. */
void fs_send_ok(struct agent *a, uint32_t id);
/* "<prefix>: <text of errno>" */
void fs_send_errno(struct agent *a, uint32_t id, const char *prefix, int sys);
/* As either, by rc (0 or negative errno). */
void fs_send_result(struct agent *a, uint32_t id, const char *prefix, int rc);
void fs_send_response(struct agent *a, uint32_t id,
		      const struct msg_fs_response *m);

/* fs_stream.c. A stream that was allocated, but not started, is just freed. */
struct fs_stream *fs_stream_new(struct fs_service *s, uint32_t id, size_t size);
void fs_stream_start(struct fs_stream *s);
void fs_stream_end(struct fs_stream *s); /* without an answer */
void fs_read(struct fs_service *s, uint32_t id, const struct msg_fs_request *r);
void fs_write(struct fs_service *s, uint32_t id,
	      const struct msg_fs_request *r);
void fs_copy(struct fs_service *s, uint32_t id, const char *from,
	     const char *to);

/* fs_list.c */
void fs_list(struct fs_service *s, uint32_t id, char *path); /* takes path */
void fs_read_dir(struct fs_service *s, uint32_t id,
		 const struct msg_fs_request *r);

/* fs_tree.c */
void fs_remove_tree(struct fs_service *s, uint32_t id, const char *path);

/* fs_attr.c */
void fs_info_fill(struct msg_fs_info *m, struct view path,
		  const struct stat *st);
/* prefix is what to name in the answer. 0 or -errno. */
int fs_set_path_attrs(const char *path, bool follow,
		      const struct msg_fs_attrs *at);
int fs_set_fd_attrs(int fd, const struct msg_fs_attrs *at);

#endif
