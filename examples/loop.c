/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several commands in an event loop of the program's own, without threads: what
 * the library waits for is a descriptor, and calls with timeout 0 never wait.
 */
#include <errno.h>
#include <poll.h>

#include "common.h"

#define COMMANDS 5

static void handle(size_t i, const msb_exec_event_t *ev, unsigned *left)
{
	if (ev->kind == MSB_EXEC_STDOUT)
		printf("%zu: %.*s", i, (int)ev->len, (const char *)ev->data);
	if (ev->kind == MSB_EXEC_EXITED) {
		printf("%zu: exit code %d\n", i, ev->exit_code);
		(*left)--;
	}
}

/* All events that are there; afterwards its descriptor is worth waiting for. */
static void drain(size_t i, msb_exec_t **x, unsigned *left)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;

	do {
		check(msb_exec_next(*x, 0, &ev, &e), e);
		handle(i, &ev, left);
	} while (ev.kind != MSB_EXEC_NONE && ev.kind != MSB_EXEC_EXITED);
	if (ev.kind == MSB_EXEC_EXITED) {
		msb_exec_free(*x);
		*x = NULL;
	}
}

int main(void)
{
	struct pollfd fds[COMMANDS];
	msb_exec_t *x[COMMANDS];
	unsigned left = COMMANDS;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	msb_t *m;

	check(msb_open(NULL, &m, &e), e);
	s = new_sandbox(m);
	for (size_t i = 0; i < COMMANDS; i++) {
		char script[64];

		snprintf(script, sizeof(script),
			 "sleep 0.%zu; echo done; exit %zu", COMMANDS - i, i);
		x[i] = start_script(s, script);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		drain(i, &x[i], &left);
	while (left) {
		for (size_t i = 0; i < COMMANDS; i++) {
			fds[i].fd = x[i] ? msb_exec_fd(x[i]) : -1;
			fds[i].events = POLLIN;
		}
		if (poll(fds, COMMANDS, -1) < 0 && errno != EINTR)
			return 1;
		for (size_t i = 0; i < COMMANDS; i++)
			if (x[i] && fds[i].revents)
				drain(i, &x[i], &left);
	}
	msb_sandbox_free(s);
	msb_close(m);
	return 0;
}
