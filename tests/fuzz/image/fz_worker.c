/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the image worker and its events: what is understood can be said
 * again, and means the same.
 */
#include <stdlib.h>
#include <string.h>

#include "image/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_request(const char *text, size_t len)
{
	struct worker_request r, again;
	char *said, *twice;

	if (worker_request_parse(text, len, &r, NULL))
		return;
	said = worker_request_format(&r);
	if (!said || worker_request_parse(said, strlen(said), &again, NULL))
		abort();
	twice = worker_request_format(&again);
	if (!twice || strcmp(said, twice) != 0)
		abort();
	free(said);
	free(twice);
	worker_request_fini(&r);
	worker_request_fini(&again);
}

static void check_event(const char *text, size_t len)
{
	struct worker_event e, again;
	char *said, *twice;

	if (worker_event_parse(text, len, &e))
		return;
	said = worker_event_format(&e);
	/* said in ASCII it may have become too long a line */
	if (!said)
		abort();
	if (strlen(said) <= WORKER_LINE_MAX) {
		if (worker_event_parse(said, strlen(said), &again))
			abort();
		twice = worker_event_format(&again);
		if (!twice || strcmp(said, twice) != 0)
			abort();
		free(twice);
		worker_event_fini(&again);
	}
	free(said);
	worker_event_fini(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_request((const char *)data, len);
	check_event((const char *)data, len);
	return 0;
}
