#include "trim.h"
#include "util.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

/*
 * Only segments with code: they are private mappings of files that nothing has ever written to, so that a dropped page
 * comes back from the page cache at its next use (madvise(2), MADV_DONTNEED). A read-only data segment may hold
 * relocated, that is written, pages: those would come back empty.
 */
static int drop_code(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || (p->p_flags & PF_W))
			continue;
		uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void trim_memory(void)
{
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop_code, NULL);
}
