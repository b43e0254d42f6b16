/* SPDX-License-Identifier: Apache-2.0 */
/* A list on the terminal from which several lines can be chosen. */
#ifndef MSB_CLI_MENU_H
#define MSB_CLI_MENU_H

#include <stdbool.h>
#include <stddef.h>

#define MENU_MAX 16

/*
 * Show title and the lines, and let the user choose: up and down (also k and
 * j), space, enter; escape, q and ctrl-c give up. The first line stands for all
 * the others. chosen[i] is set for what is chosen. 1, 0: given up, or -errno.
 * stdin and stderr are a terminal.
 */
int menu_select(const char *title, const char *const *lines, size_t n,
		bool *chosen);

/* The keys, apart from the terminal. */
enum menu_key {
	MENU_NONE,
	MENU_UP,
	MENU_DOWN,
	MENU_TOGGLE,
	MENU_OK,
	MENU_GIVE_UP
};
struct menu {
	size_t n, at;
	bool *chosen; /* borrowed */
};
/* The first key in the bytes: how many it takes; 0 when more are needed, which
 * is only so behind an escape. */
size_t menu_key_parse(const char *bytes, size_t len, enum menu_key *ret);
void menu_press(struct menu *m, enum menu_key key);

#endif
