/*
 * Messages and signed records: parsing is validating.
 *
 * The structs are protobuf-c's of proto/myelin.proto (Myelin__Manifest and so on) and are used
 * directly above this layer, but those that came from outside come out of this file's functions
 * only, which have checked every rule of the schema's comments: lengths, names, counts, sizes that
 * must agree, and the bounds of format/limits.h. Group elements and scalars are checked for their
 * length alone; src/scheme and src/group validate them where they are used.
 *
 * One message has one encoding: fields in the order of their numbers, nothing twice, no default
 * written out, no zero byte in a text. Anything else is refused; unknown fields are ignored in
 * messages and refused in records and files.
 *
 * To send, fill a struct of your own (MYELIN__MANIFEST__INIT; its pointers may point anywhere) and
 * hand it to format_pack or format_sign, which apply the same rules.
 */
#ifndef MYELIN_FORMAT_FORMAT_H
#define MYELIN_FORMAT_FORMAT_H

#include <myelin.pb-c.h>

#include "base/bytes.h"
#include "base/result.h"
#include "base/sign.h"
#include "format/limits.h"

/* ------------------------------------------------------------------ memory */

/* Frees at the end of the scope what a function of this file made, wiping it first:
 *     AUTO_FORMAT Myelin__Manifest *manifest = NULL;
 * Never myelin__..__free_unpacked: the allocator is another one. */
#define AUTO_FORMAT __attribute__((cleanup(format_free_at)))
void format_free_at(void *pointer_to_pointer);
void format_free(void *message);

/* A protobuf bytes field as a view, and the other way round. */
static inline struct view format_view(ProtobufCBinaryData field) {
    return (struct view){field.data, field.len};
}
ProtobufCBinaryData format_bytes(struct view view);

/* ------------------------------------------------------------------ names */

/* [a-z0-9][a-z0-9._-]{0,62}, of users and servers. A name is safe as a file name. */
bool format_is_name(const char *name);

/* "host:port" with port 1 to 65535; host a DNS name or IPv4 address, or an IPv6 address in
 * brackets. */
bool format_is_address(const char *address);

/* A relative path of 1 to FORMAT_OBJECT_NAME_MAX bytes of UTF-8, no component of which is empty,
 * "." or "..". It may hold control characters: whoever prints it must mind them. */
bool format_is_object_name(const char *name);

/* ------------------------------------------------------------------ out */

/* Appends the encoding of a message, record or file of those below (not of a part of one, such as
 * ImageEntry) to `out_wire`. INVALID, naming message and
 * field, where it breaks a rule that the receiver would check; NO_MEMORY. */
MUST_CHECK result format_pack(const void *message, struct bytes *out_wire);

/* The size of any message's or part's encoding, and the encoding into exactly that many bytes of
 * the caller's memory, without any check: for secrets, and for measuring pages. */
size_t format_packed_bytes(const void *message);
void format_pack_to(const void *message, uint8_t *out_wire);

/* Signs a record (System, Envelope, Manifest, Commit, Forward, Revocation, Removal, Deletion,
 * Receipt, Draw, Dealing, Acceptance, Blinded, Head, CertificateRequest) under its own domain. The bytes in
 * out_signed->body are the record from here on: store and send those, never a new encoding. Free
 * with AUTO_FORMAT. INVALID as format_pack; NO_MEMORY. */
MUST_CHECK result format_sign(const struct sign_key *key, const void *record,
                              Myelin__Signed **out_signed);

/* ------------------------------------------------------------------ records */

/* Verifies the signature by `identity` under the domain of that kind of record, then parses the
 * body. INTEGRITY where the signature does not verify, PROTOCOL where the body breaks a rule;
 * NO_MEMORY. `out_` is to be freed with AUTO_FORMAT, here and below. */
MUST_CHECK result format_open_system(const Myelin__Signed *record, const uint8_t identity[32],
                                     Myelin__System **out_system);
MUST_CHECK result format_open_envelope(const Myelin__Signed *record, const uint8_t identity[32],
                                       Myelin__Envelope **out_envelope);
MUST_CHECK result format_open_manifest(const Myelin__Signed *record, const uint8_t identity[32],
                                       Myelin__Manifest **out_manifest);
