/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS in bulk. One side runs
 *	tlsload serve ADDRESS PORT CERTIFICATE KEY
 * which prints "ready", the other
 *	tlsload down|up ADDRESS PORT NAME SECONDS STREAMS [HEADER]
 *	tlsload connect ADDRESS PORT NAME SECONDS STREAMS
 * which prints "WHAT COUNT BYTES SECONDS": requests, bytes of bodies.
 * connect: one small request per connection, each with a full handshake. All
 * of it is TLS 1.3 with one cipher, so that every party does the same work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CIPHER "TLS_AES_128_GCM_SHA256"
#define BLOCK 65536u
#define BODY (64ull << 20) /* of one request */
#define HEAD_MAX 8192u
#define MAX_STREAMS 256u

static SSL_CTX *context;
static struct sockaddr_in address;
static const char *name, *header = "";
static uint8_t zeros[BLOCK];
static double seconds;
static volatile bool over;

struct stream {
	pthread_t thread;
	uint64_t count, bytes;
};

static void fail(const char *what)
{
	fprintf(stderr, "tlsload: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A head up to its empty line; what was read beyond it goes to rest. Its
 * length, or 0 at the end. */
static size_t read_head(SSL *ssl, char *head, size_t *rest)
{
	size_t len = 0;
	char *end;
	int n;

	while (len < HEAD_MAX) {
		n = SSL_read(ssl, head + len, (int)(HEAD_MAX - len));
		if (n <= 0)
			return 0;
		len += (size_t)n;
		head[len] = 0;
		end = strstr(head, "\r\n\r\n");
		if (!end)
			continue;
		*rest = len - (size_t)(end + 4 - head);
		return (size_t)(end + 4 - head);
	}
	return 0;
}

static uint64_t length_of(const char *head)
{
	const char *p = strcasestr(head, "\r\nContent-Length:");

	return p ? strtoull(p + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static bool read_body(SSL *ssl, uint64_t left, uint64_t *count)
{
	uint8_t data[BLOCK];
	int n;

	while (left && !over) {
		n = SSL_read(ssl, data, left < BLOCK ? (int)left : (int)BLOCK);
		if (n <= 0)
			return false;
		left -= (uint64_t)n;
		if (count)
			*count += (uint64_t)n;
	}
	return true;
}

static bool write_body(SSL *ssl, uint64_t left)
{
	int n;

	while (left && !over) {
		n = SSL_write(ssl, zeros,
			      left < BLOCK ? (int)left : (int)BLOCK);
		if (n <= 0)
			return false;
		left -= (uint64_t)n;
	}
	return true;
}

/* --- server --- */

/* GET /N: N bytes; anything else: its body is counted. */
static bool answer(SSL *ssl)
{
	char head[HEAD_MAX + 1], reply[200];
	uint64_t want = 0, len, got = 0;
	size_t rest;

	if (!read_head(ssl, head, &rest))
		return false;
	len = length_of(head);
	if (!strncmp(head, "GET /", 5))
		want = strtoull(head + 5, NULL, 10);
	else if (!read_body(ssl, len - rest, &got))
		return false;
	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
		 (unsigned long long)want);
	return SSL_write(ssl, reply, (int)strlen(reply)) > 0 &&
	       write_body(ssl, want);
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	SSL *ssl = SSL_new(context);

	if (ssl && SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1)
		while (answer(ssl))
			;
	if (ssl)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static _Noreturn void serve(const char *certificate, const char *key)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, got;
	pthread_attr_t detached;
	pthread_t thread;

	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		fail(certificate);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 1024))
		fail("listen");
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	puts("ready");
	fflush(stdout);
	for (;;) {
		got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (got < 0)
			continue;
		setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&thread, &detached, serve_one,
				   (void *)(intptr_t)got))
			close(got);
	}
}

/* --- client --- */

static SSL *dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct timeval patience = { .tv_sec = 20 };
	SSL *ssl = SSL_new(context);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	if (!ssl || !SSL_set_fd(ssl, fd) ||
	    !SSL_set_tlsext_host_name(ssl, name) || SSL_connect(ssl) != 1)
		fail("handshake");
	return ssl;
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

