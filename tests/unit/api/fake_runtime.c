/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for msb-runtime in tests of the library: keeps the launch contract
 * and serves the agent socket, with no machine behind it. What it does wrong is
 * chosen by the sandbox's name:
 *   booterr...   reports a boot error      silent...  dies without a report
 *   babble...    reports nonsense          stubborn... ignores every stop
 *   slowstop...  stops, but says it was not graceful
 *   only6...     says that it has no IPv4  mute...    reports nothing, ever
 *   unsampled... has a slot for metrics, and never writes to it
 *   stalled...   wrote there a minute ago
 *   lying...     writes what nobody can believe there
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "metrics/metrics.h"
#include "protocol/msg.h"
#include "store/lock.h"

#define CLIENTS 128
#define OUT_MAX (8u << 20)

struct client {
	int fd;
	unsigned slot;
	struct buf in;
	uint32_t session; /* running "cat", or 0 */
	bool clogged;	  /* its input is not read any more */
};

static struct client clients[CLIENTS];
static struct {
	uint32_t id;
	bool set;
} detached;
static const char *name;
static bool ephemeral;
static bool watching = true; /* the watchdog still counts */
static int dirfd_runtime = -1;
static char *sandbox_dir;
static bool has_secrets;
static struct metrics_writer writer;

static void finish(const char *reason, bool graceful)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "{\"t\":\"2026-01-01T00:00:00.000Z\",\"reason\":\"%s\","
		       "\"code\":0,\"graceful\":%s}\n",
		       reason, graceful ? "true" : "false");
	(void)io_write_file_at(dirfd_runtime, RUNTIME_EXIT_JSON, text,
			       strlen(text), 0600);
	(void)unlinkat(dirfd_runtime, RUNTIME_AGENT_SOCK, 0);
	metrics_writer_close(&writer);
	if (ephemeral)
		(void)io_remove_tree(AT_FDCWD, sandbox_dir);
	exit(0);
}

static void stop_request(const char *reason)
{
	if (strncmp(name, "stubborn", 8) != 0)
		finish(reason, strncmp(name, "slowstop", 8) != 0);
}

static void send_all(struct client *c, const struct buf *out)
{
	const uint8_t *p = buf_data(out);
	size_t left = buf_len(out);

	while (left) {
		struct pollfd w = { .fd = c->fd, .events = POLLOUT };
		ssize_t n = send(c->fd, p, left, MSG_NOSIGNAL);

		if (n >= 0) {
			p += n;
			left -= (size_t)n;
		} else if (errno != EAGAIN || poll(&w, 1, 5000) <= 0) {
			return;
		}
	}
}

static void reply(struct client *c, uint32_t id, const char *type,
		  const struct buf *payload)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	(void)frame_put(&out, id, PROTO_GENERATION, type, payload);
	send_all(c, &out);
	buf_fini(&out);
}

static void reply_data(struct client *c, uint32_t id, const char *type,
		       const void *data, size_t len)
{
	struct buf p;

	buf_init(&p, OUT_MAX);
	msg_encode_data(&p, data, len);
	reply(c, id, type, &p);
	buf_fini(&p);
}

static void reply_exited(struct client *c, uint32_t id, int code, int sig)
{
	struct msg_exited m = { .code = code, .signal = { sig != 0, sig } };
	struct buf p;

	buf_init(&p, 256);
	msg_encode_exited(&p, &m);
	reply(c, id, MSG_T_EXEC_EXITED, &p);
	buf_fini(&p);
	c->session = 0;
}

static void reply_failed(struct client *c, uint32_t id)
{
	struct msg_exec_failed m = { .kind = MSG_FAIL_NOT_FOUND,
				     .err_no = { true, ENOENT },
				     .errno_name = view_cstr("ENOENT"),
				     .message = view_cstr(
					     "spawn \"missing\": No such file "
					     "or directory (os error 2)") };
	struct buf p;

	buf_init(&p, 512);
	msg_encode_exec_failed(&p, &m);
	reply(c, id, MSG_T_EXEC_FAILED, &p);
	buf_fini(&p);
}

