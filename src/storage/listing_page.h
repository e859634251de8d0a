/*
 * A page while it is filled; for src/storage/listing*.c.
 */
#ifndef MYELIN_STORAGE_LISTING_PAGE_H
#define MYELIN_STORAGE_LISTING_PAGE_H

#include "format/format.h"

/* Entries that were made one by one; `free_entry` frees one. */
struct listing_page {
    void **entries;
    size_t count;
    size_t bytes;
    bool more;
    void (*free_entry)(void *entry);
};
void listing_page_clean_up(struct listing_page *page);
#define AUTO_PAGE __attribute__((cleanup(listing_page_clean_up)))

/* Room for the entries of so many names. NO_MEMORY. */
MUST_CHECK result listing_page_init(struct listing_page *page, size_t names);

/* `entry` is a message that the page takes over. */
void listing_page_add(struct listing_page *page, void *entry);

/* Then there is more: to be asked before another entry is added. */
bool listing_page_is_full(struct listing_page *page);

/* OK for what concerns one image alone, damage that is logged for one: the page goes on. */
MUST_CHECK result listing_pass_over(const char *image, result code);

#endif
