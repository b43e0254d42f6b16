/* SPDX-License-Identifier: Apache-2.0 */
/* Test surroundings for the library. */
#include "world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "metrics/metrics.h"

void world_file(const char *path, const char *text)
{
	assert_int_equal(
		io_write_file_at(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

/* Directory of this program, where the build puts the stand-in, too. */
static void program_dir(char *buf, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", buf, len - 1);

	assert_true(n > 0);
	buf[n] = 0;
	*strrchr(buf, '/') = 0;
}

msb_t *world_open(struct world *w)
{
	msb_error_t *e = NULL;
	msb_t *m = NULL;

	if (msb_open(w->home, &m, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(m);
	return m;
}

struct world *world_make(const char *settings)
{
	struct world *w = calloc(1, sizeof(*w));
	char dir[4096], path[128], text[8192];

	assert_non_null(w);
	(void)snprintf(w->base, sizeof(w->base), "/tmp/msb-unit-XXXXXX");
	assert_non_null(mkdtemp(w->base));
	(void)snprintf(w->home, sizeof(w->home), "%s/home", w->base);
	(void)snprintf(w->rootfs, sizeof(w->rootfs), "%s/rootfs", w->base);
	assert_int_equal(mkdir(w->home, 0700), 0);
	assert_int_equal(mkdir(w->rootfs, 0755), 0);
	program_dir(dir, sizeof(dir));
	(void)snprintf(text, sizeof(text),
		       "{%s\"paths\":{\"runtime\":\"%s/api/fake-runtime\","
		       "\"guest\":\"%s\"}}",
		       settings ? settings : "", dir, w->base);
	(void)snprintf(path, sizeof(path), "%s/config.json", w->home);
	world_file(path, text);
	(void)snprintf(path, sizeof(path), "%s/linux-um", w->base);
	world_file(path, "");
	(void)snprintf(path, sizeof(path), "%s/initramfs.cpio", w->base);
	world_file(path, "");
	w->m = world_open(w);
	return w;
}

void world_free(struct world *w)
{
	char name[METRICS_SHM_NAME_MAX];
	msb_list_t *l = NULL;

	/* Whatever a failed test left running. */
	if (msb_sandbox_list(w->m, &l, NULL) == 0)
		for (size_t i = 0; i < msb_list_count(l); i++)
			(void)msb_sandbox_remove(
				(msb_sandbox_t *)(uintptr_t)msb_list_item(l, i),
				true, NULL);
	msb_list_free(l);
	msb_close(w->m);
	metrics_registry_name(w->home, name);
	(void)shm_unlink(name); /* mostly nobody has made it */
	assert_int_equal(io_remove_tree(AT_FDCWD, w->base), 0);
	free(w);
}

int world_create(struct world *w, const char *name, bool ephemeral,
		 msb_sandbox_t **ret, msb_error_t **e)
{
	msb_config_t *c;
	int rc = msb_config_new(w->m, &c, e);

	if (rc)
		return rc;
	rc = msb_config_set_image(c, w->rootfs, e);
	if (!rc && name)
		rc = msb_config_set_name(c, name, e);
	if (!rc)
		rc = msb_config_add_env(c, "BASE", "1", e);
	msb_config_set_ephemeral(c, ephemeral);
	if (!rc)
		rc = msb_sandbox_create(w->m, c, ret, e);
	msb_config_free(c);
	return rc;
}

const char *world_status(struct world *w, const char *name)
{
	msb_t *m = world_open(w);
	const char *status = "none";
	msb_sandbox_t *s;

	if (msb_sandbox_get(m, name, &s, NULL) == 0) {
		status = msb_status_name(msb_sandbox_status(s));
		msb_sandbox_free(s);
	}
	msb_close(m);
	return status;
}

bool world_has(struct world *w, const char *name, const char *rest)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/sandboxes/%s/%s", w->home, name,
		       rest);
	return access(path, F_OK) == 0;
}
