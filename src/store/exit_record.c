/* SPDX-License-Identifier: Apache-2.0 */
/* Reading exit.json. */
#include "store/exit_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/io.h"
#include "store/paths.h"

#define EXIT_RECORD_MAX 4096

static int exit_record_parse(const json_t *o, struct exit_record *ret)
{
	const char *reason = json_string_value(json_object_get(o, "reason"));
	const char *cause = json_string_value(json_object_get(o, "cause"));
	const json_t *code = json_object_get(o, "code");

	if (!reason || !*reason)
		return -EBADMSG;
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
	(void)snprintf(ret->cause, sizeof(ret->cause), "%s",
		       cause ? cause : "");
	ret->code = json_is_integer(code) ? (int)json_integer_value(code) : -1;
	ret->graceful = json_is_true(json_object_get(o, "graceful"));
	return 0;
}

int exit_record_load(int runtime_dirfd, struct exit_record *ret)
{
	struct buf b;
	json_t *o;
	int rc;

	buf_init(&b, EXIT_RECORD_MAX);
	rc = io_read_file_at(runtime_dirfd, RUNTIME_EXIT_JSON, &b);
	if (!rc) {
		o = json_loadb((const char *)buf_data(&b), buf_len(&b), 0,
			       NULL);
		rc = exit_record_parse(o, ret);
		json_decref(o);
	}
	buf_fini(&b);
	return rc;
}
