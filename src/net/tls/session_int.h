/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One intercepted connection, and its two ends.
 *
 * bio.c       the ends as OpenSSL sees them
 * upstream.c  the server's end: dialing, and TLS as a client
 * resume.c    TLS sessions that servers let us take up again
 * session.c   the order of things
 * pump.c      what goes from one end to the other
 * hello.c     what of the guest's hello is passed on
 * dot.c       DNS over TLS, which has a guest's end only
 * wire.c      and a server's end only
 */
#ifndef MSB_NET_TLS_SESSION_INT_H
#define MSB_NET_TLS_SESSION_INT_H

#include "net/http/request.h"
#include "net/tls/proxy_int.h"

/* Plaintext of a record, and how much longer it may be as ciphertext. */
#define TLS_RECORD_MAX 16384u
#define TLS_RECORD_MORE 512u

/* --- bio.c --- */

/*
 * The guest's end. What OpenSSL writes lies in the connection's ring, and goes
 * out with guest_end_flush(), so that records share frames. That is called
 * before control leaves the session.
 */
struct guest_tls {
	struct tcp_conn *conn;
	SSL *ssl;      /* we are the server */
	size_t staged; /* written, not told to the connection */
	bool asked;    /* for room, which has to be given back */
	bool fin;      /* the guest will send nothing more */
};

/* The end of a socket; readable and writable until a call says otherwise. */
struct server_tls {
	int fd;
	SSL *ssl; /* we are the client; its app data is this */
	struct tls_proxy *proxy;
	const char *name;	  /* of the server; verified, and sent */
	struct net_endpoint peer; /* by which it is known */
	bool readable, writable;
	bool hung_up;  /* an end may follow what is read */
	bool eof;      /* and has */
	bool goodbye;  /* it said so by close_notify */
	uint8_t alert; /* fatal, received */
	int error;     /* -errno of the socket */
};

/* Make the SSL objects; 0 or -ENOMEM. app: SSL_get_app_data(), a struct
 * tls_session or NULL. */
int guest_tls_open(struct guest_tls *g, struct tls_proxy *p, struct tcp_conn *c,
		   void *app);
void guest_tls_flush(struct guest_tls *g);
/* Room for so many bytes of ciphertext. */
size_t guest_tls_room(struct guest_tls *g);
void guest_tls_close(struct guest_tls *g); /* the connection stays */
/* fd, and what describes it, are set. */
int server_tls_open(struct server_tls *u);
void server_tls_close(struct server_tls *u); /* fd stays open */
void server_tls_events(struct server_tls *u, uint32_t events);

/* --- upstream.c --- */

/* Make ready for the handshake; alpn: a list as on the wire. 0 or -ENOMEM. */
int server_tls_prepare(struct server_tls *u, const uint8_t *alpn,
		       unsigned alpn_len);
/* After SSL_connect() failed: what to tell the guest (an alert) and the user;
 * text is a constant or in buf. */
uint8_t server_tls_failure(const struct server_tls *u, const char **text,
			   char buf[128]);
/* The alert that fits a host that cannot be reached. */
uint8_t server_dial_failure(int error, const char **text, char buf[128]);
/* Callbacks of the client's context. */
int server_on_ticket(SSL *ssl, SSL_SESSION *session);
void server_on_alert(const SSL *ssl, int where, int value);

/* --- resume.c --- */

int resume_new(struct tls_resume **ret);
struct tls_resume *resume_free(struct tls_resume *r);
/* The session is the caller's; NULL: none. */
SSL_SESSION *resume_take(struct tls_resume *r, const char *name,
			 const struct net_endpoint *peer);
/* Owns it from now on. */
void resume_keep(struct tls_resume *r, const char *name,
		 const struct net_endpoint *peer, SSL_SESSION *session);

/* --- session.c --- */

enum session_state {
	SESSION_HELLO,
	SESSION_DIAL,
	SESSION_SERVER, /* TLS with the server */
	SESSION_GUEST,	/* TLS with the guest */
	SESSION_OPEN,
	SESSION_LINGER, /* the guest has gone, its words are still on the way */
};

struct tls_session {
	struct tls_proxy *proxy;
	enum session_state state;
	struct guest_tls guest;
	struct server_tls server;
	char name[NET_NAME_MAX + 1];
	struct net_endpoint peer; /* as the guest dialed it */
	struct net_endpoint to;	  /* as the host does */
	bool other_family;	  /* the other loopback may be tried, too */
	bool tunnel;
	struct watch watch;
	struct timer timer;
	struct deferred work;
	struct list link; /* proxy->lingering */
	uint8_t *alpn;	  /* what the server is offered; owned */
	unsigned alpn_len;
	uint8_t alert; /* the guest's handshake ends with it */
	struct secret_scope *scope;
	struct request_filter *filter; /* NULL: bytes go as they are */
	struct buf out;		       /* plaintext for the server */
	bool guest_done;	       /* it said its last */
	bool server_told;	       /* and the server knows */
	bool server_done, guest_told;
	bool starved; /* nothing to read from the server */
	bool broken;  /* the server's end; the guest reads what there is */
};

/* The connections stay; rude: the server sees a reset. */
void session_free(struct tls_session *s, bool rude);
/* Both sides see a reset. Gives back false: the session is gone. */
bool session_cut(struct tls_session *s);
/* The guest reads what there is for it, an alert perhaps. Gives back false. */
bool session_part(struct tls_session *s);
/* Go on when the loop's turn ends. */
void session_schedule(struct tls_session *s);
void sessions_end(struct tls_proxy *p); /* those without a connection */

/* --- pump.c: false: the session is gone --- */

bool session_to_server(struct tls_session *s);
bool session_to_guest(struct tls_session *s);
/* An SSL call gave rc: is it to be made again? */
bool tls_would_wait(const SSL *ssl, int rc);

/* --- hello.c: callbacks of the server's context --- */

int session_on_hello(SSL *ssl, int *alert, void *arg);
int session_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
		    const unsigned char *in, unsigned in_len, void *arg);

/* --- dot.c --- */

/* DNS over TLS; name: of the hello, or empty. */
void dot_start(struct tls_proxy *p, struct tcp_conn *c, const char *name);

/* --- wire.c: net_tls_ops.wire_... --- */

struct tls_wire *wire_open(struct tls_proxy *p, int fd,
			   const struct net_endpoint *to, const char *name);
ssize_t wire_send(struct tls_wire *w, const void *data, size_t len);
ssize_t wire_recv(struct tls_wire *w, void *data, size_t len);
uint32_t wire_waits(const struct tls_wire *w);
void wire_close(struct tls_wire *w);

#endif