/* Every word of the request on a line of its own. */
static void describe(struct client *c, uint32_t id, struct msg_exec_request *m)
{
	struct buf text;
	struct view v;

	buf_init(&text, OUT_MAX);
	while (cbor_get_string(&m->args, &v) == 0)
		(void)buf_printf(&text, "arg %.*s\n", (int)v.len, v.p);
	while (cbor_get_string(&m->env, &v) == 0)
		(void)buf_printf(&text, "env %.*s\n", (int)v.len, v.p);
	(void)buf_printf(&text, "cwd %.*s\nuser %.*s\ntty %d %ux%u\n",
			 (int)m->cwd.len, m->cwd.p, (int)m->user.len,
			 m->user.p ? (const char *)m->user.p : "", m->tty,
			 m->rows, m->cols);
	reply_data(c, id, MSG_T_EXEC_STDOUT, buf_data(&text), buf_len(&text));
	buf_fini(&text);
}

static void on_exec(struct client *c, uint32_t id, struct view payload)
{
	struct msg_exec_request m;
	struct buf p;

	if (msg_decode_exec_request(payload, NULL, &m))
		exit(3);
	if (view_is(m.cmd, "missing")) {
		reply_failed(c, id);
		return;
	}
	buf_init(&p, 64);
	msg_encode_exec_started(&p, 4711);
	reply(c, id, MSG_T_EXEC_STARTED, &p);
	buf_fini(&p);
	c->session = id;
	if (view_is(m.cmd, "describe")) {
		describe(c, id, &m);
		reply_exited(c, id, 3, 0);
	} else if (view_is(m.cmd, "hello")) {
		reply_data(c, id, MSG_T_EXEC_STDOUT, "hello\n", 6);
	} else if (view_is(m.cmd, "clog")) {
		c->clogged = true;
	} else if (view_is(m.cmd, "vanish")) {
		close_fd(&c->fd);
	}
}

static void on_stdin(struct client *c, uint32_t id, struct view payload)
{
	struct view data;

	if (msg_decode_data(payload, NULL, &data))
		exit(3);
	if (data.len)
		reply_data(c, id, MSG_T_EXEC_STDOUT, data.p, data.len);
	else
		reply_exited(c, id, 0, 0);
}

static void on_stat(struct client *c, uint32_t id, struct view payload)
{
	struct msg_fs_response r = { .ok = true, .data = MSG_FS_DATA_STAT };
	struct msg_fs_request m;
	struct buf p;

	if (msg_decode_fs_request(payload, NULL, &m))
		exit(3);
	r.stat.path = m.path;
	r.stat.kind = view_cstr(view_is(m.path, "/file") ? "file" : "dir");
	if (m.op == MSG_FS_OPEN_FILE) {
		r.data = MSG_FS_DATA_HANDLE;
		r.handle = 7;
	}
	if (m.handle && m.handle != 7)
		exit(3);
	if (view_is(m.path, "/missing")) {
		r.ok = false;
		r.data = MSG_FS_DATA_NONE;
		r.error = view_cstr("stat: No such file or directory (os error "
				    "2)");
	}
	buf_init(&p, 4096);
	msg_encode_fs_response(&p, &r);
	reply(c, id, MSG_T_FS_RESPONSE, &p);
	buf_fini(&p);
}

static void on_attach(struct client *c, uint32_t id)
{
	struct msg_relay_attached m = { .id = detached.id, .tty = true };
	struct msg_error none = { .kind = view_cstr(MSG_ERROR_SESSION),
				  .message = view_cstr("nothing is detached") };
	struct buf p;

	buf_init(&p, 256);
	if (detached.set) {
		msg_encode_relay_attached(&p, &m);
		reply(c, id, MSG_T_RELAY_ATTACHED, &p);
		c->session = detached.id;
		detached.set = false;
	} else {
		msg_encode_error(&p, &none);
		reply(c, id, MSG_T_ERROR, &p);
	}
	buf_fini(&p);
}

