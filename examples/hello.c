/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run one command in a sandbox of its own, and print what it wrote.
 *
 *   cc $(pkg-config --cflags microsandbox) hello.c -o hello \
 *           $(pkg-config --libs microsandbox)
 */
#include <microsandbox/microsandbox.h>
#include <stdio.h>
#include <string.h>

static int failed(msb_error_t *e)
{
	fprintf(stderr, "error: %s\n", msb_error_text(e));
	msb_error_free(e);
	return 1;
}

static int hello(msb_sandbox_t *s, msb_error_t **e)
{
	const char *const argv[] = { "echo", "hello", "from", "a sandbox" };
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = msb_exec_options_new();
	int rc;

	if (!o)
		return -1;
	msb_exec_options_set_timeout_ms(o, 10000);
	rc = msb_exec_options_set_command(o, argv, 4, e);
	if (!rc)
		rc = msb_exec_run(s, o, &out, e);
	if (!rc) {
		fwrite(out.out, 1, out.out_len, stdout);
		printf("exit code %d\n", out.exit_code);
	}
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
	return rc;
}

int main(void)
{
	static const char options[] = "{\"image\": \"busybox\","
				      " \"memory_mib\": 128,"
				      " \"ephemeral\": true}";
	msb_config_t *c = NULL;
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	msb_t *m = NULL;
	int rc = msb_open(NULL, &m, &e);

	if (!rc)
		rc = msb_config_new(m, &c, &e);
	if (!rc)
		rc = msb_config_apply_json(c, options, strlen(options), &e);
	if (!rc)
		rc = msb_sandbox_create(m, c, &s, &e);
	if (!rc)
		rc = hello(s, &e);
	if (s)
		msb_sandbox_stop(s, 10000, NULL, NULL);
	msb_sandbox_free(s);
	msb_config_free(c);
	msb_close(m);
	return rc ? failed(e) : 0;
}
