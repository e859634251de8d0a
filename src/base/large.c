#include "base/large.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Less than a huge page is the heap's, which has often been touched before. */
static bool is_mapped(size_t size) {
    return size >= HUGE_PAGE;
}

static size_t page_end(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

/* Huge pages begin at their multiples: what is mapped before and behind goes again. */
static uint8_t *map(size_t size) {
    size_t all;
    if (__builtin_add_overflow(size, HUGE_PAGE, &all))
        return NULL;
    uint8_t *memory = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0)
        munmap(memory, before);
    memory += before;
    if (all > before + size)
        munmap(memory + size, all - before - size);
    (void)madvise(memory, size, MADV_HUGEPAGE); /* where there are none, it costs time alone */
    return memory;
}

result large_new(size_t size, uint8_t **out_memory) {
    void *memory = NULL;
    if (size > SIZE_MAX / 2)
        return FAIL(NO_MEMORY, "no memory for %zu bytes", size);
    if (is_mapped(size))
        memory = map(page_end(size));
    else if (posix_memalign(&memory, LARGE_ALIGNMENT, size + 1) != 0)
        memory = NULL;
    if (memory == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu bytes", size);
    *out_memory = memory;
    return OK;
}

void large_free(uint8_t *memory, size_t size) {
    if (memory != NULL && is_mapped(size))
        munmap(memory, page_end(size));
    else
        free(memory);
}

void large_give(const uint8_t *memory, size_t whole, uint8_t *part, size_t size) {
    size_t start = (size_t)(part - memory), end = start + size;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = page_end(start), last = end == whole ? page_end(end) : end / page * page;
    if (is_mapped(whole) && last > first)
        (void)madvise(part + (first - start), last - first, MADV_DONTNEED);
}