/* Limits of 77 seconds are too much for it. */
static void on_modify(struct client *c, uint32_t id, struct view payload)
{
	static const char odd[] = "\"max_duration_secs\":77";
	struct msg_error no = { .kind = view_cstr(MSG_ERROR_PAYLOAD),
				.message = view_cstr("77") };
	struct view data;
	bool refuse;
	struct buf p;

	if (msg_decode_data(payload, NULL, &data) || !data.len ||
	    *(const char *)data.p != '{')
		exit(3);
	refuse = memmem(data.p, data.len, odd, sizeof(odd) - 1);
	buf_init(&p, 256);
	if (refuse)
		msg_encode_error(&p, &no);
	else
		msg_encode_empty(&p);
	reply(c, id, refuse ? MSG_T_ERROR : MSG_T_RELAY_MODIFIED, &p);
	buf_fini(&p);
}

static void on_question(struct client *c, uint32_t id, bool touch)
{
	struct buf p;

	buf_init(&p, 64);
	if (touch)
		msg_encode_touched(&p, 1);
	else
		msg_encode_empty(&p);
	reply(c, id, touch ? MSG_T_TOUCHED : MSG_T_PONG, &p);
	buf_fini(&p);
}

static void on_frame(struct client *c, const struct frame *f)
{
	enum msg_type type;
	struct envelope e;
	int32_t sig;

	if (envelope_parse(f->body, NULL, &e) || msg_type_find(e.type, &type) ||
	    f->flags != msg_info(type)->flags)
		exit(3);
	switch ((int)type) {
	case MSG_SHUTDOWN:
		stop_request("ShutdownRequested");
		break;
	case MSG_EXEC_REQUEST:
		on_exec(c, f->id, e.payload);
		break;
	case MSG_EXEC_STDIN:
		on_stdin(c, f->id, e.payload);
		break;
	case MSG_EXEC_SIGNAL:
		if (msg_decode_signal(e.payload, &sig))
			exit(3);
		reply_exited(c, f->id, -1, sig);
		break;
	case MSG_FS_REQUEST:
		on_stat(c, f->id, e.payload);
		break;
	case MSG_RELAY_DETACH:
		detached.id = f->id;
		detached.set = true;
		break;
	case MSG_RELAY_ATTACH:
		on_attach(c, f->id);
		break;
	case MSG_RELAY_MODIFY:
		on_modify(c, f->id, e.payload);
		break;
	case MSG_PING:
	case MSG_TOUCH:
		on_question(c, f->id, type == MSG_TOUCH);
		break;
	default:
		break;
	}
}

static void greet(struct client *c)
{
	struct msg_ready m = { .boot_time_ns = 1 };
	uint32_t start, end;
	uint8_t range[8];
	struct buf out, p;

	relay_range(c->slot, &start, &end);
	be32_put(range, start);
	be32_put(range + 4, end);
	buf_init(&out, 4096);
	buf_init(&p, 256);
	msg_encode_ready(&p, &m);
	(void)buf_append(&out, range, sizeof(range));
	(void)frame_put(&out, 0, PROTO_GENERATION, MSG_T_READY, &p);
	send_all(c, &out);
	buf_fini(&p);
	buf_fini(&out);
}

static void accept_client(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		clients[i].slot = i;
		clients[i].session = 0;
		clients[i].clogged = false;
		buf_init(&clients[i].in, FRAME_BUF_MAX + 65536);
		greet(&clients[i]);
		return;
	}
	(void)close(fd);
}

static void read_client(struct client *c)
{
	uint8_t *room = buf_reserve(&c->in, 65536);
	ssize_t n = room ? io_read(c->fd, room, 65536) : 0;
	struct frame f;

	if (n == -EAGAIN)
		return;
	if (n > 0)
		buf_commit(&c->in, (size_t)n);
	while (c->fd >= 0 && n > 0 &&
	       frame_parse(buf_data(&c->in), buf_len(&c->in), &f) == 1) {
		on_frame(c, &f);
		buf_consume(&c->in, f.raw.len);
	}
	if (n <= 0 || c->fd < 0) {
		close_fd(&c->fd);
		buf_fini(&c->in);
	}
}

