/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the published ports' tests: real sockets of loopback, and in
 * place of the stack notes of what would be sent to the guest.
 */
#ifndef MSB_TEST_PORT_BENCH_H
#define MSB_TEST_PORT_BENCH_H

#include "net/port_int.h"

#define SERVICE 80

struct bench {
	struct net n;
	struct net_port port[2];
	/* splice_inbound() */
	unsigned dialled;
	uint16_t busy; /* this port of the gateway is taken */
	int error;     /* or nothing works */
	struct net_endpoint from, to;
	int fd[PORT_MAX_INBOUND];
	void (*done)(void *ctx);
	void *done_ctx;
	/* udp_send() */
	bool full; /* there is no room */
	unsigned sent;
	struct net_endpoint udp_from, udp_to;
	uint8_t data[65536];
	size_t len;
	/* net_judge() and net_log() */
	enum policy_answer answer;
	struct policy_flow judged;
	unsigned judgements;
	char log[4096];
	uint64_t skew_ms;
};

extern struct bench t;

int port_setup(void **state);
int port_teardown(void **state);

struct net_addr port_address(const char *text);
/* Fill in t.port[i]; port 0 is the kernel's choice. */
void port_choose(size_t i, const char *addr, uint16_t port, bool udp);
/* Publish the first count of t.port[]. */
void port_publish(size_t count);

struct net_endpoint port_local_end(int fd);
/* A socket bound, or else connected, to addr. */
int port_open_at(const char *addr, uint16_t port, int type, bool connected);
/* A connection, or datagram socket, to published port i over addr. */
int port_reach(size_t i, const char *addr);
/* Turn the loop until *what is count, and not more. */
void port_turn_until(const unsigned *what, unsigned count);

#endif
