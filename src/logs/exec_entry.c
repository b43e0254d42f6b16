/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting of exec.log lines. */
#include "logs/exec_entry.h"

#include <errno.h>

#include "base/base64.h"
#include "logs/json_text.h"
#include "logs/stamp.h"

static const char stream_text[][8] = { "stdout", "stderr", "output", "system" };

_Static_assert(ARRAY_SIZE(stream_text) == LOG_STREAM_COUNT,
	       "stream_text[] does not match enum log_stream");

const char *log_stream_name(enum log_stream stream)
{
	return stream_text[stream];
}

int exec_entry_format(struct buf *out, struct stamp_cache *cache,
		      uint64_t wall_ns, enum log_stream stream, uint64_t id,
		      const void *data, size_t len)
{
	char stamp[STAMP_LEN];
	bool text;

	stamp_format(cache, (int64_t)wall_ns, stamp);
	(void)buf_str(out, "{\"t\":\"");
	(void)buf_append(out, stamp, sizeof(stamp));
	(void)buf_str(out, "\",\"s\":\"");
	(void)buf_str(out, stream_text[stream]);
	(void)buf_str(out, "\",\"d\":\"");
	text = json_put_text(out, data, len);
	if (!text)
		(void)base64_encode(data, len, out);
	(void)buf_str(out, "\"");
	if (id) {
		(void)buf_str(out, ",\"id\":");
		json_put_number(out, id);
	}
	if (!text)
		(void)buf_str(out, ",\"e\":\"b64\"");
	(void)buf_str(out, "}\n");
	return out->failed ? -ENOMEM : 0;
}