static void read_watchdog(void)
{
	char byte;
	ssize_t n = io_read(6, &byte, 1);

	if (n == 0)
		stop_request("CreatorDied");
	else if (n == 1 && byte == 1)
		watching = false;
}

static void serve(int listen_fd, int sig, bool attached)
{
	struct pollfd p[CLIENTS + 3];
	for (;;) {
		for (int i = 0; i < CLIENTS; i++)
			p[i] = (struct pollfd){ clients[i].clogged
							? -1
							: clients[i].fd,
						POLLIN, 0 };
		p[CLIENTS] = (struct pollfd){ listen_fd, POLLIN, 0 };
		p[CLIENTS + 1] = (struct pollfd){ sig, POLLIN, 0 };
		p[CLIENTS + 2] = (struct pollfd){ attached && watching ? 6 : -1,
						  POLLIN, 0 };
		if (poll(p, CLIENTS + 3, -1) < 0)
			continue;
		if (p[CLIENTS].revents)
			accept_client(listen_fd);
		if (p[CLIENTS + 1].revents) {
			struct signalfd_siginfo info;

			(void)io_read(sig, &info, sizeof(info));
			stop_request(info.ssi_signo == RUNTIME_STOP_SIGNAL
					     ? "ShutdownRequested"
					     : "Signal");
		}
		if (p[CLIENTS + 2].revents)
			read_watchdog();
		for (int i = 0; i < CLIENTS; i++)
			if (clients[i].fd >= 0 && p[i].fd == clients[i].fd &&
			    p[i].revents)
				read_client(&clients[i]);
	}
}

static void say(const char *text)
{
	(void)io_write_full(4, text, strlen(text));
}

/* False: what was promised about the slot for metrics does not hold. */
static bool take_metrics(const json_t *m)
{
	const json_t *offset = json_object_get(m, "offset");
	const json_t *generation = json_object_get(m, "generation");

	if (!offset)
		return fcntl(8, F_GETFD) < 0;
	return json_integer_value(json_object_get(m, "interval_ms")) > 0 &&
	       metrics_writer_open(8, (uint64_t)json_integer_value(offset),
				   (uint64_t)json_integer_value(generation),
				   &writer) == 0 &&
	       close(8) == 0;
}

static void write_sample(void)
{
	uint64_t now = clock_mono_ms();
	struct metrics_sample s = { .started_unix_ms = 1000,
				    .sampled_unix_ms = 4000,
				    .started_mono_ms = now - 3000,
				    .sampled_mono_ms = now,
				    .cpu_time_us = 5,
				    .cpu_percent = 6.5,
				    .memory_bytes = 7,
				    .guest_memory_bytes = 8,
				    .guest_memory_total_bytes = 9,
				    .disk_read_bytes = 10,
				    .disk_write_bytes = 11,
				    .net_rx_bytes = 12,
				    .net_tx_bytes = 13 };

	if (!strncmp(name, "unsampled", 9))
		return;
	if (!strncmp(name, "stalled", 7)) {
		s.started_mono_ms -= 60000;
		s.sampled_mono_ms -= 60000;
	}
	if (!strncmp(name, "lying", 5))
		s = (struct metrics_sample){ .started_unix_ms = INT64_MIN,
					     .sampled_unix_ms = INT64_MAX,
					     .started_mono_ms = UINT64_MAX,
					     .sampled_mono_ms = UINT64_MAX - 1,
					     .cpu_percent = -1.0 / 0.0 };
	if (writer.slot && metrics_write(&writer, &s))
		exit(15);
}

