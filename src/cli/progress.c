/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to an image, for whoever waits. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/bars.h"
#include "cli/table.h"
#include "cli/ui.h"

static void put_line(const char *fmt, ...) MSB_PRINTF(1, 2);

static void put_line(const char *fmt, ...)
{
	char text[512];
	struct buf b;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_init(&b, 2 * sizeof(text));
	text_put_safe(&b, text);
	(void)buf_str(&b, "\n");
	/* Nothing is left to tell when stderr cannot be written. */
	(void)io_write_full(STDERR_FILENO, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

#define NAME_MAX_SHOWN 300

/* As people write it: without what every reference has. */
static const char *shown(const char *canonical, char buf[NAME_MAX_SHOWN])
{
	static const char *const usual[] = { "docker.io/library/",
					     "docker.io/" };
	static const char latest[] = ":latest";
	size_t skip = 0, len;

	for (size_t i = 0; !skip && i < ARRAY_SIZE(usual); i++)
		if (str_starts(canonical, usual[i]))
			skip = strlen(usual[i]);
	len = strlen(canonical + skip);
	if (str_ends(canonical, latest))
		len -= strlen(latest);
	(void)snprintf(buf, NAME_MAX_SHOWN, "%.*s", (int)len, canonical + skip);
	return buf;
}

static void bar_event(const msb_image_event_t *e)
{
	switch (e->kind) {
	case MSB_IMAGE_DOWNLOAD:
		bars_update(e->layer, BAR_DOWNLOAD, e->bytes, e->total);
		break;
	case MSB_IMAGE_UNPACK:
		bars_update(e->layer, BAR_UNPACK, e->bytes, e->total);
		break;
	case MSB_IMAGE_WAITING:
		bars_update(e->layer, BAR_WAITING, 0, 0);
		break;
	case MSB_IMAGE_CACHED:
		bars_update(e->layer, BAR_CACHED, 0, 0);
		break;
	case MSB_IMAGE_LAYER:
		bars_update(e->layer, BAR_DONE, 0, 0);
		break;
	case MSB_IMAGE_RESOLVING:
	case MSB_IMAGE_RESOLVED:
	case MSB_IMAGE_MERGING:
	case MSB_IMAGE_NOTE:
	case MSB_IMAGE_DONE:
		break;
	}
}

static void on_terminal(const struct progress *p, const msb_image_event_t *e)
{
	char name[NAME_MAX_SHOWN];

	switch (e->kind) {
	case MSB_IMAGE_RESOLVING:
		ui_spinner_text(p->verb, shown(e->reference, name));
		break;
	case MSB_IMAGE_RESOLVED:
		ui_spinner_text(p->verb, shown(e->reference, name));
		bars_show(e->layer_count, e->layer_bytes);
		break;
	case MSB_IMAGE_MERGING:
		break; /* takes milliseconds */
	case MSB_IMAGE_NOTE:
		ui_note(e->message);
		break;
	case MSB_IMAGE_DONE:
		bars_show(0, NULL);
		if (p->after)
			ui_spinner_text(p->after, p->after_target);
		break;
	case MSB_IMAGE_DOWNLOAD:
	case MSB_IMAGE_UNPACK:
	case MSB_IMAGE_WAITING:
	case MSB_IMAGE_CACHED:
	case MSB_IMAGE_LAYER:
		bar_event(e);
		break;
	}
}

static void in_lines(const struct progress *p, const msb_image_event_t *e)
{
	char size[24], name[NAME_MAX_SHOWN];

	switch (e->kind) {
	case MSB_IMAGE_RESOLVED:
		put_line("%s %s (%zu layer%s, %s)", p->verb,
			 shown(e->reference, name), e->layer_count,
			 e->layer_count == 1 ? "" : "s",
			 bytes_text(e->total, size, sizeof(size)));
		break;
	case MSB_IMAGE_CACHED:
	case MSB_IMAGE_LAYER:
		put_line("layer %zu/%zu: %s", e->layer + 1, e->layer_count,
			 e->kind == MSB_IMAGE_CACHED ? "cached" : "done");
		break;
	case MSB_IMAGE_NOTE:
		ui_note(e->message);
		break;
	case MSB_IMAGE_RESOLVING:
	case MSB_IMAGE_DOWNLOAD:
	case MSB_IMAGE_UNPACK:
	case MSB_IMAGE_WAITING:
	case MSB_IMAGE_MERGING:
	case MSB_IMAGE_DONE:
		break;
	}
}

int progress_event(void *ctx, const msb_image_event_t *event)
{
	const struct progress *p = ctx;

	if (p->quiet)
		return 0;
	if (isatty(STDERR_FILENO))
		on_terminal(p, event);
	else
		in_lines(p, event);
	return 0;
}