static void ask(SSL *ssl, const char *method, uint64_t size, uint64_t body)
{
	char head[HEAD_MAX];

	snprintf(head, sizeof(head),
		 "%s /%llu HTTP/1.1\r\nHost: %s\r\n%s%sContent-Length: "
		 "%llu\r\n\r\n",
		 method, (unsigned long long)size, name, header,
		 *header ? "\r\n" : "", (unsigned long long)body);
	if (SSL_write(ssl, head, (int)strlen(head)) <= 0)
		fail("request");
}

/* The head of an answer, and what of its body came with it. */
static bool get_answer(SSL *ssl, uint64_t *count)
{
	char head[HEAD_MAX + 1];
	size_t rest;

	if (!read_head(ssl, head, &rest) || strncmp(head + 9, "200", 3) != 0)
		return false;
	*count += rest;
	return read_body(ssl, length_of(head) - rest, count);
}

static void *down(void *arg)
{
	struct stream *s = arg;
	SSL *ssl = dial();

	while (!over) {
		ask(ssl, "GET", BODY, 0);
		if (!get_answer(ssl, &s->bytes) && !over)
			fail("answer");
		s->count++;
	}
	hang_up(ssl);
	return NULL;
}

/* What counts has been acknowledged by an answer. */
static void *up(void *arg)
{
	struct stream *s = arg;
	uint64_t none = 0;
	SSL *ssl = dial();

	while (!over) {
		ask(ssl, "POST", 0, BODY / 4);
		if (!write_body(ssl, BODY / 4) && !over)
			fail("body");
		if (over)
			break;
		if (!get_answer(ssl, &none))
			fail("answer");
		s->bytes += BODY / 4;
		s->count++;
	}
	hang_up(ssl);
	return NULL;
}

static void *connections(void *arg)
{
	struct stream *s = arg;

	while (!over) {
		SSL *ssl = dial();

		ask(ssl, "GET", 1, 0);
		if (!get_answer(ssl, &s->bytes) && !over)
			fail("answer");
		s->count++;
		hang_up(ssl);
	}
	return NULL;
}

static int load(const char *what, unsigned streams)
{
	void *(*run)(void *) = !strcmp(what, "down") ? down
			       : !strcmp(what, "up") ? up
						     : connections;
	struct stream s[MAX_STREAMS] = { 0 };
	uint64_t count = 0, bytes = 0;
	double start = now(), took;

	for (unsigned i = 0; i < streams; i++)
		if (pthread_create(&s[i].thread, NULL, run, &s[i]))
			fail("thread");
	usleep((useconds_t)(seconds * 1e6));
	for (unsigned i = 0; i < streams; i++) {
		count += s[i].count;
		bytes += s[i].bytes;
	}
	took = now() - start;
	over = true;
	printf("%s %llu %llu %.6f\n", what, (unsigned long long)count,
	       (unsigned long long)bytes, took);
	fflush(stdout);
	_exit(0); /* whatever a stream waits for */
}

static void make_context(bool server)
{
	context =
		SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!context ||
	    !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(context, CIPHER) ||
	    !SSL_CTX_set1_groups_list(context, "X25519"))
		fail("TLS");
}

int main(int argc, char **argv)
{
	bool server = argc == 6 && !strcmp(argv[1], "serve");
	unsigned streams;

	if (!server && argc != 7 && argc != 8)
		goto usage;
	signal(SIGPIPE, SIG_IGN);
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		goto usage;
	make_context(server);
	if (server)
		serve(argv[4], argv[5]);
	name = argv[4];
	seconds = strtod(argv[5], NULL);
	streams = (unsigned)strtoul(argv[6], NULL, 10);
	header = argc == 8 ? argv[7] : "";
	if (streams < 1 || streams > MAX_STREAMS ||
	    (strcmp(argv[1], "down") && strcmp(argv[1], "up") &&
	     strcmp(argv[1], "connect")))
		goto usage;
	return load(argv[1], streams);
usage:
	fprintf(stderr, "usage: tlsload serve ADDRESS PORT CERTIFICATE KEY\n"
			"       tlsload down|up|connect ADDRESS PORT NAME "
			"SECONDS STREAMS [HEADER]\n");
	return 2;
}
