/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's config.json and what helpers answer: a helper's name leads nowhere
 * but to a program docker-credential-NAME.
 */
#include <stdlib.h>
#include <string.h>

#include "image/docker_config.h"
#include "image/roots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const char *text, size_t len, const char *host)
{
	struct docker_entry e;

	if (docker_config_parse(text, len, host, &e, NULL))
		return;
	for (size_t i = 0; i < e.nhelpers; i++)
		if (strchr(e.helpers[i].name, '/') || !*e.helpers[i].name)
			abort();
	if (!e.auth.username != !e.auth.password)
		abort();
	docker_entry_fini(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct credential c;

	check(text, len, "docker.io");
	check(text, len, "h.io");
	if (docker_helper_parse(text, len, &c) == 1) {
		if (!*c.username || !*c.password)
			abort();
		credential_fini(&c);
	}
	(void)roots_check(text, len, NULL); /* only reads */
	return 0;
}
