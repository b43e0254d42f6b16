/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of metrics with any contents: whoever opens it reads, reserves
 * and releases, and neither crashes nor loops. The first byte chooses the size
 * of the object, the second one whether its header is made to be believed; the
 * rest fills header, entries and pages from their beginnings on.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "metrics/registry.h"

#define HEAD_MAX 64u
#define PAGE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(int fd, off_t len, bool believe, const uint8_t *data,
		 size_t size)
{
	struct registry_header h = { .magic = REGISTRY_MAGIC,
				     .version = REGISTRY_VERSION,
				     .header_len = HEADER_LEN,
				     .entry_len = ENTRY_LEN,
				     .slot_len = METRICS_SLOT_LEN,
				     .capacity = 3,
				     .state = REGISTRY_READY,
				     .used = 3 };
	size_t head = size < HEAD_MAX ? size : HEAD_MAX;

	if (ftruncate(fd, len) < 0)
		abort();
	if (!believe && pwrite(fd, data, head, 0) < 0)
		abort();
	if (believe && pwrite(fd, &h, sizeof(h), 0) < 0)
		abort();
	data += head;
	size -= head;
	for (off_t at = HEADER_LEN; at < len && size; at += PAGE) {
		size_t n = size < 3 * ENTRY_LEN ? size : 3 * ENTRY_LEN;

		if (pwrite(fd, data, n, at) < 0)
			abort();
		data += n;
		size -= n;
	}
}

static void use(struct metrics_registry *r)
{
	struct metrics_facts f = { .name = "box", .cpus = 1 };
	struct metrics_reading got;
	struct metrics_ticket t;
	struct metrics_writer w;

	for (uint32_t i = 0; i < metrics_used(r) && i < 8; i++)
		if (metrics_read(r, i, &got) &&
		    (!isfinite(got.sample.cpu_percent) ||
		     got.sample.sampled_mono_ms < got.sample.started_mono_ms ||
		     strlen(got.facts.name) > METRICS_NAME_MAX))
			abort();
	(void)metrics_find(r, "box", &got);
	metrics_release(r, "box", false);
	if (metrics_reserve(r, &f, &t, NULL))
		return;
	if (metrics_writer_open(metrics_registry_fd(r), t.offset, t.generation,
				&w) == 0) {
		const struct metrics_sample s = { .sampled_unix_ms = 1 };

		(void)metrics_write(&w, &s);
		metrics_hand_over(r, &t, getpid());
		if (!metrics_find(r, "box", &got))
			abort();
		metrics_writer_close(&w);
	}
	metrics_give_back(r, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const off_t lengths[] = { 0, 30, HEADER_LEN, 5 * PAGE,
					 7 * PAGE };
	char home[64], name[METRICS_SHM_NAME_MAX];
	struct metrics_registry *r = NULL;
	int fd;

	if (size < 2)
		return 0;
	(void)snprintf(home, sizeof(home), "/nowhere/fuzz-%d", (int)getpid());
	metrics_registry_name(home, name);
	(void)shm_unlink(name);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		abort();
	fill(fd, lengths[data[0] % 5], data[1] & 1, data + 2, size - 2);
	(void)close(fd);
	if (metrics_registry_open(home, data[1] & 2 ? 2 : 0, &r, NULL) == 0)
		use(r);
	r = metrics_registry_close(r);
	(void)shm_unlink(name);
	return 0;
}
