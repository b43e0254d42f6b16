/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping the front end's memory.
 *
 *   payload: count:4 padding:4 {gpa:8 size:8 user:8 file_offset:8} x count
 *
 * Only files that live in memory are mapped: with any other, a page fault of
 * ours would wait for a file system the front end may control.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "virtio/transport/vhost_user.h"
#include "virtio/transport/vhost_user_backend.h"

/* Alignment the file's mappings need; 0 when it may not be mapped. */
static uint64_t file_alignment(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return 0;
	if (fs.f_type == TMPFS_MAGIC)
		return (uint64_t)sysconf(_SC_PAGESIZE);
	if (fs.f_type == HUGETLBFS_MAGIC)
		return (uint64_t)fs.f_bsize;
	return 0;
}

static int map_region(const uint8_t *p, int fd, struct gmem_region *ret_region,
		      struct vu_mapping *ret_map)
{
	uint64_t offset = le64_get(p + 24), align, delta, end;
	struct gmem_region r = { .gpa = le64_get(p),
				 .user = le64_get(p + 16),
				 .len = le64_get(p + 8) };
	struct vu_mapping map;
	struct stat st;
	int rc;

	align = file_alignment(fd);
	if (!align)
		return -EPERM;
	/* memory past the end of the file would be lost at once */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!add_u64(offset, r.len, &end) || st.st_size < 0 ||
	    end > (uint64_t)st.st_size || r.len == 0)
		return -EINVAL;
	delta = offset % align;
	map.len = (size_t)(((r.len + delta + align - 1) / align) * align);
	map.base =
		mmap(NULL, map.len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - delta));
	if (map.base == MAP_FAILED)
		return -errno;
	rc = guard_add(map.base, map.len, &map.guard);
	if (rc) {
		(void)munmap(map.base, map.len);
		return rc;
	}
	/* guest memory has no place in a core dump of ours */
	(void)madvise(map.base, map.len, MADV_DONTDUMP);
	r.host = (uint8_t *)map.base + delta;
	*ret_region = r;
	*ret_map = map;
	return 0;
}

static void unmap_all(struct vu_mapping *map, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		map[i].guard = guard_remove(map[i].guard);
		(void)munmap(map[i].base, map[i].len);
	}
}

int vu_mem_set(struct vu_backend *b, struct vu_msg *m)
{
	struct guest_memory mem = { .nregions = 0 };
	struct vu_mapping map[GMEM_MAX_REGIONS] = { 0 };
	uint32_t n = le32_get(m->payload);
	unsigned mapped = 0;
	int rc = 0;

	if (n == 0 || n > GMEM_MAX_REGIONS || m->nfds != n ||
	    m->size != VU_MEM_HEAD_LEN + n * VU_REGION_LEN)
		return -EINVAL;
	for (uint32_t i = 0; i < n && !rc; i++) {
		const uint8_t *p = m->payload + VU_MEM_HEAD_LEN +
				   (size_t)i * VU_REGION_LEN;
		struct gmem_region r;

		rc = map_region(p, m->fds[i], &r, &map[mapped]);
		if (rc)
			break;
		mapped++;
		rc = gmem_add(&mem, &r);
	}
	if (rc) {
		unmap_all(map, mapped);
		return rc;
	}
	vu_mem_clear(b);
	if (b->flags & VHOST_USER_KEEP_MEMORY) /* else it is not measured */
		b->mem_fd = fcntl(m->fds[0], F_DUPFD_CLOEXEC, 0);
	b->mem = mem;
	memcpy(b->mapping, map, mapped * sizeof(map[0]));
	return 0;
}

void vu_mem_clear(struct vu_backend *b)
{
	close_fd(&b->mem_fd);
	unmap_all(b->mapping, b->mem.nregions);
	b->mem.nregions = 0;
}

bool vu_mem_lost(const struct vu_backend *b)
{
	for (unsigned i = 0; i < b->mem.nregions; i++)
		if (guard_lost(b->mapping[i].guard))
			return true;
	return false;
}
