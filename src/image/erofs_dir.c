/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory blocks. A block holds its entries first and their names behind
 * them, packed:
 *
 *   [nid|off|type][nid|off|type]...|name|name|...
 *
 * The kernel searches by halving, in blocks and then within one, so all names
 * are in one order over all blocks, the two dots included: '!' and '-' sort
 * before them.
 */
#include "image/erofs_dir.h"

#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct name {
	const char *text;
	uint32_t node;
	uint8_t len;
};

static uint8_t file_type(uint16_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFCHR:
		return 3;
	case S_IFBLK:
		return 4;
	case S_IFIFO:
		return 5;
	case S_IFSOCK:
		return 6;
	case S_IFLNK:
		return 7;
	default:
		return 0;
	}
}

/* Whether the next of the dots comes before the entry, or nothing else is. */
static bool dot_is_next(const struct erofs_dir_pack *p)
{
	const struct tree_entry *e = &p->tree->entries[p->entry];
	size_t len = p->dots + 1;
	int c;

	if (p->dots == 2 || !p->entry)
		return p->dots < 2;
	c = memcmp("..", tree_text(p->tree, e->name),
		   len < e->name_len ? len : e->name_len);
	return c < 0 || (c == 0 && len < e->name_len);
}

static bool next_name(struct erofs_dir_pack *p, struct name *ret)
{
	const struct tree *t = p->tree;

	if (dot_is_next(p)) {
		ret->text = "..";
		ret->len = (uint8_t)++p->dots;
		ret->node = p->dots == 1 ? p->dir : t->nodes[p->dir].parent;
		return true;
	}
	if (!p->entry)
		return false;
	ret->text = tree_text(t, t->entries[p->entry].name);
	ret->len = t->entries[p->entry].name_len;
	ret->node = t->entries[p->entry].node;
	p->entry = t->entries[p->entry].next;
	return true;
}

void erofs_dir_begin(struct erofs_dir_pack *p, const struct tree *t,
		     uint32_t dir)
{
	p->tree = t;
	p->dir = dir;
	p->entry = t->nodes[dir].child;
	p->dots = 0;
}

static void fill(const struct tree *t, uint8_t *block, const struct name *names,
		 size_t n)
{
	size_t off = n * EROFS_DIRENT_SIZE;

	memset(block, 0, EROFS_BLOCK);
	for (size_t i = 0; i < n; i++) {
		uint8_t *d = block + i * EROFS_DIRENT_SIZE;
		const struct tree_node *node = tree_node(t, names[i].node);

		le64_put(d, node->nid);
		le16_put(d + 8, (uint16_t)off);
		d[10] = file_type(node->mode);
		memcpy(block + off, names[i].text, names[i].len);
		off += names[i].len;
	}
}

size_t erofs_dir_next(struct erofs_dir_pack *p, uint8_t *block)
{
	/* The shortest name takes one byte. */
	struct name names[EROFS_BLOCK / (EROFS_DIRENT_SIZE + 1)];
	struct erofs_dir_pack before = *p;
	size_t used = 0, n = 0;

	while (next_name(p, &names[n])) {
		size_t need = EROFS_DIRENT_SIZE + names[n].len;

		if (used + need > EROFS_BLOCK) {
			*p = before;
			break;
		}
		used += need;
		n++;
		before = *p;
		if (n == ARRAY_SIZE(names))
			break;
	}
	if (block && n)
		fill(p->tree, block, names, n);
	return used;
}
