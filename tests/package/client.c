/* SPDX-License-Identifier: Apache-2.0 */
/* A program of somebody else's that uses the installed library. */
#include <microsandbox/microsandbox.h>
#include <stdio.h>
#include <string.h>

/* The checks that look for what belongs to an installation. */
static int count(void *ctx, const msb_check_t *check)
{
	if (check->state == MSB_CHECK_OK &&
	    (!strcmp(check->name, "runtime") ||
	     !strcmp(check->name, "guest kernel") ||
	     !strcmp(check->name, "image worker")))
		(*(int *)ctx)++;
	return 0;
}

int main(void)
{
	msb_error_t *e = NULL;
	int found = 0;
	msb_t *m;

	if (msb_open(NULL, &m, &e) || msb_doctor(m, count, &found, &e)) {
		(void)fprintf(stderr, "%s\n", msb_error_message(e));
		return 1;
	}
	msb_close(m);
	(void)printf("%s %d\n", msb_version(), found);
	return 0;
}
