/* SPDX-License-Identifier: Apache-2.0 */
/* Open files of clients, by number. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/fs_int.h"

static struct fs_handle **bucket_of(struct fs_service *s, uint64_t number)
{
	return &s->handles[number % FS_HANDLE_BUCKETS];
}

static struct fs_handle *find(struct fs_service *s, uint64_t number)
{
	struct fs_handle *h = *bucket_of(s, number);

	while (h && h->number != number)
		h = h->next;
	return h;
}

int fs_handle_add(struct fs_service *s, uint32_t id, int fd, char *path,
		  struct fs_handle **ret)
{
	struct fs_handle *h = NULL;
	int rc = -EMFILE;

	if (s->per_slot[relay_slot(id)] < FS_HANDLES_PER_SLOT) {
		h = calloc(1, sizeof(*h));
		rc = -ENOMEM;
	}
	if (!h) {
		(void)close(fd);
		free(path);
		return rc;
	}
	do
		s->last_number++;
	while (!s->last_number || find(s, s->last_number));
	h->number = s->last_number;
	h->id = id;
	h->refs = 1;
	h->fd = fd;
	h->path = path;
	h->next = *bucket_of(s, h->number);
	*bucket_of(s, h->number) = h;
	s->per_slot[relay_slot(id)]++;
	*ret = h;
	return 0;
}

struct fs_handle *fs_handle_get(struct fs_service *s, uint32_t id,
				uint64_t number)
{
	struct fs_handle *h = find(s, number);

	if (!h) {
		fs_send_failed(s->a, id, "invalid handle: %" PRIu64, number);
		return NULL;
	}
	if (relay_slot(h->id) != relay_slot(id)) {
		fs_send_failed(s->a, id,
			       "handle %" PRIu64
			       " is owned by a different relay client",
			       number);
		return NULL;
	}
	return h;
}

void fs_handle_ref(struct fs_handle *h)
{
	h->refs++;
}

void fs_handle_unref(struct fs_handle *h)
{
	if (--h->refs)
		return;
	(void)close(h->fd);
	free(h->path);
	free(h);
}

void fs_handle_close(struct fs_service *s, struct fs_handle *h)
{
	struct fs_handle **p = bucket_of(s, h->number);

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	s->per_slot[relay_slot(h->id)]--;
	fs_handle_unref(h);
}

void fs_handle_close_range(struct fs_service *s, uint32_t start, uint32_t end)
{
	for (size_t i = 0; i < FS_HANDLE_BUCKETS; i++) {
		struct fs_handle *h = s->handles[i], *next;

		for (; h; h = next) {
			next = h->next;
			if (h->id >= start && h->id < end)
				fs_handle_close(s, h);
		}
	}
}
