/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the agent protocol: the type table and a codec per payload.
 *
 * msg_encode_* append one payload item to b; look at b->failed once at the end
 * (frame_put does). msg_decode_* read a whole payload: 0, or -EBADMSG when it
 * is malformed, lacks a mandatory key or has a wrong type, with *ret undefined.
 * Any key order, unknown keys, longer heads and indefinite lengths are
 * accepted. Views and cursors in *ret borrow from the payload and from scratch
 * (NULL allowed: then strings that are not contiguous are refused; as many
 * bytes as the payload has are always enough for one pass over it).
 *
 * An absent optional value is a view with p == NULL, or has set == false.
 * Strings from client to guest may hold any bytes (a byte string is used where
 * they are not UTF-8); strings from guest to client are made UTF-8.
 */
#ifndef MSB_PROTOCOL_MSG_H
#define MSB_PROTOCOL_MSG_H

#include "protocol/cbor.h"
#include "protocol/frame.h"

enum msg_type {
	MSG_READY,
	MSG_SHUTDOWN,
	MSG_CLIENT_DISCONNECTED,
	MSG_EXEC_REQUEST,
	MSG_EXEC_STARTED,
	MSG_EXEC_STDIN,
	MSG_EXEC_STDIN_ERROR,
	MSG_EXEC_STDOUT,
	MSG_EXEC_STDERR,
	MSG_EXEC_EXITED,
	MSG_EXEC_FAILED,
	MSG_EXEC_RESIZE,
	MSG_EXEC_SIGNAL,
	MSG_FS_REQUEST,
	MSG_FS_RESPONSE,
	MSG_FS_DATA,
	MSG_INIT_RESOLVED,
	MSG_INIT_ACK,
	MSG_CLOCK_SYNC,
	MSG_TCP_CONNECT,
	MSG_TCP_CONNECTED,
	MSG_TCP_DATA,
	MSG_TCP_EOF,
	MSG_TCP_CLOSE,
	MSG_TCP_CLOSED,
	MSG_TCP_FAILED,
	MSG_ERROR,
	MSG_PING,
	MSG_PONG,
	MSG_TOUCH,
	MSG_TOUCHED,
	MSG_BOOTSTRAP,
	MSG_RELAY_DETACH,
	MSG_RELAY_ATTACH,
	MSG_RELAY_ATTACHED,
	MSG_RELAY_MODIFY,
	MSG_RELAY_MODIFIED,
	MSG_EXEC_PAUSE,
	MSG_EXEC_RESUME,
	MSG_USAGE_REQUEST,
	MSG_USAGE,
	MSG_TYPE_COUNT
};

/* Names for frame_put. */
#define MSG_T_READY "core.ready"
#define MSG_T_SHUTDOWN "core.shutdown"
#define MSG_T_CLIENT_DISCONNECTED "core.relay.client.disconnected"
#define MSG_T_EXEC_REQUEST "core.exec.request"
#define MSG_T_EXEC_STARTED "core.exec.started"
#define MSG_T_EXEC_STDIN "core.exec.stdin"
#define MSG_T_EXEC_STDIN_ERROR "core.exec.stdin.error"
#define MSG_T_EXEC_STDOUT "core.exec.stdout"
#define MSG_T_EXEC_STDERR "core.exec.stderr"
#define MSG_T_EXEC_EXITED "core.exec.exited"
#define MSG_T_EXEC_FAILED "core.exec.failed"
#define MSG_T_EXEC_RESIZE "core.exec.resize"
#define MSG_T_EXEC_SIGNAL "core.exec.signal"
#define MSG_T_FS_REQUEST "core.fs.request"
#define MSG_T_FS_RESPONSE "core.fs.response"
#define MSG_T_FS_DATA "core.fs.data"
#define MSG_T_INIT_RESOLVED "core.init.resolved"
#define MSG_T_INIT_ACK "core.init.ack"
#define MSG_T_CLOCK_SYNC "core.clock.sync"
#define MSG_T_TCP_CONNECT "core.tcp.connect"
#define MSG_T_TCP_CONNECTED "core.tcp.connected"
#define MSG_T_TCP_DATA "core.tcp.data"
#define MSG_T_TCP_EOF "core.tcp.eof"
#define MSG_T_TCP_CLOSE "core.tcp.close"
#define MSG_T_TCP_CLOSED "core.tcp.closed"
#define MSG_T_TCP_FAILED "core.tcp.failed"
#define MSG_T_ERROR "core.error"
#define MSG_T_PING "core.ping"
#define MSG_T_PONG "core.pong"
#define MSG_T_TOUCH "core.touch"
#define MSG_T_TOUCHED "core.touched"
#define MSG_T_BOOTSTRAP "core.bootstrap"
#define MSG_T_RELAY_DETACH "core.relay.detach"
#define MSG_T_RELAY_ATTACH "core.relay.attach"
#define MSG_T_RELAY_ATTACHED "core.relay.attached"
#define MSG_T_RELAY_MODIFY "core.relay.modify"
#define MSG_T_RELAY_MODIFIED "core.relay.modified"
/*
 * Flow control of one session between relay and agent; payload {}, id of the
 * session, never seen by a client. To the agent: stop (go on) producing output
 * for this id; what is queued already may still follow. From the agent: stop
 * (go on) sending input (exec.stdin, fs.data, tcp.data) for this id; what is
 * under way still arrives. Signals and resizes are never held back.
 */