MUST_CHECK result format_open_commit(const Myelin__Signed *record, const uint8_t identity[32],
                                     Myelin__Commit **out_commit);
MUST_CHECK result format_open_forward(const Myelin__Signed *record, const uint8_t identity[32],
                                      Myelin__Forward **out_forward);
MUST_CHECK result format_open_revocation(const Myelin__Signed *record, const uint8_t identity[32],
                                         Myelin__Revocation **out_revocation);
MUST_CHECK result format_open_removal(const Myelin__Signed *record, const uint8_t identity[32],
                                      Myelin__Removal **out_removal);
MUST_CHECK result format_open_deletion(const Myelin__Signed *record, const uint8_t identity[32],
                                       Myelin__Deletion **out_deletion);
MUST_CHECK result format_open_receipt(const Myelin__Signed *record, const uint8_t identity[32],
                                      Myelin__Receipt **out_receipt);
MUST_CHECK result format_open_draw(const Myelin__Signed *record, const uint8_t identity[32],
                                   Myelin__Draw **out_draw);
MUST_CHECK result format_open_dealing(const Myelin__Signed *record, const uint8_t identity[32],
                                      Myelin__Dealing **out_dealing);
MUST_CHECK result format_open_acceptance(const Myelin__Signed *record, const uint8_t identity[32],
                                         Myelin__Acceptance **out_acceptance);
MUST_CHECK result format_open_blinded(const Myelin__Signed *record, const uint8_t identity[32],
                                      Myelin__Blinded **out_blinded);
MUST_CHECK result format_open_head(const Myelin__Signed *record, const uint8_t identity[32],
                                   Myelin__Head **out_head);
/* By the identity key in the request itself. */
MUST_CHECK result format_open_certificate_request(const Myelin__Signed *record,
                                                  Myelin__CertificateRequest **out_request);

/* The body of a record without a look at its signature: to learn whose it claims to be, or for
 * bytes that this program verified before it stored them. PROTOCOL, NO_MEMORY. */
MUST_CHECK result format_parse_system(struct view body, Myelin__System **out_system);
MUST_CHECK result format_parse_envelope(struct view body, Myelin__Envelope **out_envelope);
MUST_CHECK result format_parse_manifest(struct view body, Myelin__Manifest **out_manifest);
MUST_CHECK result format_parse_commit(struct view body, Myelin__Commit **out_commit);
MUST_CHECK result format_parse_forward(struct view body, Myelin__Forward **out_forward);
MUST_CHECK result format_parse_revocation(struct view body, Myelin__Revocation **out_revocation);
MUST_CHECK result format_parse_removal(struct view body, Myelin__Removal **out_removal);
MUST_CHECK result format_parse_deletion(struct view body, Myelin__Deletion **out_deletion);
MUST_CHECK result format_parse_receipt(struct view body, Myelin__Receipt **out_receipt);
MUST_CHECK result format_parse_draw(struct view body, Myelin__Draw **out_draw);
MUST_CHECK result format_parse_dealing(struct view body, Myelin__Dealing **out_dealing);
MUST_CHECK result format_parse_acceptance(struct view body, Myelin__Acceptance **out_acceptance);
MUST_CHECK result format_parse_blinded(struct view body, Myelin__Blinded **out_blinded);
MUST_CHECK result format_parse_head(struct view body, Myelin__Head **out_head);

/* ------------------------------------------------------------------ messages */

/* Each: PROTOCOL, naming message and field, where `wire` is longer than the message's limit, does
 * not parse or breaks a rule; NO_MEMORY. Signed records inside are checked for their lengths; open
 * them with the functions above. */
