/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the plan of an uncompressed kernel (vmlinux) from its ELF headers. */
#ifndef MSB_ENGINE_KVM_X86_64_ELF_H
#define MSB_ENGINE_KVM_X86_64_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_MAX_SEGMENTS 16
/* Headers must lie in this many bytes at the start of the file. */
#define ELF_HEAD 4096

struct elf_segment {
	uint64_t off, filesz; /* in the file */
	uint64_t addr, memsz; /* in guest physical memory; memsz >= filesz */
};

struct elf_image {
	uint64_t entry;	     /* physical; inside what a segment loads */
	uint64_t start, end; /* physical extent of all segments */
	unsigned nsegments;  /* at least 1 */
	struct elf_segment segment[ELF_MAX_SEGMENTS];
};

/*
 * head: the first len bytes of a file of file_len bytes. All sums of the result
 * are free of overflow, and each segment is inside the file. NULL, or what is
 * wrong.
 */
const char *elf_parse(const void *head, size_t len, uint64_t file_len,
		      struct elf_image *ret);

#endif
