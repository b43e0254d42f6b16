/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers of a kernel; nothing in the file is believed. */
#include "engine/kvm/x86_64/elf.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

static const char *check_header(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return "it is no ELF file";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return "it is not for x86-64";
	if (h->e_type != ET_EXEC)
		return "it is no executable";
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum)
		return "it has no program headers";
	return NULL;
}

static const char *take_segment(const Elf64_Phdr *p, uint64_t file_len,
				struct elf_image *img)
{
	uint64_t file_end, mem_end;

	if (!p->p_memsz)
		return NULL;
	if (img->nsegments == ELF_MAX_SEGMENTS)
		return "it has too many segments";
	if (p->p_filesz > p->p_memsz ||
	    !add_u64(p->p_offset, p->p_filesz, &file_end) ||
	    file_end > file_len)
		return "a segment is outside the file";
	if (!add_u64(p->p_paddr, p->p_memsz, &mem_end))
		return "a segment is outside the address space";
	if (!img->nsegments || p->p_paddr < img->start)
		img->start = p->p_paddr;
	if (!img->nsegments || mem_end > img->end)
		img->end = mem_end;
	img->segment[img->nsegments++] =
		(struct elf_segment){ p->p_offset, p->p_filesz, p->p_paddr,
				      p->p_memsz };
	return NULL;
}

static bool entry_loaded(const struct elf_image *img)
{
	for (unsigned i = 0; i < img->nsegments; i++) {
		const struct elf_segment *s = &img->segment[i];

		if (img->entry >= s->addr && img->entry - s->addr < s->filesz)
			return true;
	}
	return false;
}

const char *elf_parse(const void *head, size_t len, uint64_t file_len,
		      struct elf_image *ret)
{
	struct elf_image img = { .nsegments = 0 };
	const char *wrong;
	Elf64_Ehdr h;
	Elf64_Phdr p;

	if (len < sizeof(h))
		return "it is no ELF file";
	memcpy(&h, head, sizeof(h));
	wrong = check_header(&h);
	if (wrong)
		return wrong;
	if (h.e_phoff > len || h.e_phnum > (len - h.e_phoff) / sizeof(p))
		return "its program headers are not at its beginning";
	img.entry = h.e_entry;
	for (size_t i = 0; i < h.e_phnum; i++) {
		memcpy(&p, (const uint8_t *)head + h.e_phoff + i * sizeof(p),
		       sizeof(p));
		wrong = p.p_type == PT_LOAD ? take_segment(&p, file_len, &img)
					    : NULL;
		if (wrong)
			return wrong;
	}
	if (!entry_loaded(&img))
		return "it does not load its entry point";
	*ret = img;
	return NULL;
}
