/* SPDX-License-Identifier: Apache-2.0 */
/* msb logs. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/json.h"
#include "cli/logs_grep.h"
#include "cli/logs_print.h"
#include "cli/ui.h"

#define WAIT_MS 100
#define RECORD_MAX (1u << 20)

struct reading {
	struct cli *cli;
	const char *sandbox;
	msb_log_options_t o;
	msb_log_text_t texts[MSB_LOG_TEXTS_MAX]; /* of o */
	struct log_grep *grep;			 /* owned; NULL: everything */
	bool match;	/* not all that the library gives matches */
	msb_log_t *log; /* owned */
	struct log_printer out;
};

/* Why reading ended. */
enum outcome { DONE, GONE, FAILED }; /* GONE: nobody reads our output */

/* --- options --- */

static unsigned source_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		unsigned bits;
	} sources[] = {
		{ "stdout", MSB_LOG_STDOUT },
		{ "stderr", MSB_LOG_STDERR },
		{ "output", MSB_LOG_OUTPUT },
		{ "system", MSB_LOG_SYSTEM },
		{ "all", MSB_LOG_STDOUT | MSB_LOG_STDERR | MSB_LOG_OUTPUT |
				 MSB_LOG_SYSTEM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (strlen(sources[i].name) == len &&
		    !memcmp(sources[i].name, name, len))
			return sources[i].bits;
	return 0;
}

/* 0, or the exit code after a message. */
static int parse_sources(struct cli *cli, unsigned *ret)
{
	const char *text;
	size_t pos = 0;

	*ret = 0;
	while ((text = args_next(&cli->args, O_SOURCE, &pos))) {
		for (;;) {
			size_t n = strcspn(text, ",");
			unsigned bits = source_of(text, n);

			if (!bits)
				return cli_usage(
					cli,
					"invalid value '%.*s' for '--source': "
					"stdout, stderr, output, system, all",
					(int)n, text);
			*ret |= bits;
			if (!text[n])
				break;
			text += n + 1;
		}
	}
	return 0;
}

static int parse_time(struct reading *r, int id, bool *ret_has, int64_t *ret,
		      struct err *err)
{
	const char *text = cli_text(r->cli, id);

	*ret_has = text != NULL;
	return text ? grammar_time(text, (int64_t)clock_wall_ns(), ret, err)
		    : 0;
}

/*
 * What every match holds the library can look for while it reads, which is much
 * faster; but what the last entries are is decided before they are matched.
 */
static int parse_grep(struct reading *r, struct err *err)
{
	const char *pattern = cli_text(r->cli, O_GREP);
	int rc;

	if (!pattern)
		return 0;
	rc = log_grep_new(pattern, &r->grep, err);
	if (rc)
		return rc;
	r->match = true;
	if (!r->o.has_tail) {
		r->o.contains = r->texts;
		r->o.contains_count = log_grep_texts(r->grep, r->texts);
		r->match = !log_grep_is_text(r->grep);
	}
	return 0;
}

static int parse(struct reading *r, struct err *err)
{
	int rc = parse_time(r, O_SINCE, &r->o.has_since, &r->o.since_unix_ns,
			    err);

	r->o.follow = cli_has(r->cli, O_FOLLOW);
	r->o.has_tail = args_number(&r->cli->args, O_TAIL, &r->o.tail);
	if (!rc)
		rc = parse_time(r, O_UNTIL, &r->o.has_until,
				&r->o.until_unix_ns, err);
	return rc ? rc : parse_grep(r, err);
}

static struct log_layout layout_of(const struct cli *cli)
{
	const char *when = cli_text(cli, O_COLOR);
	bool never = cli_has(cli, O_NO_COLOR) || str_eq(when, "never");
	const char *no_color = getenv("NO_COLOR");
	struct log_layout l = {
		.timestamps = cli_has(cli, O_TIMESTAMPS),
		.color_sessions = cli_has(cli, O_COLOR_SESSIONS),
		.raw = cli_has(cli, O_RAW),
	};

	l.show_id = l.color_sessions || cli_has(cli, O_SHOW_ID);
	if (never || (no_color && *no_color))
		l.colors = false;
	else
		l.colors = str_eq(when, "always") || ui_colors(STDOUT_FILENO);
	/* raw is raw, unless both are asked for */
	l.strip = never || (!l.colors && !l.raw);
	return l;
}

/* --- the record of a failed boot --- */

/* As one line like those of entries. */
static int boot_error_line(struct reading *r, const char *text, size_t len,
			   const char *t)
{
	struct buf b;
	int rc;

	buf_init(&b, RECORD_MAX);
	(void)buf_str(&b, "{\"d\":");
	jval_put_string(&b, text, len);
	(void)buf_str(&b, ",\"s\":\"boot-error\",\"t\":");
	if (t)
		jval_put_string(&b, t, strlen(t));
	(void)buf_str(&b, t ? "}" : "null}");
	rc = b.failed ? -ENOMEM
		      : log_print_line(&r->out, (const char *)buf_data(&b),
				       buf_len(&b));
	buf_fini(&b);
	return rc;
}

static void boot_error_block(struct reading *r, const struct json *record,
			     const char *text)
{
	const struct json *sys = jval_get(record, "errno");
	const char *message = jval_str(jval_get(record, "message"));
	uint32_t number = 0;

	if (sys && sys->type == JSON_NUMBER)
		(void)str_to_u32(sys->text, &number);
	ui_boot_failure(&(struct ui_boot_failure){
		.sandbox = r->sandbox,
		.stage = jval_str(jval_get(record, "stage")),
		.message = message ? message : text,
		.sys = (int)(number & 0xffff),
		.more_in_logs = !(r->o.sources & MSB_LOG_SYSTEM),
	});
	(void)fputs("\n", stderr);
}

/* 0 or -errno of output. */
static int show_boot_error(struct reading *r)
{
	msb_error_t *e = NULL;
	struct json *record;
	char *text = NULL;
	size_t len;
	int rc = 0;

	if (msb_log_boot_error(r->log, &text, &e) < 0) {
		ui_warn("%s", msb_error_text(e));
		msb_error_free(e);
		return 0;
	}
	if (!text)
		return 0;
	len = strlen(text);
	while (len && text[len - 1] == '\n')
		text[--len] = 0;
	record = jval_parse(text, len);
	if (cli_has(r->cli, O_JSON))
		rc = boot_error_line(r, text, len,
				     jval_str(jval_get(record, "t")));
	else
		boot_error_block(r, record, text);
	jval_free(record);
	msb_free(text);
	return rc;
}

/* --- entries --- */

static enum outcome output_failed(int rc)
{
	if (rc == -EPIPE)
		return GONE;
	ui_error("write to standard output: %s", strerror(-rc));
	return FAILED;
}

static enum outcome reading_failed(msb_error_t *e)
{
	const char *offset;

	if (!e || msb_error_kind(e) != MSB_ERR_MISSED_ROTATION) {
		ui_library_error(e, NULL);
		return FAILED;
	}
	offset = msb_error_detail(e, "offset");
	ui_warn("log follower fell behind: missed rotation at offset %s. "
		"restart `msb logs -f` to resume.",
		offset ? offset : "unknown");
	msb_error_free(e);
	return DONE;
}

/* Until there may be more. GONE when the reader of our output went away. */
static enum outcome wait_for_more(const struct reading *r)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO },
		{ .fd = msb_log_fd(r->log), .events = POLLIN },
	};

	(void)poll(fds, ARRAY_SIZE(fds), WAIT_MS);
	return fds[0].revents & (POLLERR | POLLHUP) ? GONE : DONE;
}

