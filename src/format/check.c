#include "format/check.h"

#include <stdlib.h>
#include <string.h>

#include "format/kind.h"

static const uint64_t year_10000_ms = UINT64_C(253402300800000);

result check_number(const char *field, uint64_t value, uint64_t least, uint64_t most) {
    if (value < least || value > most)
        return FAIL(PROTOCOL, "%s: %llu is not between %llu and %llu", field,
                    (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
    return OK;
}

result check_time(const char *field, uint64_t value_ms) {
    return check_number(field, value_ms, 0, year_10000_ms - 1);
}

result check_bytes(const char *field, ProtobufCBinaryData bytes, size_t len) {
    if (bytes.len != len)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %zu", field, bytes.len, len);
    return OK;
}

result check_between(const char *field, ProtobufCBinaryData bytes, size_t least, size_t most) {
    if (bytes.len < least || bytes.len > most)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %zu to %zu", field, bytes.len, least, most);
    return OK;
}

result check_optional(const char *field, ProtobufCBinaryData bytes, size_t len) {
    return bytes.len == 0 ? OK : check_bytes(field, bytes, len);
}

result check_each(const char *field, const ProtobufCBinaryData bytes[], size_t count, size_t len) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i].len != len)
            return FAIL(PROTOCOL, "%s[%zu]: %zu bytes, expected %zu", field, i, bytes[i].len, len);
    return OK;
}

result check_count(const char *field, size_t count, size_t least, size_t most) {
    if (count < least || count > most)
        return FAIL(PROTOCOL, "%s: %zu of them, expected %zu to %zu", field, count, least, most);
    return OK;
}

static int compare_bytes(const void *a, const void *b, void *len) {
    const ProtobufCBinaryData *const *x = a, *const *y = b;
    return memcmp((*x)->data, (*y)->data, *(const size_t *)len);
}

result check_distinct(const char *field, const ProtobufCBinaryData bytes[], size_t count,
                      size_t len) {
    TRY(check_each(field, bytes, count, len));
    if (count < 2)
        return OK;
    const ProtobufCBinaryData **sorted = calloc(count, sizeof *sorted);
    if (sorted == NULL)
        return FAIL(NO_MEMORY, "%s: no memory to sort %zu entries", field, count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &bytes[i];
    qsort_r(sorted, count, sizeof *sorted, compare_bytes, &len);
    result checked = OK;
    for (size_t i = 1; i < count && checked == OK; i++)
        if (memcmp(sorted[i - 1]->data, sorted[i]->data, len) == 0)
            checked = FAIL(PROTOCOL, "%s: one stands there twice", field);
    free(sorted);
    return checked;
}

result check_name(const char *field, const char *name) {
    if (!format_is_name(name))
        return FAIL(PROTOCOL, "%s: '%.64s' is not a name ([a-z0-9][a-z0-9._-]*, at most %d)", field,
                    name, FORMAT_NAME_MAX);
    return OK;
}

result check_names(const char *field, char *const names[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!format_is_name(names[i]))
            return FAIL(PROTOCOL, "%s[%zu]: '%.64s' is not a name", field, i, names[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return FAIL(PROTOCOL, "%s: %s stands there twice", field, names[i]);
    }
    return OK;
}

result check_text(const char *field, const char *text, size_t least, size_t most) {
    size_t len = strlen(text);
    if (len < least || len > most)
        return FAIL(PROTOCOL, "%s: %zu characters, expected %zu to %zu", field, len, least, most);
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return FAIL(PROTOCOL, "%s: character %zu is not printable ASCII", field, i);
    return OK;
}

result check_signed(const char *field, const Myelin__Signed *record, size_t limit) {
    if (record == NULL)
        return FAIL(PROTOCOL, "%s: missing", field);
    if (record->body.len < 1 || record->body.len > limit)
        return FAIL(PROTOCOL, "%s: body: %zu bytes, expected 1 to %zu", field, record->body.len,
                    limit);
    if (record->signature.len != FORMAT_SIGNATURE_BYTES)
        return FAIL(PROTOCOL, "%s: signature: %zu bytes, expected %d", field, record->signature.len,
                    FORMAT_SIGNATURE_BYTES);
    return OK;
}

result check_signed_list(const char *field, size_t count, Myelin__Signed *const records[],
                         size_t least, size_t most, size_t limit) {
    TRY(check_count(field, count, least, most));
    for (size_t i = 0; i < count; i++)
        TRY(check_signed(field, records[i], limit));
    return OK;
}

result check_symbol(const char *field, const Myelin__Symbol *symbol) {
    if (symbol == NULL)
        return FAIL(PROTOCOL, "%s: missing", field);
    result checked = format_check_symbol(symbol);
    return checked == OK ? OK : error_at(checked, "%s", field);
}

result check_holders(const char *field, ProtobufCBinaryData holders, size_t least,
                     bool is_optional) {
    if (holders.len == 0 && is_optional)
        return OK;
    TRY(check_between(field, holders, least, FORMAT_SERVERS_MAX));
    for (size_t i = 0; i < holders.len; i++)
        if (holders.data[i] == 0 || (i > 0 && holders.data[i] <= holders.data[i - 1]))
            return FAIL(PROTOCOL, "%s: not ascending share indices", field);
    return OK;
}

result check_commitments(size_t count1, const ProtobufCBinaryData commitment1[], size_t count2,
                         const ProtobufCBinaryData commitment2[]) {
    TRY(check_count("commitment1", count1, 1, FORMAT_SERVERS_MAX));
    if (count2 != count1)
        return FAIL(PROTOCOL, "commitment2: %zu of them, expected %zu as commitment1", count2,
                    count1);
    TRY(check_each("commitment1", commitment1, count1, FORMAT_ALPHA_BYTES));
    return check_each("commitment2", commitment2, count2, FORMAT_TAU_BYTES);
}
