/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of the network's load program agree on. */
#ifndef MSB_BENCH_NETLOAD_H
#define MSB_BENCH_NETLOAD_H

#include <stdint.h>
#include <sys/socket.h>

#define BLOCK (128u << 10)
#define DATAGRAM_MAX 65507u
#define BATCH 32u /* datagrams per system call */

enum op {
	OP_UP = 'U',	 /* TCP: read to the end, answer with the count */
	OP_DOWN = 'D',	 /* TCP: send until the other end closes */
	OP_ECHO = 'E',	 /* both: send back what came */
	OP_ONE = 'O',	 /* TCP: one byte, and the end */
	OP_REPORT = 'R', /* TCP: struct report, which starts anew */
};

/* Begins each TCP connection, and is each UDP datagram's head; of the same
 * machine type on both sides. */
struct request {
	uint8_t op;
	uint8_t pad[3];
	uint32_t size; /* of a datagram, or of what is echoed */
	uint32_t ms;   /* UDP OP_DOWN: for how long */
};

struct report { /* UDP OP_UP */
	uint64_t count, bytes;
};

uint64_t now_us(void);
void fail(const char *what); /* says why and exits */
/* bytes at once; the head of each is *r. Blocks until all are gone. */
void send_datagrams(int fd, const struct sockaddr *to, socklen_t to_len,
		    const struct request *r, unsigned count);
int serve(const struct sockaddr *addr, socklen_t len);

#endif
