/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and names read back from the store. What is accepted is written so
 * that it is accepted again.
 */
#include <stdlib.h>
#include <string.h>

#include "image/store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image img, again;
	struct image_name name;
	char *text;

	if (!store_record_parse((const char *)data, len, &img)) {
		text = store_record_format(&img);
		if (!text || store_record_parse(text, strlen(text), &again))
			abort();
		if (again.nlayers != img.nlayers ||
		    strcmp(again.manifest, img.manifest) != 0)
			abort();
		free(text);
		image_fini(&again);
		image_fini(&img);
	}
	if (!store_ref_parse((const char *)data, len, &name)) {
		text = store_ref_format(&name);
		if (!text)
			abort();
		free(text);
		image_name_fini(&name);
	}
	return 0;
}
