/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the options of a sandbox. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"
#include "api/network.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char home[] = "/tmp/msb-fuzz-config-XXXXXX";
static msb_t *m;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void finish(void)
{
	msb_close(m);
	(void)io_remove_tree(AT_FDCWD, home);
}

static void prepare(void)
{
	msb_error_t *e = NULL;

	if (m)
		return;
	require(mkdtemp(home) && msb_open(home, &m, &e) == 0);
	(void)atexit(finish);
}

/* What was taken has a stored form that can be read again. */
static void check_taken(const msb_config_t *c)
{
	struct sandbox_config again;
	struct net_config n;
	struct err err = { 0 };
	char *text = sandbox_config_to_json(&c->c);

	require(text && sandbox_config_from_json(text, &again, &err) == 0);
	require(again.nmounts == c->c.nmounts && again.env.n == c->c.env.n);
	require(network_wish_section(c->net, &n, &err) == 0);
	net_config_fini(&n);
	sandbox_config_fini(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	msb_config_t *c = NULL;
	msb_error_t *e = NULL;

	/* files of this host are not what is to be found out about */
	if (len > 65536 || memmem(data, len, "copy_", 5))
		return 0;
	prepare();
	require(msb_config_new(m, &c, &e) == 0);
	if (msb_config_apply_json(c, (const char *)data, len, &e)) {
		require(*msb_error_message(e));
		msb_error_free(e);
	} else {
		check_taken(c);
	}
	msb_config_free(c);
	return 0;
}
