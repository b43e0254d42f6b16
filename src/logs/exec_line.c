/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one line of exec.log. Lines of our own writer are taken apart where
 * they lie, without an allocation; every other one goes to a JSON parser. Both
 * give the same result for whatever the first understands.
 */
#include "logs/exec_line.h"

#include <string.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/str.h"
#include "logs/json_text.h"
#include "logs/limits.h"

/* {"t":"2026-01-02T03:04:05.678Z","s":"stdout","d":"…","id":7,"e":"b64"} */
#define AT_TIME 6u
#define AT_STREAM 37u
#define AT_DATA 50u
#define STREAM_LEN 6u
#define ID_DIGITS 18u /* always less than 2^63 */

void exec_parser_init(struct exec_parser *p)
{
	memset(&p->stamp, 0, sizeof(p->stamp));
	buf_init(&p->scratch, 2 * LINE_MAX_BYTES);
}

void exec_parser_fini(struct exec_parser *p)
{
	buf_fini(&p->scratch);
}

static bool stream_find(const uint8_t *word, size_t len, enum log_stream *ret)
{
	for (unsigned i = 0; i < LOG_STREAM_COUNT; i++) {
		const char *name = log_stream_name((enum log_stream)i);

		if (strlen(name) == len && !memcmp(word, name, len)) {
			*ret = (enum log_stream)i;
			return true;
		}
	}
	return false;
}

static bool decode(struct exec_parser *p, const uint8_t *text, size_t len,
		   struct log_line *l)
{
	buf_reset(&p->scratch);
	if (base64_decode_strict(text, len, &p->scratch))
		return false;
	l->data = buf_data(&p->scratch);
	l->len = buf_len(&p->scratch);
	l->escaped = false;
	return true;
}

/* What follows the data's closing quote. */
static bool parse_end(const uint8_t *p, const uint8_t *end, uint64_t *ret_id,
		      bool *ret_base64)
{
	static const char id[] = ",\"id\":";
	static const char e[] = ",\"e\":\"b64\"";
	const size_t nid = sizeof(id) - 1, ne = sizeof(e) - 1;
	uint64_t v = 0;

	if ((size_t)(end - p) > nid && !memcmp(p, id, nid)) {
		const uint8_t *first = p += nid;

		while (p < end && *p >= '0' && *p <= '9' &&
		       (size_t)(p - first) < ID_DIGITS)
			v = v * 10 + (uint64_t)(*p++ - '0');
		if (p == first || (*first == '0' && p - first > 1))
			return false;
	}
	*ret_base64 = (size_t)(end - p) > ne && !memcmp(p, e, ne);
	if (*ret_base64)
		p += ne;
	*ret_id = v;
	return end - p == 1 && *p == '}';
}

bool exec_line_parse_own(struct exec_parser *p, const uint8_t *line, size_t len,
			 struct log_line *ret)
{
	const uint8_t *end = line + len, *quote;
	bool high, base64;

	if (len < AT_DATA + 2 || memcmp(line, "{\"t\":\"", AT_TIME) != 0 ||
	    memcmp(line + AT_TIME + STAMP_LEN, "\",\"s\":\"", 7) != 0 ||
	    memcmp(line + AT_STREAM + STREAM_LEN, "\",\"d\":\"", 7) != 0)
		return false;
	if (!stream_find(line + AT_STREAM, STREAM_LEN, &ret->stream) ||
	    !stamp_parse_own(&p->stamp, line + AT_TIME, &ret->time_ns))
		return false;
	quote = json_string_end(line + AT_DATA, end, &high);
	if (!quote || !parse_end(quote + 1, end, &ret->id, &base64))
		return false;
	ret->data = line + AT_DATA;
	ret->len = (size_t)(quote - ret->data);
	ret->escaped = true;
	if (high && !utf8_valid(ret->data, ret->len))
		return false;
	return !base64 || decode(p, ret->data, ret->len, ret);
}

static bool take_time(const json_t *v, struct log_line *ret)
{
	return json_is_string(v) &&
	       stamp_parse((const uint8_t *)json_string_value(v),
			   json_string_length(v), &ret->time_ns);
}

static bool take_stream(const json_t *v, struct log_line *ret)
{
	return json_is_string(v) &&
	       stream_find((const uint8_t *)json_string_value(v),
			   json_string_length(v), &ret->stream);
}

static bool take_id(const json_t *v, struct log_line *ret)
{
	ret->id = 0;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	ret->id = (uint64_t)json_integer_value(v);
	return true;
}

static bool take_data(struct exec_parser *p, const json_t *d, const json_t *e,
		      struct log_line *ret)
{
	const uint8_t *text =
		d ? (const uint8_t *)json_string_value(d) : (const uint8_t *)"";
	size_t len = d ? json_string_length(d) : 0;

	if (!text)
		return false;
	if (e && !json_is_null(e)) {
		if (!str_eq(json_string_value(e), "b64"))
			return false;
		return decode(p, text, len, ret);
	}
	buf_reset(&p->scratch);
	if (buf_append(&p->scratch, text, len))
		return false;
	ret->data = buf_data(&p->scratch);
	ret->len = len;
	ret->escaped = false;
	return true;
}

bool exec_line_parse_any(struct exec_parser *p, const uint8_t *line, size_t len,
			 struct log_line *ret)
{
	json_t *o = json_loadb((const char *)line, len, JSON_ALLOW_NUL, NULL);
	bool ok = json_is_object(o) &&
		  take_time(json_object_get(o, "t"), ret) &&
		  take_stream(json_object_get(o, "s"), ret) &&
		  take_id(json_object_get(o, "id"), ret) &&
		  take_data(p, json_object_get(o, "d"), json_object_get(o, "e"),
			    ret);

	json_decref(o);
	return ok;
}

bool exec_line_parse(struct exec_parser *p, const uint8_t *line, size_t len,
		     struct log_line *ret)
{
	return exec_line_parse_own(p, line, len, ret) ||
	       exec_line_parse_any(p, line, len, ret);
}
