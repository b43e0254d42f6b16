/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the listings. */
#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/ui.h"

#define OUTPUT_MAX (256u << 20)

const char *show_local_time(int64_t unix_ms, char *buf, size_t size)
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(buf, size, "-");
	return buf;
}

void show_relaxed_layers(const msb_sandbox_t *s)
{
	const char *text = msb_sandbox_machine_json(s);
	const struct json *jail;
	struct json *machine;

	if (!text || !strstr(text, "\"off: "))
		return;
	machine = jval_parse(text, strlen(text));
	jail = jval_get(machine, "jail");
	for (const struct json *l = jail ? jail->first : NULL; l; l = l->next) {
		const char *state = jval_str(l);

		if (state && str_starts(state, "off"))
			ui_warn("the machine runs without jail layer %s: %s",
				l->key, state);
	}
	jval_free(machine);
}

const char *show_json_time(int64_t unix_ms, char *buf, size_t size)
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(buf, size, "%Y-%m-%dT%H:%M:%S+00:00", &tm))
		(void)snprintf(buf, size, "-");
	return buf;
}

const char *show_rfc_time(const char *text, char *buf, size_t size)
{
	int64_t ns;

	if (clock_parse_rfc3339(text, strlen(text), &ns))
		return show_local_time(ns / (int64_t)NSEC_PER_MSEC, buf, size);
	(void)snprintf(buf, size, "%s", text);
	return buf;
}

const char *show_status(msb_status_t s, char *buf, size_t size,
			enum table_style *ret_style)
{
	size_t i = 0;

	for (const char *p = msb_status_name(s); *p && i + 1 < size; p++)
		buf[i++] = (char)tolower((unsigned char)*p);
	buf[i] = 0;
	switch (s) {
	case MSB_STATUS_RUNNING:
		*ret_style = STYLE_GREEN_BOLD;
		break;
	case MSB_STATUS_DRAINING:
	case MSB_STATUS_PAUSED:
		*ret_style = STYLE_YELLOW_BOLD;
		break;
	case MSB_STATUS_STOPPED:
		*ret_style = STYLE_DIM;
		break;
	case MSB_STATUS_CRASHED:
		*ret_style = STYLE_RED_BOLD;
		break;
	}
	return buf;
}

static void put_words(struct buf *b, const struct json *list)
{
	for (const struct json *w = list ? list->first : NULL; w; w = w->next)
		if (jval_str(w))
			(void)buf_printf(b, "%s%s", buf_len(b) ? " " : "\"",
					 jval_str(w));
}

char *show_command(const struct json *config)
{
	struct buf b;
	char *text;

	buf_init(&b, 4u << 20);
	put_words(&b, jval_get(config, "entrypoint"));
	put_words(&b, jval_get(config, "cmd"));
	(void)buf_str(&b, buf_len(&b) ? "\"" : "-");
	text = buf_take_str(&b);
	buf_fini(&b);
	return text;
}

int show_json(struct json *j)
{
	struct buf b;

	buf_init(&b, OUTPUT_MAX);
	if (jval_print(j, &b))
		b.failed = true;
	jval_free(j);
	return ui_print(&b) ? 1 : 0;
}

void show_none(const char *text)
{
	struct buf line;

	buf_init(&line, 256);
	(void)buf_printf(&line, "%s\n", text);
	(void)!write(STDERR_FILENO, buf_data(&line), buf_len(&line));
	buf_fini(&line);
}

int show_table(struct table *t, const char *when_empty)
{
	struct buf b;
	int code = 0;

	buf_init(&b, OUTPUT_MAX);
	t->max_width = ui_columns(STDOUT_FILENO);
	if (table_print(t, ui_colors(STDOUT_FILENO), &b))
		b.failed = true;
	if (!t->rows && !b.failed && when_empty)
		show_none(when_empty);
	code = ui_print(&b) ? 1 : 0;
	table_fini(t);
	return code;
}

void page_init(struct page *p)
{
	p->colors = ui_colors(STDOUT_FILENO);
	buf_init(&p->b, OUTPUT_MAX);
}

void page_key(struct page *p, const char *indent, const char *name, int pad)
{
	(void)buf_printf(&p->b, "%s%s%s:%s%*s", indent,
			 p->colors ? style_on(STYLE_CYAN) : "", name,
			 p->colors ? STYLE_OFF : "",
			 pad > (int)strlen(name) ? pad - (int)strlen(name) : 0,
			 "");
}

void page_line(struct page *p, const char *name, const char *value)
{
	if (!value)
		return;
	page_key(p, "", name, 14);
	(void)buf_str(&p->b, " ");
	text_put_safe(&p->b, value);
	(void)buf_str(&p->b, "\n");
}

void page_sub_line(struct page *p, const char *name, const char *value,
		   const char *unit)
{
	if (!value)
		return;
	page_key(p, "  ", name, 12);
	(void)buf_str(&p->b, " ");
	text_put_safe(&p->b, value);
	(void)buf_printf(&p->b, "%s\n", unit);
}

void page_section(struct page *p, const char *title)
{
	(void)buf_printf(&p->b, "\n%s%s%s\n",
			 p->colors ? style_on(STYLE_BOLD) : "", title,
			 p->colors ? STYLE_OFF : "");
}

int page_print(struct page *p)
{
	return ui_print(&p->b) ? 1 : 0;
}
