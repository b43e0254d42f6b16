/* SPDX-License-Identifier: Apache-2.0 */
/* Follow what a sandbox logs, stop half-way, and go on there. */
#include "common.h"

/* Print so many entries, and give the place behind the last one. */
static char *print_entries(msb_t *m, const char *sandbox, const char *cursor,
			   unsigned count)
{
	const msb_log_options_t o = { .struct_size = sizeof(o),
				      .cursor = cursor,
				      .follow = true };
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_error_t *e = NULL;
	char *place;
	msb_log_t *l;

	check(msb_log_open(m, sandbox, &o, &l, &e), e);
	while (count > 0) {
		int rc = msb_log_next(l, -1, &entry, &e);

		check(rc, e);
		if (rc == 0)
			break; /* the sandbox has ended */
		printf("%s: %.*s",
		       entry.source == MSB_LOG_STDERR ? "err" : "out",
		       (int)entry.len, (const char *)entry.data);
		count--;
	}
	check(msb_log_cursor(l, &place, &e), e);
	msb_log_free(l);
	return place;
}

int main(void)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	char *place, *end;
	msb_exec_t *x;
	msb_t *m;

	check(msb_open(NULL, &m, &e), e);
	s = new_sandbox(m);
	x = start_script(s, "echo first; sleep 0.1; echo second >&2;"
			    "sleep 0.1; echo third; cat");
	place = print_entries(m, msb_sandbox_name(s), NULL, 1);
	printf("on from there\n");
	end = print_entries(m, msb_sandbox_name(s), place, 2);
	msb_free(place);
	msb_free(end);
	msb_exec_free(x);
	msb_sandbox_free(s);
	msb_close(m);
	return 0;
}