/* 0 or -errno; -ECANCELED after a message. */
static int show_entry(struct reading *r, const msb_log_entry_t *e)
{
	int matched = r->match ? log_grep_match(r->grep, e->data, e->len) : 1;
	msb_error_t *error = NULL;
	const char *line;
	size_t len;

	if (matched < 0) {
		(void)log_print_flush(&r->out); /* it failed in any case */
		ui_error("--grep: this expression takes too long with an entry "
			 "of %zu bytes",
			 e->len);
		return -ECANCELED;
	}
	if (!matched)
		return 0;
	if (!cli_has(r->cli, O_JSON))
		return log_print_entry(&r->out, e);
	if (msb_log_json(r->log, &line, &len, &error) < 0) {
		(void)log_print_flush(&r->out);
		ui_library_error(error, NULL);
		return -ECANCELED;
	}
	return log_print_line(&r->out, line, len);
}

static enum outcome show_entries(struct reading *r)
{
	for (;;) {
		msb_log_entry_t e = { .struct_size = sizeof(e) };
		msb_error_t *error = NULL;
		int rc = msb_log_next(r->log, 0, &e, &error);
		int out;

		if (rc > 0) {
			out = show_entry(r, &e);
			if (out == -ECANCELED)
				return FAILED;
			if (out)
				return output_failed(out);
			continue;
		}
		out = log_print_flush(&r->out);
		if (rc < 0) {
			enum outcome why = reading_failed(error);

			return out ? output_failed(out) : why;
		}
		if (out)
			return output_failed(out);
		if (!r->o.follow || msb_log_ended(r->log))
			return DONE;
		if (wait_for_more(r) == GONE)
			return GONE;
	}
}

/* --- the command --- */

static bool open_log(struct reading *r, const msb_log_options_t *o)
{
	msb_error_t *e = NULL;

	if (!msb_log_open(r->cli->m, r->sandbox, o, &r->log, &e))
		return true;
	if (e && msb_error_kind(e) == MSB_ERR_SANDBOX_NOT_FOUND) {
		ui_error("no logs directory for sandbox \"%s\" (sandbox not "
			 "found?)",
			 r->sandbox);
		msb_error_free(e);
	} else {
		ui_library_error(e, NULL);
	}
	return false;
}

static int show(struct reading *r)
{
	struct log_layout layout = layout_of(r->cli);
	enum outcome why;
	int rc;

	log_printer_init(&r->out, &layout, STDOUT_FILENO);
	rc = show_boot_error(r);
	why = rc ? output_failed(rc) : show_entries(r);
	log_printer_fini(&r->out);
	return why == FAILED ? 1 : 0;
}

int cmd_logs(struct cli *cli)
{
	struct reading r = { .cli = cli,
			     .sandbox = cli->args.words[0],
			     .o = { .struct_size = sizeof(r.o) } };
	struct err err;
	int code = parse_sources(cli, &r.o.sources);
	int rc;

	if (code)
		return code;
	if (!cli_open(cli))
		return 1;
	rc = parse(&r, &err);
	code = 1;
	/* A sandbox that is not there is worse than a mistake in a flag. */
	if (open_log(&r, rc ? NULL : &r.o)) {
		if (rc)
			ui_grammar_error(&err);
		else
			code = show(&r);
		msb_log_free(r.log);
	}
	log_grep_free(r.grep);
	return code;
}
