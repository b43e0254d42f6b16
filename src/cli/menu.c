/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing from a list, with keys. */
#include "cli/menu.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/table.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define FRAME_MAX 8192u
#define ESCAPE 0x1b
#define CTRL_C 0x03
#define ESCAPE_WAIT_MS 100 /* for the rest of a key that begins with it */

size_t menu_key_parse(const char *bytes, size_t len, enum menu_key *ret)
{
	*ret = MENU_NONE;
	if (!len)
		return 0;
	switch (bytes[0]) {
	case 'k':
		*ret = MENU_UP;
		return 1;
	case 'j':
		*ret = MENU_DOWN;
		return 1;
	case ' ':
		*ret = MENU_TOGGLE;
		return 1;
	case '\r':
	case '\n':
		*ret = MENU_OK;
		return 1;
	case 'q':
	case CTRL_C:
		*ret = MENU_GIVE_UP;
		return 1;
	case ESCAPE:
		break;
	default:
		return 1;
	}
	if (len > 1 && bytes[1] != '[' && bytes[1] != 'O') {
		*ret = MENU_GIVE_UP;
		return 1;
	}
	if (len < 3)
		return 0;
	if (bytes[2] == 'A')
		*ret = MENU_UP;
	else if (bytes[2] == 'B')
		*ret = MENU_DOWN;
	return 3;
}

static bool all_chosen(const struct menu *m)
{
	for (size_t i = 1; i < m->n; i++)
		if (!m->chosen[i])
			return false;
	return true;
}

void menu_press(struct menu *m, enum menu_key key)
{
	switch (key) {
	case MENU_UP:
		m->at = m->at ? m->at - 1 : m->n - 1;
		break;
	case MENU_DOWN:
		m->at = (m->at + 1) % m->n;
		break;
	case MENU_TOGGLE:
		m->chosen[m->at] = !m->chosen[m->at];
		for (size_t i = 1; !m->at && i < m->n; i++)
			m->chosen[i] = m->chosen[0];
		m->chosen[0] = all_chosen(m);
		break;
	case MENU_NONE:
	case MENU_OK:
	case MENU_GIVE_UP:
		break;
	}
}

/* The lines, over those of the frame before. */
static void draw(const struct menu *m, const char *title,
		 const char *const *lines, bool again)
{
	bool colors = ui_colors(STDERR_FILENO);
	unsigned rows, columns;
	struct buf b;

	tty_size(&rows, &columns);
	buf_init(&b, FRAME_MAX);
	if (again)
		(void)buf_printf(&b, "\033[%zuA", m->n + 1);
	for (size_t i = 0; i <= m->n; i++) {
		autofree char *cut = text_cut(i ? lines[i - 1] : title,
					      columns > 12 ? columns - 8 : 4);

		(void)buf_str(&b, "\r\033[K");
		if (i)
			(void)buf_printf(&b, "%s%s [%c] ",
					 m->at == i - 1 && colors
						 ? style_on(STYLE_CYAN_BOLD)
						 : "",
					 m->at == i - 1 ? ">" : " ",
					 m->chosen[i - 1] ? 'x' : ' ');
		(void)buf_printf(&b, "%s%s\r\n", cut ? cut : "",
				 colors ? STYLE_OFF : "");
	}
	/* Nothing is left to tell when stderr cannot be written. */
	(void)io_write_full(STDERR_FILENO, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

/* More of what is typed; with wait, at most for a moment. */
static ssize_t read_more(char *bytes, size_t *len, size_t size, bool wait)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (wait && poll(&p, 1, ESCAPE_WAIT_MS) == 0)
		return 0;
	n = io_read(STDIN_FILENO, bytes + *len, size - *len);
	if (n > 0)
		*len += (size_t)n;
	return n ? n : -ENODATA;
}

static enum menu_key next_key(char *bytes, size_t *len, size_t size)
{
	for (;;) {
		enum menu_key key;
		size_t used = menu_key_parse(bytes, *len, &key);
		ssize_t n;

		if (used) {
			*len -= used;
			memmove(bytes, bytes + used, *len);
			return key;
		}
		n = read_more(bytes, len, size, *len > 0);
		if (n <= 0) /* an escape alone, or no terminal any more */
			return MENU_GIVE_UP;
	}
}

int menu_select(const char *title, const char *const *lines, size_t n,
		bool *chosen)
{
	struct menu m = { .n = n, .chosen = chosen };
	enum menu_key key = MENU_NONE;
	char bytes[16];
	size_t len = 0;
	int rc;

	memset(chosen, 0, n * sizeof(*chosen));
	rc = tty_raw();
	if (rc)
		return rc;
	draw(&m, title, lines, false);
	while (key != MENU_OK && key != MENU_GIVE_UP) {
		key = next_key(bytes, &len, sizeof(bytes));
		menu_press(&m, key);
		draw(&m, title, lines, true);
	}
	tty_restore();
	return key == MENU_OK;
}
