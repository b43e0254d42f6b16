/* SPDX-License-Identifier: Apache-2.0 */
/* What parses prints, and what was printed parses and prints the same. */
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *j = jval_parse((const char *)data, size), *again;
	struct buf first, second;

	if (!j)
		return 0;
	buf_init(&first, 64 << 20);
	buf_init(&second, 64 << 20);
	if (jval_print(j, &first))
		abort();
	again = jval_parse((const char *)buf_data(&first), buf_len(&first));
	if (!again || jval_print(again, &second) ||
	    buf_len(&first) != buf_len(&second) ||
	    memcmp(buf_data(&first), buf_data(&second), buf_len(&first)) != 0)
		abort();
	if (jval_str(j)) {
		char *cut = text_cut(jval_str(j), 8);

		if (!cut || text_width(cut) > 8)
			abort();
		free(cut);
	}
	jval_free(j);
	jval_free(again);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