MUST_CHECK result format_parse_signed(struct view wire, Myelin__Signed **out_signed);
MUST_CHECK result format_parse_object_meta(struct view wire, Myelin__ObjectMeta **out_meta);
MUST_CHECK result format_parse_symbol(struct view wire, Myelin__Symbol **out_symbol);
MUST_CHECK result format_parse_begin_put(struct view wire, Myelin__BeginPut **out_begin);
MUST_CHECK result format_parse_draw_request(struct view wire, Myelin__DrawRequest **out_request);
MUST_CHECK result format_parse_prepare_put(struct view wire, Myelin__PreparePut **out_prepare);
/* The messages inside are for the functions above and below to parse. */
MUST_CHECK result format_parse_whole_put(struct view wire, Myelin__WholePut **out_put);
MUST_CHECK result format_parse_whole_answer(struct view wire, Myelin__WholeAnswer **out_answer);
MUST_CHECK result format_parse_delete_objects(struct view wire,
                                              Myelin__DeleteObjects **out_objects);
MUST_CHECK result format_parse_image_answer(struct view wire, Myelin__ImageAnswer **out_answer);
MUST_CHECK result format_parse_image_page(struct view wire, Myelin__ImagePage **out_page);
MUST_CHECK result format_parse_manifest_page(struct view wire, Myelin__ManifestPage **out_page);
MUST_CHECK result format_parse_inbox_page(struct view wire, Myelin__InboxPage **out_page);
MUST_CHECK result format_parse_symbol_answer(struct view wire, Myelin__SymbolAnswer **out_answer);
MUST_CHECK result format_parse_check_answer(struct view wire, Myelin__CheckAnswer **out_answer);
MUST_CHECK result format_parse_forward_page(struct view wire, Myelin__ForwardPage **out_page);
MUST_CHECK result format_parse_image_state(struct view wire, Myelin__ImageState **out_state);
MUST_CHECK result format_parse_index_page(struct view wire, Myelin__IndexPage **out_page);
MUST_CHECK result format_parse_repair_answer(struct view wire, Myelin__RepairAnswer **out_answer);
MUST_CHECK result format_parse_enroll_share(struct view wire, Myelin__EnrollShare **out_enroll);
MUST_CHECK result format_parse_user_answer(struct view wire, Myelin__UserAnswer **out_answer);
MUST_CHECK result format_parse_user_page(struct view wire, Myelin__UserPage **out_page);
MUST_CHECK result format_parse_open_request(struct view wire, Myelin__OpenRequest **out_request);
MUST_CHECK result format_parse_open_answer(struct view wire, Myelin__OpenAnswer **out_answer);
MUST_CHECK result format_parse_rekey_request(struct view wire, Myelin__RekeyRequest **out_request);
MUST_CHECK result format_parse_rekey_answer(struct view wire, Myelin__RekeyAnswer **out_answer);
MUST_CHECK result format_parse_recover_request(struct view wire,
                                               Myelin__RecoverRequest **out_request);
MUST_CHECK result format_parse_recover_answer(struct view wire, Myelin__RecoverAnswer **out_answer);
MUST_CHECK result format_parse_care_request(struct view wire, Myelin__CareRequest **out_request);
MUST_CHECK result format_parse_care_state(struct view wire, Myelin__CareState **out_state);
MUST_CHECK result format_parse_care_offer(struct view wire, Myelin__CareOffer **out_offer);
MUST_CHECK result format_parse_care_complaint(struct view wire,
                                              Myelin__CareComplaint **out_complaint);
MUST_CHECK result format_parse_care_finish(struct view wire, Myelin__CareFinish **out_finish);
MUST_CHECK result format_parse_care_restore(struct view wire, Myelin__CareRestore **out_restore);
MUST_CHECK result format_parse_audit_page(struct view wire, Myelin__AuditPage **out_page);
MUST_CHECK result format_parse_audit_entry(struct view wire, Myelin__AuditEntry **out_entry);
MUST_CHECK result format_parse_audit_body(struct view wire, Myelin__AuditBody **out_body);

/* On disk; the caller has taken the eight magic bytes off. KeystoreSecrets and EnrollShare lie in
 * secret memory. */
MUST_CHECK result format_parse_keystore(struct view wire, Myelin__Keystore **out_keystore);
MUST_CHECK result format_parse_keystore_secrets(struct view wire,
                                                Myelin__KeystoreSecrets **out_secrets);
MUST_CHECK result format_parse_head_file(struct view wire, Myelin__HeadFile **out_file);
MUST_CHECK result format_parse_share_file(struct view wire, Myelin__ShareFile **out_share);

#endif
