/* SPDX-License-Identifier: Apache-2.0 */
/* Writing of events. */
#include "image/worker_out.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define PROGRESS_EVERY_MS 100u

void worker_out_init(struct worker_out *o, int fd)
{
	memset(o, 0, sizeof(*o));
	o->fd = fd;
	(void)pthread_mutex_init(&o->lock, NULL); /* cannot fail on Linux */
}

static void *watch(void *ctx)
{
	const struct worker_out *o = ctx;
	struct pollfd p = { .fd = o->fd };

	/* only errors and the other end's closing are told */
	while (poll(&p, 1, -1) <= 0)
		;
	_exit(EXIT_FAILURE);
}

int worker_out_watch(struct worker_out *o)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, watch, o);

	if (!rc)
		(void)pthread_detach(thread);
	return -rc;
}

void worker_out_event(struct worker_out *o, const struct worker_event *e)
{
	char *line = worker_event_format(e);
	int rc;

	if (!line) /* out of memory: the last line will be missed */
		return;
	(void)pthread_mutex_lock(&o->lock);
	rc = io_write_full(o->fd, line, strlen(line));
	(void)pthread_mutex_unlock(&o->lock);
	free(line);
	if (rc)
		_exit(EXIT_FAILURE);
}

void worker_out_resolving(struct worker_out *o, const char *reference)
{
	const struct worker_event e = { .type = WORKER_RESOLVING,
					.reference = (char *)reference };

	worker_out_event(o, &e);
}

void worker_out_progress(struct worker_out *o, enum worker_event_type type,
			 size_t layer, uint64_t bytes, uint64_t total)
{
	const struct worker_event e = {
		.type = type, .layer = layer, .bytes = bytes, .total = total
	};
	uint64_t now = clock_mono_ms(), *told;
	bool due;

	if (layer >= OCI_MAX_LAYERS)
		return;
	told = &o->told_ms[type == WORKER_UNPACK][layer];
	(void)pthread_mutex_lock(&o->lock);
	due = now - *told >= PROGRESS_EVERY_MS || bytes == total;
	if (due)
		*told = now;
	(void)pthread_mutex_unlock(&o->lock);
	if (due)
		worker_out_event(o, &e);
}

void worker_out_layer(struct worker_out *o, size_t layer,
		      enum worker_layer_state state)
{
	const struct worker_event e = { .type = WORKER_LAYER,
					.layer = layer,
					.state = state };

	worker_out_event(o, &e);
}

void worker_out_note(struct worker_out *o, const char *text)
{
	const struct worker_event e = { .type = WORKER_NOTE,
					.message = (char *)text };

	worker_out_event(o, &e);
}

void worker_out_error(struct worker_out *o, const struct err *err)
{
	const struct worker_event e = { .type = WORKER_ERROR, .err = *err };

	worker_out_event(o, &e);
}

void worker_out_resolved(struct worker_out *o, const char *reference,
			 const struct digest *manifest,
			 const struct oci_manifest *m)
{
	struct worker_event e = { .type = WORKER_RESOLVED,
				  .reference = (char *)reference,
				  .manifest_digest = (char *)manifest->text };

	e.layers = calloc(m->nlayers ? m->nlayers : 1, sizeof(*e.layers));
	for (size_t i = 0; e.layers && i < m->nlayers; i++) {
		e.layers[i].digest = m->layers[i].digest.text;
		e.layers[i].size = m->layers[i].size;
		e.total += m->layers[i].size;
		e.nlayers++;
	}
	worker_out_event(o, &e);
	free(e.layers);
}
