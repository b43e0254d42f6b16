/* SPDX-License-Identifier: Apache-2.0 */
/* Talk to a command while it runs: its input, its output as it comes. */
#include "common.h"

static const char *const lines[] = { "one\n", "two\n", "three\n" };

/* Print what comes until the command has answered; false: it has ended. */
static int show_answer(msb_exec_t *x)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;

	for (;;) {
		check(msb_exec_next(x, -1, &ev, &e), e);
		switch (ev.kind) {
		case MSB_EXEC_STARTED:
			printf("it runs\n");
			break;
		case MSB_EXEC_STDOUT:
		case MSB_EXEC_STDERR:
			printf("%.*s", (int)ev.len, (const char *)ev.data);
			return 1;
		case MSB_EXEC_EXITED:
			printf("exit code %d\n", ev.exit_code);
			return 0;
		case MSB_EXEC_NONE:
		case MSB_EXEC_STDIN_ERROR:
			break;
		}
	}
}

int main(void)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	msb_exec_t *x;
	msb_t *m;

	check(msb_open(NULL, &m, &e), e);
	s = new_sandbox(m);
	x = start_script(s, "while read -r word; do echo \"got $word\"; done");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check(msb_exec_write_stdin(x, lines[i], strlen(lines[i]), &e),
		      e);
		show_answer(x);
	}
	check(msb_exec_close_stdin(x, &e), e);
	while (show_answer(x))
		;
	msb_exec_free(x);
	msb_sandbox_free(s);
	msb_close(m);
	return 0;
}