#define MSG_T_EXEC_PAUSE "core.exec.pause"
#define MSG_T_EXEC_RESUME "core.exec.resume"
/* What the guest uses, asked by the relay with {} and id 0, and said by the
 * agent; neither is ever seen by a client. */
#define MSG_T_USAGE_REQUEST "core.usage.request"
#define MSG_T_USAGE "core.usage"

enum msg_dir {
	MSG_TO_GUEST = 1,
	MSG_FROM_GUEST = 2,
	MSG_TO_RELAY = 4,
	MSG_FROM_RELAY = 8,
};

struct msg_info {
	const char *name;
	uint8_t generation; /* first one that has it */
	uint8_t flags;	    /* enum frame_flags */
	uint8_t dir;	    /* enum msg_dir */
};

/* Entry of the table; NULL when type is out of range. */
const struct msg_info *msg_info(enum msg_type type);
/* 0, or -ENOENT for a name that is not in the table. */
int msg_type_find(struct view name, enum msg_type *ret);

struct opt_u32 {
	bool set;
	uint32_t v;
};
struct opt_u64 {
	bool set;
	uint64_t v;
};
struct opt_i32 {
	bool set;
	int32_t v;
};
struct opt_i64 {
	bool set;
	int64_t v;
};

/* {} (init.ack, tcp.connected/eof/close/closed, ping, pong, touch,
 * relay.detach, relay.attach, relay.modified) and null (shutdown). */
void msg_encode_empty(struct buf *b);
void msg_encode_null(struct buf *b);

struct msg_ready {
	uint64_t boot_time_ns, init_time_ns, ready_time_ns;
	struct view agent_version; /* left out when absent */
};
void msg_encode_ready(struct buf *b, const struct msg_ready *m);
int msg_decode_ready(struct view payload, struct cbor_scratch *scratch,
		     struct msg_ready *ret);

/* core.relay.client.disconnected */
struct msg_id_range {
	uint32_t id_start, id_end_exclusive;
};
void msg_encode_id_range(struct buf *b, const struct msg_id_range *m);
int msg_decode_id_range(struct view payload, struct msg_id_range *ret);

/* core.relay.attached: which session the client now owns. */
struct msg_relay_attached {
	uint32_t id;
	bool tty;
};
void msg_encode_relay_attached(struct buf *b,
			       const struct msg_relay_attached *m);
int msg_decode_relay_attached(struct view payload,
			      struct msg_relay_attached *ret);

void msg_encode_clock_sync(struct buf *b, uint64_t unix_time_ns);
int msg_decode_clock_sync(struct view payload, uint64_t *ret_unix_time_ns);

/* core.usage: 0 where the agent does not know. */
struct msg_usage {
	uint64_t memory_total_bytes, memory_used_bytes;
	uint64_t busy_us; /* CPU time that was not idle, since the boot */
	uint64_t forks;	  /* processes and threads made since then */
};
void msg_encode_usage(struct buf *b, const struct msg_usage *m);
int msg_decode_usage(struct view payload, struct msg_usage *ret);

/* core.init.resolved */
struct msg_init_resolved {
	uint32_t uid, gid;
};
void msg_encode_init_resolved(struct buf *b, const struct msg_init_resolved *m);
int msg_decode_init_resolved(struct view payload,
			     struct msg_init_resolved *ret);

