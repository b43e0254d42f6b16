/* SPDX-License-Identifier: Apache-2.0 */
/* A relay between a fake guest and fake clients, all in one thread. */
#ifndef MSB_TESTS_RUNTIME_FIXTURE_H
#define MSB_TESTS_RUNTIME_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "protocol/frame.h"
#include "protocol/msg.h"
#include "runtime/relay.h"

struct world {
	struct loop *loop;
	struct relay *relay;
	struct logs *logs;
	struct buf to_guest; /* what the guest got and nobody looked at */
	size_t guest_room;   /* bytes the guest still takes */
	bool was_full;
	unsigned readies, shutdowns, quiets, exits;
	char broken[64];
	char modified[64]; /* the last one asked for */
	bool refuse_modify;
	struct relay_exit exit;
	unsigned usages;
	struct msg_usage usage;
	char dir[64];
	int dirfd;
};

/* A client's end of the connection. */
struct peer {
	int fd;
	uint32_t start, end;
	struct buf in; /* bytes received and not yet looked at */
	bool eof;
};

/* A frame taken apart; views borrow until the next one is taken. */
struct got {
	uint32_t id;
	uint8_t flags;
	char type[48];
	struct view payload;
	struct view raw;
};

int world_up(void **state);	  /* cmocka setup: *state is a struct world */
int world_down(void **state);	  /* cmocka teardown */
void world_turn(struct world *w); /* until nothing happens any more */
void world_ready(struct world *w);

/* One frame with the type's own flags; data NULL = {} as payload. */
void put_msg(struct buf *b, uint32_t id, const char *type,
	     const struct buf *payload);
void put_data(struct buf *b, uint32_t id, const char *type, const void *data,
	      size_t len);
void put_exec(struct buf *b, uint32_t id, bool tty);
void put_exited(struct buf *b, uint32_t id, int code);

/* The same, sent at once and digested. */
void guest_bytes(struct world *w, const struct buf *b);
void guest_data(struct world *w, uint32_t id, const char *type,
		const void *data, size_t len);
void guest_exited(struct world *w, uint32_t id, int code);
/* Next frame the guest received; false: none. */
bool guest_got(struct world *w, struct got *ret);
void expect_guest(struct world *w, uint32_t id, const char *type,
		  struct got *ret);
void expect_guest_silent(struct world *w);

void peer_connect(struct world *w, struct peer *p); /* with handshake */
void peer_raw(struct world *w, struct peer *p);	    /* without */
void peer_close(struct world *w, struct peer *p);
void peer_bytes(struct world *w, struct peer *p, const struct buf *b);
void peer_msg(struct world *w, struct peer *p, uint32_t id, const char *type);
void peer_exec(struct world *w, struct peer *p, uint32_t id, bool tty);
void peer_read(struct world *w, struct peer *p); /* all there is */
bool peer_got(struct world *w, struct peer *p, struct got *ret);
void expect_peer(struct world *w, struct peer *p, uint32_t id, const char *type,
		 struct got *ret);
void expect_peer_silent(struct world *w, struct peer *p);
void expect_peer_eof(struct world *w, struct peer *p);

#endif
