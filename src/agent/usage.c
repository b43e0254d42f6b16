/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and CPU time of the guest, from /proc. */
#include "agent/usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TEXT_MAX 8192u /* what is wanted of either lies in front */
#define USEC_PER_SEC 1000000u

/* The number behind a word at the beginning of a line; 0: there is none. */
static uint64_t value_of(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, word, len))
			return strtoull(p + len, NULL, 10);
	}
	return 0;
}

void usage_parse_meminfo(const char *text, struct msg_usage *ret)
{
	uint64_t total = value_of(text, "MemTotal:");
	uint64_t available = value_of(text, "MemAvailable:");

	if (!total || total > UINT64_MAX / 1024 || available > total)
		return;
	ret->memory_total_bytes = total * 1024;
	ret->memory_used_bytes = (total - available) * 1024;
}

void usage_parse_stat(const char *text, uint64_t hz, struct msg_usage *ret)
{
	/* user nice system idle iowait irq softirq steal, in ticks */
	static const bool busy[] = { true,  true, true, false,
				     false, true, true, true };
	uint64_t ticks = 0;
	char *p;

	if (strncmp(text, "cpu ", 4) != 0 || !hz)
		return;
	p = (char *)(uintptr_t)text + 4;
	for (size_t i = 0; i < sizeof(busy); i++) {
		uint64_t n = strtoull(p, &p, 10);

		if (busy[i] && n <= UINT64_MAX / USEC_PER_SEC - ticks)
			ticks += n;
	}
	ret->busy_us = ticks * USEC_PER_SEC / hz;
	ret->forks = value_of(text, "processes ");
}

/* The file as it is now; "" when it cannot be read. */
static const char *read_text(int *fd, const char *path, char buf[TEXT_MAX])
{
	ssize_t n;

	if (*fd < 0)
		*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	n = *fd < 0 ? -1 : pread(*fd, buf, TEXT_MAX - 1, 0);
	buf[n > 0 ? n : 0] = 0;
	return buf;
}

void usage_read(struct usage *u, struct msg_usage *ret)
{
	long hz = sysconf(_SC_CLK_TCK);
	char buf[TEXT_MAX];

	*ret = (struct msg_usage){ 0 };
	usage_parse_meminfo(read_text(&u->meminfo_fd, "/proc/meminfo", buf),
			    ret);
	usage_parse_stat(read_text(&u->stat_fd, "/proc/stat", buf),
			 hz > 0 ? (uint64_t)hz : 0, ret);
}

void usage_fini(struct usage *u)
{
	close_fd(&u->meminfo_fd);
	close_fd(&u->stat_fd);
}