void msg_encode_touched(struct buf *b, uint64_t activity_seq);
int msg_decode_touched(struct view payload, uint64_t *ret_activity_seq);

/* core.error */
#define MSG_ERROR_MALFORMED "malformed_message"
#define MSG_ERROR_TYPE "unsupported_message_type"
#define MSG_ERROR_GENERATION "unsupported_protocol_generation"
#define MSG_ERROR_FLAGS "invalid_flags"
#define MSG_ERROR_PAYLOAD "invalid_payload"
#define MSG_ERROR_SESSION "invalid_session"
#define MSG_ERROR_BUSY "too_many_clients" /* of a relay, instead of ready */

struct msg_error {
	struct view kind, message;
	struct view offending_type; /* left out when absent */
};
void msg_encode_error(struct buf *b, const struct msg_error *m);
int msg_decode_error(struct view payload, struct cbor_scratch *scratch,
		     struct msg_error *ret);

/* {data: bytes}: exec.stdin (empty = end of file), stdout, stderr, fs.data,
 * tcp.data. frame_put_data writes such a frame in one step. */
void msg_encode_data(struct buf *b, const void *data, size_t len);
int msg_decode_data(struct view payload, struct cbor_scratch *scratch,
		    struct view *ret_data);

/* --- exec --- */

#define MSG_RLIMIT_NAME_MAX 15

struct msg_rlimit {
	struct view resource; /* lower case */
	uint64_t soft, hard;
};

/*
 * core.exec.request as decoded. args and env are cursors over strings
 * (cbor_get_string), rlimits one over maps (msg_next_rlimit); all their items
 * were checked.
 */
struct msg_exec_request {
	struct view cmd;
	struct cbor args, env;
	size_t nargs, nenv, nrlimits;
	struct view cwd, user;
	bool tty;
	uint16_t rows, cols;
	struct cbor rlimits;
};
int msg_decode_exec_request(struct view payload, struct cbor_scratch *scratch,
			    struct msg_exec_request *ret);
/* 0, or -ENOENT at the end. */
int msg_next_rlimit(struct cbor *rlimits, struct msg_rlimit *ret);

/* The same as given to the encoder. NULL cwd, user = absent. */
struct msg_exec_params {
	const char *cmd;
	const char *const *args; /* without argv[0] */
	size_t nargs;
	const char *const *env; /* KEY=VALUE */
	size_t nenv;
	const char *cwd, *user;
	bool tty;
	uint16_t rows, cols;
	const struct msg_rlimit *rlimits;
	size_t nrlimits;
};
void msg_encode_exec_request(struct buf *b, const struct msg_exec_params *m);

void msg_encode_exec_started(struct buf *b, uint32_t pid);
int msg_decode_exec_started(struct view payload, uint32_t *ret_pid);

struct msg_stdin_error {
	struct opt_i32 err_no;
	struct view errno_name, message;
};
void msg_encode_stdin_error(struct buf *b, const struct msg_stdin_error *m);
int msg_decode_stdin_error(struct view payload, struct cbor_scratch *scratch,
			   struct msg_stdin_error *ret);

struct msg_exited {
	int32_t code;	       /* -1 when killed by a signal */
	struct opt_i32 signal; /* ours; left out when not set */
};
void msg_encode_exited(struct buf *b, const struct msg_exited *m);
int msg_decode_exited(struct view payload, struct msg_exited *ret);

enum msg_fail_kind {
	MSG_FAIL_NOT_FOUND,
	MSG_FAIL_PERMISSION_DENIED,
	MSG_FAIL_NOT_EXECUTABLE,
	MSG_FAIL_BAD_CWD,
	MSG_FAIL_BAD_ARGS,
	MSG_FAIL_RESOURCE_LIMIT,
	MSG_FAIL_USER_SETUP,
	MSG_FAIL_OUT_OF_MEMORY,
	MSG_FAIL_PTY_SETUP,
	MSG_FAIL_OTHER, /* also every kind that is not known */
	MSG_FAIL_KIND_COUNT
};
const char *msg_fail_kind_name(enum msg_fail_kind kind);
enum msg_fail_kind msg_fail_kind_find(struct view name);

