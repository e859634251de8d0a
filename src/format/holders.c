#include "format/holders.h"

#include <string.h>

void holders_all(unsigned m, struct holders *out) {
    *out = (struct holders){.count = m};
    for (unsigned i = 0; i < m; i++)
        out->index[i] = (uint8_t)(i + 1);
}

void holders_of(ProtobufCBinaryData field, unsigned m, struct holders *out) {
    holders_all(m, out);
    if (field.len == 0)
        return;
    *out = (struct holders){.count = field.len};
    memcpy(out->index, field.data, field.len);
}

struct view holders_view(const struct holders *holders) {
    return view_of(holders->index, holders->count);
}

size_t holders_position(const struct holders *holders, uint32_t index) {
    for (size_t i = 0; i < holders->count; i++)
        if (holders->index[i] == index)
            return i;
    return holders->count;
}

bool holders_has(const struct holders *holders, uint32_t index) {
    return holders_position(holders, index) < holders->count;
}

bool holders_equal(const struct holders *a, const struct holders *b) {
    return view_equal(holders_view(a), holders_view(b));
}

void holders_add(struct holders *holders, uint32_t index) {
    size_t at = 0;
    if (index < 1 || index > FORMAT_SERVERS_MAX || holders_has(holders, index))
        return;
    while (at < holders->count && holders->index[at] < index)
        at++;
    memmove(holders->index + at + 1, holders->index + at, holders->count - at);
    holders->index[at] = (uint8_t)index;
    holders->count++;
}

void holders_remove(struct holders *holders, uint32_t index) {
    size_t at = holders_position(holders, index);
    if (at == holders->count)
        return;
    holders->count--;
    memmove(holders->index + at, holders->index + at + 1, holders->count - at);
}

void holders_list(const struct holders *holders, uint32_t out[FORMAT_SERVERS_MAX]) {
    for (size_t i = 0; i < holders->count; i++)
        out[i] = holders->index[i];
}
