#include "storage/listing_page.h"

#include <stdlib.h>

#include "base/log.h"

void listing_page_clean_up(struct listing_page *page) {
    for (size_t i = 0; i < page->count; i++)
        page->free_entry(page->entries[i]);
    free(page->entries);
}

result listing_page_init(struct listing_page *page, size_t names) {
    size_t room = names < FORMAT_PAGE_ENTRIES_MAX ? names : FORMAT_PAGE_ENTRIES_MAX;
    page->entries = calloc(room + 1, sizeof(void *));
    return page->entries != NULL ? OK : FAIL(NO_MEMORY, "no memory for a page");
}

void listing_page_add(struct listing_page *page, void *entry) {
    page->entries[page->count++] = entry;
    page->bytes += format_packed_bytes(entry) + 8;
}

bool listing_page_is_full(struct listing_page *page) {
    page->more = page->count >= FORMAT_PAGE_ENTRIES_MAX || page->bytes >= FORMAT_PAGE_BYTES_TARGET;
    return page->more;
}

result listing_pass_over(const char *image, result code) {
    if (code == INTEGRITY)
        log_event(LOG_ERROR, "damaged", "image=%s %s", image, error_text());
    return code == INTEGRITY || code == NOT_FOUND || code == DENIED ? OK : code;
}
