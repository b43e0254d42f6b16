/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile kernel file. Input: length of the file:8, then its first bytes.
 * Every promise of elf.h about an accepted file is checked.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/kvm/x86_64/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(int kept)
{
	if (!kept)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image img;
	uint64_t file_len, end;
	int entry = 0;

	if (size < 8)
		return 0;
	file_len = le64_get(data);
	if (elf_parse(data + 8, size - 8, file_len, &img))
		return 0;
	promise(img.nsegments >= 1 && img.nsegments <= ELF_MAX_SEGMENTS);
	for (unsigned i = 0; i < img.nsegments; i++) {
		const struct elf_segment *s = &img.segment[i];

		promise(s->filesz <= s->memsz && s->memsz > 0);
		promise(add_u64(s->off, s->filesz, &end) && end <= file_len);
		promise(add_u64(s->addr, s->memsz, &end) && end <= img.end);
		promise(s->addr >= img.start);
		entry |=
			img.entry >= s->addr && img.entry - s->addr < s->filesz;
	}
	promise(entry);
	return 0;
}
