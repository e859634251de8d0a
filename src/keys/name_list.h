/*
 * A sorted list of names, for paging through users.
 */
#ifndef MYELIN_KEYS_NAME_LIST_H
#define MYELIN_KEYS_NAME_LIST_H

#include <stdbool.h>

#include "format/format.h"

struct listed_name {
    char text[FORMAT_NAME_MAX + 1];
};

/* Zeroed memory is an empty one. */
struct name_list {
    struct listed_name *names;
    size_t count, capacity;
};

void name_list_free(struct name_list *list);

/* Adds a name (format_is_name); nothing happens where it is there. NO_MEMORY. */
MUST_CHECK result name_list_add(struct name_list *list, const char *name);

/* Takes a name out; nothing happens where it is not there. */
void name_list_remove(struct name_list *list, const char *name);

/* The position of the first name after `name`. */
size_t name_list_after(const struct name_list *list, const char *name);

#endif
