/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON read from files: stored configurations and config.json. What is accepted
 * must be written so that it is accepted again, and to the same text.
 */
#include <stdlib.h>
#include <string.h>

#include "store/config_file.h"
#include "store/sandbox_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void round_trip(const char *text)
{
	struct sandbox_config c;
	char *once, *twice;

	if (sandbox_config_from_json(text, &c, NULL))
		return;
	once = sandbox_config_to_json(&c);
	sandbox_config_fini(&c);
	if (!once)
		return; /* text with a NUL in a place that has no length */
	if (sandbox_config_from_json(once, &c, NULL))
		abort();
	twice = sandbox_config_to_json(&c);
	sandbox_config_fini(&c);
	if (!twice || strcmp(once, twice) != 0)
		abort();
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_file f;
	struct err err = { 0 };
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = 0;
	round_trip(text);
	if (config_file_parse(text, "config.json", &f, &err) == 0)
		config_file_fini(&f);
	free(text);
	return 0;
}
