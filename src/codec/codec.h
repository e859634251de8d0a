/*
 * Compression before sealing, byte-exact always: what the decoder gives back is what the encoder
 * was given, bit for bit, or an error. Memory is bounded whatever the object's size (about 40 MiB
 * an object in flight); nothing is written to disk.
 *
 *   none     the bytes themselves. A flow may bypass the codec altogether for this kind.
 *   zstd     one zstd frame (RFC 8878), level 3 (1 up to 1 MiB), window 2 MiB.
 *   shuffle  for files of 2-byte samples: the same, once their bytes are set apart; the format is
 * in codec/shuffle.h. jpegls   for DICOM files with uncompressed 8- or 16-bit pixels: the pixels as
 * JPEG-LS (ISO/IEC 14495-1, lossless) in strips, all else as zstd; the format is in codec/jpegls.h.
 *   auto     for encoders only: jpegls where the file is DICOM with pixels that jpegls can code;
 *            else none where samples of the file (up to four of 128 KiB) do not shrink by 3 % under
 *            zstd level 1, as JPEG, archives and films do not; else shuffle or zstd.
 *
 * A jpegls or shuffle encoder whose file has no such pixels or samples becomes a zstd encoder: ask
 * codec_encoder_kind for what goes into the manifest. A broken DICOM file is never an error.
 */
#ifndef MYELIN_CODEC_CODEC_H
#define MYELIN_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/source.h"

/* The values stand in manifests. */
enum codec_kind {
    CODEC_NONE = 0,
    CODEC_ZSTD = 1,
    CODEC_JPEGLS = 2,
    CODEC_AUTO = 3, /* in no manifest */
    CODEC_SHUFFLE = 4,
};

/* "none", "zstd", "jpegls", "auto", "shuffle", and back. INVALID, naming the choices. */
const char *codec_kind_name(enum codec_kind kind);
MUST_CHECK result codec_kind_parse(const char *name, enum codec_kind *out_kind);

/* INTEGRITY unless `number` is a kind that a manifest may name: not auto. */
MUST_CHECK result codec_kind_check(uint64_t number, enum codec_kind *out_kind);

/* More threads than this do not help and cost memory. */
enum { CODEC_THREADS_MAX = 8 };

/* --- encoder: pulled by the put flow --- */

struct codec_encoder;

#define AUTO_CODEC_ENCODER __attribute__((cleanup(codec_encoder_close_at)))
void codec_encoder_close(struct codec_encoder *encoder);
void codec_encoder_close_at(struct codec_encoder **encoder);

/* Reads `source` with up to `threads` threads of its own (1 .. CODEC_THREADS_MAX; outside, the
 * nearest). `source` is copied; what it borrows must outlive the encoder. One caller at a time.
 * IO, NO_MEMORY, INTERNAL. */
MUST_CHECK result codec_encoder_open(enum codec_kind kind, const struct codec_source *source,
                                     unsigned threads, struct codec_encoder **out_encoder);

/* The kind that was chosen; never auto. */
enum codec_kind codec_encoder_kind(const struct codec_encoder *encoder);

/* Fills `buffer` with the next compressed bytes: all `capacity` of them unless the stream ends
 * here. `out_is_end` says that nothing follows, known together with the last bytes, so that a
 * segment can be sealed as the last one. capacity > 0. IO, NO_MEMORY, INTERNAL; after an error
 * only closing is left. */
MUST_CHECK result codec_encoder_read(struct codec_encoder *encoder, uint8_t *buffer,
                                     size_t capacity, size_t *out_len, bool *out_is_end);

/* --- decoder: pushed by the get flow --- */

struct codec_decoder;

/* Takes the next original bytes, in order; called on the thread that calls codec_decoder_write or
 * _finish. Its error ends the decoder and is handed on. */
typedef result (*codec_sink)(void *context, struct view bytes);

#define AUTO_CODEC_DECODER __attribute__((cleanup(codec_decoder_close_at)))
void codec_decoder_close(struct codec_decoder *decoder);
void codec_decoder_close_at(struct codec_decoder **decoder);

/* `size` is the object's original size, from its manifest: never a byte more goes to the sink.
 * INVALID for auto; NO_MEMORY, INTERNAL. */
MUST_CHECK result codec_decoder_open(enum codec_kind kind, uint64_t size, unsigned threads,
                                     codec_sink sink, void *sink_context,
                                     struct codec_decoder **out_decoder);

/* Takes a decoder, wherever it stands, for another object, which is cheaper than opening one; false
 * where it is NULL, of another kind, or of a kind that cannot: then it is as it was. */
bool codec_decoder_restart(struct codec_decoder *decoder, enum codec_kind kind, uint64_t size,
                           codec_sink sink, void *sink_context);

/* The next compressed bytes, any number. INTEGRITY where they do not decode or hold more than
 * `size` bytes; NO_MEMORY, INTERNAL; the sink's errors. After an error only closing is left. */
MUST_CHECK result codec_decoder_write(struct codec_decoder *decoder, struct view compressed);

/* The end: INTEGRITY unless the stream is complete and gave exactly `size` bytes; the sink's
 * errors. */
MUST_CHECK result codec_decoder_finish(struct codec_decoder *decoder);

#endif
