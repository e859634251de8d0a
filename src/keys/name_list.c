#include "keys/name_list.h"

#include <stdlib.h>
#include <string.h>

void name_list_free(struct name_list *list) {
    free(list->names);
    *list = (struct name_list){0};
}

size_t name_list_after(const struct name_list *list, const char *name) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->names[middle].text, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static result make_room(struct name_list *list) {
    if (list->count < list->capacity)
        return OK;
    size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
    void *grown = reallocarray(list->names, capacity, sizeof *list->names);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of %zu names", capacity);
    list->names = grown;
    list->capacity = capacity;
    return OK;
}

result name_list_add(struct name_list *list, const char *name) {
    size_t position = name_list_after(list, name);
    if (position > 0 && strcmp(list->names[position - 1].text, name) == 0)
        return OK;
    size_t len = strlen(name);
    if (len > FORMAT_NAME_MAX)
        return FAIL(INVALID, "a name of %zu characters", len);
    TRY(make_room(list));
    memmove(&list->names[position + 1], &list->names[position],
            (list->count - position) * sizeof *list->names);
    memcpy(list->names[position].text, name, len + 1);
    list->count++;
    return OK;
}

void name_list_remove(struct name_list *list, const char *name) {
    size_t after = name_list_after(list, name);
    if (after == 0 || strcmp(list->names[after - 1].text, name) != 0)
        return;
    memmove(&list->names[after - 1], &list->names[after],
            (list->count - after) * sizeof *list->names);
    list->count--;
}
