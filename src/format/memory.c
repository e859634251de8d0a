#include "format/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/secret.h"
#include "format/format.h"

/* Stands before every block; as long as malloc's alignment. */
struct block_header {
    size_t size; /* of the block, this header included */
    size_t is_secret;
};
_Static_assert(sizeof(struct block_header) == 16, "blocks stay aligned");

static void *block_new(void *context, size_t size) {
    struct format_budget *budget = context;
    if (size > SIZE_MAX - 32 || size + 32 > budget->left)
        return NULL;
    size_t whole = (size + sizeof(struct block_header) + 15) & ~(size_t)15;
    void *block = NULL;
    if (budget_take(whole) != OK) {
        budget->is_refused = true;
        return NULL;
    }
    if (!budget->is_secret)
        block = malloc(whole);
    else if (secret_new(whole, &block) != OK)
        block = NULL;
    if (block == NULL) {
        budget_give(whole);
        return NULL;
    }
    budget->left -= whole;
    struct block_header header = {whole, budget->is_secret};
    memcpy(block, &header, sizeof header);
    return (uint8_t *)block + sizeof header;
}

static void block_free(void *context, void *memory) {
    (void)context;
    if (memory == NULL)
        return;
    void *block = (uint8_t *)memory - sizeof(struct block_header);
    struct block_header header;
    memcpy(&header, block, sizeof header);
    budget_give(header.size);
    if (header.is_secret) {
        secret_free(block);
        return;
    }
    secret_wipe(block, header.size);
    free(block);
}

ProtobufCAllocator format_allocator(struct format_budget *budget) {
    return (ProtobufCAllocator){block_new, block_free, budget};
}

void format_free(void *message) {
    struct format_budget none = {0};
    ProtobufCAllocator allocator = format_allocator(&none);
    protobuf_c_message_free_unpacked(message, &allocator);
}

void format_free_at(void *pointer_to_pointer) {
    void *message;
    memcpy(&message, pointer_to_pointer, sizeof message);
    format_free(message);
    message = NULL;
    memcpy(pointer_to_pointer, &message, sizeof message);
}
