/*
 * An envelope's codeword symbol on its way from src/scheme into a message and back.
 */
#ifndef MYELIN_FORMAT_SYMBOL_H
#define MYELIN_FORMAT_SYMBOL_H

#include "base/digest.h"
#include "format/format.h"
#include "scheme/codeword.h"

/* Appends the encoding of the Symbol of `slot`; its hash as Envelope.symbol_hash has it. Errors as
 * format_pack. */
MUST_CHECK result format_symbol_pack(unsigned slot, const struct codeword_symbol *symbol,
                                     struct bytes *out_wire, uint8_t out_hash[DIGEST_BYTES]);

/* The symbol of a message, its points and k coefficients validated (codeword_symbol_parse); freed
 * with codeword_symbol_free. PROTOCOL, naming the field; NO_MEMORY. */
MUST_CHECK result format_symbol_open(const Myelin__Symbol *symbol, unsigned k,
                                     struct codeword_symbol *out_symbol);

#endif
