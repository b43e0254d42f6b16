/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: what is accepted has a canonical and a short form that are
 * accepted as well and mean the same, and a path that stays in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "image/reference.h"
#include "image/store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void same_again(char *text, const char *canonical)
{
	struct image_ref r;
	char *again;

	if (!text || image_ref_parse(text, &r, NULL))
		abort();
	again = image_ref_canonical(&r);
	if (!again || strcmp(again, canonical) != 0)
		abort();
	free(again);
	image_ref_fini(&r);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *canonical, *path;
	struct image_ref r;

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = 0;
	if (!image_ref_parse(text, &r, NULL)) {
		canonical = image_ref_canonical(&r);
		path = store_ref_path(&r);
		if (!canonical || !path || strstr(path, "/../") ||
		    strstr(path, "/./") || strstr(path, "//") ||
		    strlen(path) > STORE_REF_PATH_MAX)
			abort();
		same_again(strdup(canonical), canonical);
		same_again(image_ref_short(&r), canonical);
		free(path);
		free(canonical);
		image_ref_fini(&r);
	}
	free(text);
	return 0;
}
