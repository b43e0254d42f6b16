/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One intercepted connection, and its two ends.
 *
 * bio.c       the ends as OpenSSL sees them
 * upstream.c  the server's end: dialing, and TLS as a client
 * resume.c    TLS sessions that servers let us take up again
 * session.c   the order of things, and what goes from one end to the other
 * dot.c       DNS over TLS, which has a guest's end only
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

/* The end of a socket, watched for edges; see splice.c. */
struct server_tls {
	int fd;
	SSL *ssl; /* we are the client */
	bool readable, writable;
	bool hung_up;  /* an end may follow what is read */
	bool eof;      /* and has */
	bool goodbye;  /* it said so by close_notify */
	uint8_t alert; /* fatal, received */
	int error;     /* -errno of the socket */
};

/* Make the SSL objects; 0 or -ENOMEM. app: SSL_get_app_data(). */
int guest_tls_open(struct guest_tls *g, struct tls_proxy *p, struct tcp_conn *c,
		   void *app);
void guest_tls_flush(struct guest_tls *g);
/* Room for so many bytes of ciphertext. */
size_t guest_tls_room(struct guest_tls *g);
void guest_tls_close(struct guest_tls *g); /* the connection stays */
int server_tls_open(struct server_tls *u, struct tls_proxy *p, int fd,
		    void *app);
void server_tls_close(struct server_tls *u); /* fd stays open */
void server_tls_events(struct server_tls *u, uint32_t events);

/* --- upstream.c --- */

/* What the handshake as a client is to be like. */
struct server_hello {
	const char *name;	  /* of the server; verified, and sent */
	struct net_endpoint peer; /* as the guest dialed it */
	const uint8_t *alpn;	  /* a list as on the wire */
	unsigned alpn_len;
};

int server_tls_prepare(struct server_tls *u, struct tls_proxy *p,
		       const struct server_hello *h); /* 0 or -ENOMEM */
/* After SSL_connect() failed: what to tell the guest (an alert) and the user;
 * text is a constant or in buf. */
uint8_t server_tls_failure(const struct server_tls *u, const char **text,
			   char buf[128]);
/* The alert that fits a host that cannot be reached. */
uint8_t server_dial_failure(int error, const char **text, char buf[128]);

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

/* Callbacks of the SSL contexts that are about sessions; proxy.c sets them. */
int session_on_hello(SSL *ssl, int *alert, void *arg);
int session_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
		    const unsigned char *in, unsigned in_len, void *arg);
int session_on_ticket(SSL *ssl, SSL_SESSION *session);
void session_on_alert(const SSL *ssl, int where, int value);
void sessions_end(struct tls_proxy *p); /* those without a connection */

#endif