/* Everything the launch contract promises, or a distinct exit status. */
static bool read_contract(void)
{
	json_t *spec = json_loadfd(3, 0, NULL);
	json_t *config = json_object_get(spec, "config");
	const char *dir =
		json_string_value(json_object_get(spec, "sandbox_dir"));
	bool attached = json_is_true(json_object_get(spec, "attached"));
	const char *own = json_string_value(json_object_get(config, "name"));

	if (!dir || !own || strcmp(own, name) != 0 ||
	    !json_string_value(json_object_get(spec, "kernel")) ||
	    !json_string_value(json_object_get(spec, "initramfs")) ||
	    !json_string_value(json_object_get(spec, "engine")) ||
	    !json_is_integer(json_object_get(spec, "slot")) ||
	    !json_is_object(json_object_get(config, "network")) ||
	    !json_string_value(json_object_get(config, "hostname")))
		exit(10);
	has_secrets =
		json_array_size(json_object_get(
			json_object_get(json_object_get(config, "network"),
					"secrets"),
			"secrets")) > 0;
	if (getsid(0) != getpid() || (fcntl(7, F_GETFD) >= 0) != has_secrets ||
	    !take_metrics(json_object_get(spec, "metrics")) ||
	    (fcntl(6, F_GETFD) >= 0) != attached)
		exit(11);
	ephemeral = json_is_true(json_object_get(config, "ephemeral"));
	sandbox_dir = strdup(dir);
	json_decref(spec);
	return attached;
}

/* What came as values of secrets, and which program we are, for the test. */
static void write_values(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	struct buf b;

	buf_init(&b, OUT_MAX);
	if (n < 0 || io_read_all(7, &b) ||
	    io_write_file_at(dirfd_runtime, "values", buf_data(&b), buf_len(&b),
			     0600) ||
	    io_write_file_at(dirfd_runtime, "program", path, (size_t)n, 0600))
		exit(14);
	buf_fini(&b);
}

static void write_identity(void)
{
	uint64_t start;
	char text[64];

	if (process_start_time(getpid(), &start))
		exit(12);
	(void)snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
		       (unsigned long long)start);
	(void)io_write_full(5, text, strlen(text));
}

int main(int argc, char **argv)
{
	static const char usual[] = "{\"engine\":\"uml\"}";
	static const char only6[] =
		"{\"engine\":\"uml\",\"network\":{\"ipv6\":{}}}";
	const char *machine;
	bool attached;
	char path[600];
	sigset_t term;
	int fd, sig;

	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigaddset(&term, RUNTIME_STOP_SIGNAL);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	name = argc == 2 ? argv[1] : "";
	machine = strncmp(name, "only6", 5) ? usual : only6;
	attached = read_contract();
	sig = signalfd(-1, &term, SFD_CLOEXEC);
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	(void)snprintf(path, sizeof(path), "%s/runtime", sandbox_dir);
	dirfd_runtime = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_identity();
	if (has_secrets)
		write_values();
	if (!strncmp(name, "silent", 6))
		_exit(42);
	if (!strncmp(name, "mute", 4)) {
		(void)io_write_file_at(dirfd_runtime, "here", "", 0, 0600);
		(void)sigsuspend(&term);
	}
	if (!strncmp(name, "babble", 6)) {
		say("{\"hello\":1}\n");
		_exit(0);
	}
	if (!strncmp(name, "booterr", 7)) {
		say("{\"error\":{\"stage\":\"mount\",\"errno\":2,\"message\":"
		    "\"mount /data: gone\",\"kernel_log\":\"last words\"}}\n");
		_exit(1);
	}
	fd = io_unix_listen_at(dirfd_runtime, RUNTIME_AGENT_SOCK, CLIENTS);
	if (fd < 0 || io_write_file_at(dirfd_runtime, RUNTIME_MACHINE_JSON,
				       machine, strlen(machine), 0600))
		exit(13);
	(void)snprintf(path, sizeof(path), "{\"ready\":{\"pid\":%d}}\n",
		       (int)getpid());
	write_sample();
	say(path);
	(void)close(4);
	serve(fd, sig, attached);
	return 0;
}