struct msg_exec_failed {
	enum msg_fail_kind kind;
	struct opt_i32 err_no;
	struct view errno_name, message, stage;
};
void msg_encode_exec_failed(struct buf *b, const struct msg_exec_failed *m);
int msg_decode_exec_failed(struct view payload, struct cbor_scratch *scratch,
			   struct msg_exec_failed *ret);

struct msg_resize {
	uint16_t rows, cols;
};
void msg_encode_resize(struct buf *b, const struct msg_resize *m);
int msg_decode_resize(struct view payload, struct msg_resize *ret);

void msg_encode_signal(struct buf *b, int32_t sig);
int msg_decode_signal(struct view payload, int32_t *ret_sig);

/* --- files --- */

enum msg_fs_op {
	MSG_FS_REAL_PATH,
	MSG_FS_STAT,
	MSG_FS_SET_STAT,
	MSG_FS_LIST,
	MSG_FS_READ_LINK,
	MSG_FS_SYMLINK,
	MSG_FS_MKDIR,
	MSG_FS_REMOVE,
	MSG_FS_REMOVE_DIR,
	MSG_FS_COPY,
	MSG_FS_RENAME,
	MSG_FS_OPEN_FILE,
	MSG_FS_OPEN_DIR,
	MSG_FS_CLOSE_HANDLE,
	MSG_FS_READ,
	MSG_FS_WRITE,
	MSG_FS_READ_DIR,
	MSG_FS_FSTAT,
	MSG_FS_FSET_STAT,
	MSG_FS_OP_COUNT
};
const char *msg_fs_op_name(enum msg_fs_op op);

struct msg_fs_attrs {
	struct opt_u32 mode, uid, gid;
	struct opt_u64 size;
	struct opt_i64 atime, mtime; /* whole seconds */
};

struct msg_fs_open {
	bool read, write, append, create, truncate, create_new;
	struct opt_u32 mode;
};

/* Only the fields of its op are used; the others are zero when decoded. */
struct msg_fs_request {
	enum msg_fs_op op;
	struct view path;   /* Symlink: link_path; Copy, Rename: src */
	struct view target; /* Symlink: target; Copy, Rename: dst */
	bool follow_symlink, recursive;
	uint64_t handle, offset;
	struct opt_u64 len;
	struct opt_u32 limit, mode;
	struct msg_fs_attrs attrs;
	struct msg_fs_open options;
};
void msg_encode_fs_request(struct buf *b, const struct msg_fs_request *m);
int msg_decode_fs_request(struct view payload, struct cbor_scratch *scratch,
			  struct msg_fs_request *ret);

struct msg_fs_info {
	struct view path, kind; /* kind: file, dir, symlink, other */
	uint64_t size;
	uint32_t mode; /* whole st_mode */
	struct opt_i64 modified;
	uint32_t uid, gid;
	struct opt_i64 atime, mtime;
};

enum msg_fs_data_kind {
	MSG_FS_DATA_NONE,
	MSG_FS_DATA_STAT,
	MSG_FS_DATA_LIST,
	MSG_FS_DATA_HANDLE,
	MSG_FS_DATA_PATH
};

struct msg_fs_response {
	bool ok;
	struct view error;
	enum msg_fs_data_kind data;
	struct msg_fs_info stat; /* STAT */
	struct cbor list;	 /* LIST, decoded: msg_next_fs_info */
	struct view list_items;	 /* LIST, to encode: msg_encode_fs_info's */
	size_t list_count;
	uint64_t handle;  /* HANDLE */
	struct view path; /* PATH */
};
void msg_encode_fs_info(struct buf *b, const struct msg_fs_info *m);
void msg_encode_fs_response(struct buf *b, const struct msg_fs_response *m);
int msg_decode_fs_response(struct view payload, struct cbor_scratch *scratch,
			   struct msg_fs_response *ret);
/* 0, or -ENOENT at the end. */
int msg_next_fs_info(struct cbor *list, struct msg_fs_info *ret);

/* --- tcp --- */

struct msg_tcp_connect {
	struct view host;
	uint16_t port;
};
void msg_encode_tcp_connect(struct buf *b, const struct msg_tcp_connect *m);
int msg_decode_tcp_connect(struct view payload, struct cbor_scratch *scratch,
			   struct msg_tcp_connect *ret);

void msg_encode_tcp_failed(struct buf *b, struct view error);
int msg_decode_tcp_failed(struct view payload, struct cbor_scratch *scratch,
			  struct view *ret_error);

#endif
