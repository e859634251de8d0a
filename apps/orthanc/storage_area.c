#include "storage_area.h"

#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "codec/dicom.h"
#include "exports.h"
#include "roomy.h"
#include "sender.h"

static struct gateway *gateway;

/* What Orthanc gives as HTTP status 503 and 413, with a text. */
static OrthancPluginErrorCode unavailable = OrthancPluginErrorCode_StorageAreaPlugin;
static OrthancPluginErrorCode too_large = OrthancPluginErrorCode_CannotWriteFile;

static _Thread_local const struct storage_reference *referring;
static _Thread_local char last_uuid[RECORD_UUID_BYTES + 1];

void storage_area_refer(const struct storage_reference *reference) {
    referring = reference;
}

const char *storage_area_last_uuid(void) {
    return last_uuid;
}

/* ------------------------------------------------------------------ what is stored */

/* An attachment as Orthanc brings it. */
struct incoming {
    const char *uuid;
    OrthancPluginContentType type;
    const struct storage_reference *reference; /* NULL: the object itself is to be stored */
    struct view data;
    struct record record;
    struct view header; /* of it, for the header cache */
    struct dicom_info dicom;
};

/* Orthanc will find that it has the instance, and remove this one again. Its index is asked about
 * what it can have alone, for a lookup makes SQLite prepare all its statements anew: of an instance
 * that was ever stored the map knows, or it is a plain file of before. */
static bool is_duplicate(const struct incoming *incoming) {
    const char *sop = incoming->record.sop;
    if (sop[0] == '\0' || gateway->config.overwrites ||
        (gateway->config.archive[0] == '\0' && !map_knows_sop(gateway->map, sop)))
        return false;
    char *id = OrthancPluginLookupInstance(gateway->orthanc, incoming->record.sop);
    if (id != NULL)
        OrthancPluginFreeString(gateway->orthanc, id);
    return id != NULL;
}

static result look_into_dicom(struct incoming *incoming) {
    struct codec_source source = codec_source_memory(incoming->data, "an instance");
    struct dicom_info *dicom = &incoming->dicom;
    TRY(dicom_probe(&source, dicom));
    size_t header = (size_t)dicom->header_len;
    if (header == 0 && incoming->data.len <= HEADERS_BYTES_MAX)
        header = incoming->data.len;
    incoming->header = view_of(incoming->data.data, header);
    snprintf(incoming->record.sop, sizeof incoming->record.sop, "%s", dicom->sop_instance_uid);
    if (dicom->study_uid[0] != '\0')
        snprintf(incoming->record.image, sizeof incoming->record.image, "%s", dicom->study_uid);
    return OK;
}

static result look_into(struct incoming *incoming) {
    struct record *record = &incoming->record;
    if (!record_is_uuid(incoming->uuid))
        return FAIL(INVALID, "Orthanc names an attachment '%.64s', which is no uuid",
                    incoming->uuid);
    record->op = RECORD_ADD;
    record->size = incoming->data.len;
    snprintf(record->uuid, sizeof record->uuid, "%s", incoming->uuid);
    snprintf(record->name, sizeof record->name, "%s", incoming->uuid);
    snprintf(record->image, sizeof record->image, "orthanc:%s", incoming->uuid);
    return incoming->type == OrthancPluginContentType_Dicom ? look_into_dicom(incoming) : OK;
}

/* ------------------------------------------------------------------ create */

/* What needs no bytes on the servers: another user's object, or nothing at all. */
static result create_reference(struct incoming *incoming) {
    const struct storage_reference *reference = incoming->reference;
    struct record *record = &incoming->record;
    record->flags = RECORD_IS_STORED;
    if (reference != NULL) {
        const struct record *object = reference->record;
        snprintf(record->owner, sizeof record->owner, "%s", object->owner);
        snprintf(record->image, sizeof record->image, "%s", object->image);
        snprintf(record->name, sizeof record->name, "%s", object->name);
        headers_keep(gateway->headers, record->uuid,
                     reference->header.len > 0 ? reference->header : incoming->header);
    }
    TRY(map_add(gateway->map, record));
    return reference != NULL ? OK : map_sync(gateway->map); /* accept_image syncs for all */
}

static result create_spooled(struct incoming *incoming) {
    struct record *record = &incoming->record;
    TRY(sender_admit(gateway->sender, incoming->data.len));
    record->flags |= RECORD_IS_SPOOLED;
    TRY(spool_write(gateway->spool, record, incoming->data));
    result added = map_add(gateway->map, record);
    if (added != OK && spool_remove(gateway->spool, record->uuid) != OK)
        gateway_error(gateway, "the spool: %s", error_text());
    return added;
}

static result put_object(const struct incoming *incoming) {
    bool has_note = incoming->header.len <= MYELIN_NOTE_MAX;
    const struct myelin_blob blob = {.name = incoming->record.name,
                                     .data = incoming->data.data,
                                     .size = incoming->data.len,
                                     .note = incoming->header.data,
                                     .note_size = has_note ? incoming->header.len : 0};
    return images_put(gateway->images, incoming->record.image, &blob);
}

/* The map's disk and the servers' work at the same time. */
static result put_and_sync(const struct incoming *incoming) {
    map_begin_sync(gateway->map);
    TRY(put_object(incoming));
    return map_sync(gateway->map);
}

static result create_durable(struct incoming *incoming) {
    struct record *record = &incoming->record, removed;
    TRY(map_add(gateway->map, record));
    result put = put_and_sync(incoming);
    if (put != OK) {
        char why[ERROR_TEXT_BYTES];
        snprintf(why, sizeof why, "%s", error_text());
        if (map_remove(gateway->map, record->uuid, &removed) != OK)
            gateway_error(gateway, "the map keeps %s, which was not stored: %s", record->uuid,
                          error_text());
        return FAIL(put, "%s", why);
    }
    return map_set(gateway->map, record->uuid, RECORD_IS_STORED);
}

/* What Orthanc's index cannot be asked for counts as indexed once it is stored. */
static result confirm_unasked(const struct record *record) {
    if (record->sop[0] != '\0')
        return OK;
    TRY(map_set(gateway->map, record->uuid, RECORD_IS_INDEXED));
    return map_sync(gateway->map);
}

/* The header of what is in the spool is kept when it is sent, for nobody waits then. */
static result create_object(struct incoming *incoming) {
    bool again = is_duplicate(incoming);
    incoming->record.flags = again ? RECORD_IS_DUPLICATE : 0;
    if (again || gateway->config.policy == CONFIG_SPOOL)
        return create_spooled(incoming);
    headers_keep(gateway->headers, incoming->uuid, incoming->header);
    result created = create_durable(incoming);
    if (created != OK)
        headers_remove(gateway->headers, incoming->uuid);
    return created;
}

static result adopt_object(struct incoming *incoming) {
    TRY(look_into(incoming));
    headers_keep(gateway->headers, incoming->uuid, incoming->header);
    TRY(incoming->data.len == 0 ? create_reference(incoming) : create_spooled(incoming));
    TRY(map_set(gateway->map, incoming->uuid, RECORD_IS_INDEXED));
    return map_sync(gateway->map);
}

result storage_area_adopt(const char *uuid, struct view data) {
    struct incoming incoming = {.uuid = uuid, .type = OrthancPluginContentType_Dicom, .data = data};
    return adopt_object(&incoming);
}

static result create(void *context) {
    struct incoming *incoming = context;
    TRY(look_into(incoming));
    bool is_reference = incoming->reference != NULL || incoming->data.len == 0;
    TRY(is_reference ? create_reference(incoming) : create_object(incoming));
    TRY(confirm_unasked(&incoming->record));
    gateway_log_warnings(gateway);
    return OK;
}

static OrthancPluginErrorCode fail_create(result code) {
    gateway_error(gateway, "an attachment could not be stored: %s", error_text());
    if (code == QUORUM || code == TIMEOUT)
        return unavailable;
    return code == NO_MEMORY ? OrthancPluginErrorCode_NotEnoughMemory
                             : OrthancPluginErrorCode_CannotWriteFile;
}

/* It would be in memory some times over, here and whenever it is read. */
static OrthancPluginErrorCode refuse_size(int64_t size) {
    gateway_error(gateway,
                  "an attachment of %lld bytes was refused: Myelin.AttachmentLimitMB allows %llu",
                  (long long)size, (unsigned long long)gateway->config.attachment_bytes);
    return too_large;
}

static OrthancPluginErrorCode on_create(const char *uuid, const void *content, int64_t size,
                                        OrthancPluginContentType type) {
    static const uint8_t nothing[1];
    if (size < 0)
        return OrthancPluginErrorCode_ParameterOutOfRange;
    last_uuid[0] = '\0';
    if ((uint64_t)size > gateway->config.attachment_bytes)
        return refuse_size(size);
    struct incoming incoming = {.uuid = uuid, .type = type};
    incoming.data = view_of(size == 0 ? nothing : content, (size_t)size);
    incoming.reference = type == OrthancPluginContentType_Dicom ? referring : NULL;
    result created = roomy_call(create, &incoming);
    if (created != OK)
        return fail_create(created);
    snprintf(last_uuid, sizeof last_uuid, "%s", uuid);
    gateway->counts.stored++;
    return OrthancPluginErrorCode_Success;
}

/* ------------------------------------------------------------------ read */

/* It is in the spool alone. */
static bool is_spooled(const struct record *record) {
    return (record->flags & RECORD_IS_SPOOLED) != 0 && (record->flags & RECORD_IS_STORED) == 0;
}

static result read_spooled(const char *uuid, struct record *record, struct bytes *out_data) {
    result read = spool_read(gateway->spool, uuid, out_data);
    if (read != NOT_FOUND)
        return read;
    TRY(map_find(gateway->map, uuid, record)); /* the servers may have got it meanwhile */
    return reader_get(gateway->reader, record, out_data);
}

/* The index of a forwarded study was made of the headers that its owner sealed beside the objects:
 * he could have made them say something else. */
static result check_header(const struct record *record, struct view data) {
    AUTO_BYTES struct bytes header = {0};
    if (record->owner[0] == '\0' || !headers_find(gateway->headers, record->uuid, &header) ||
        (header.len <= data.len && view_equal(bytes_view(&header), view_of(data.data, header.len))))
        return OK;
    return FAIL(INTEGRITY, "%s forwarded an object that is not what its header says",
                record->owner);
}

result storage_area_read(const char *uuid, struct bytes *out_data) {
    struct record record;
    TRY(map_find(gateway->map, uuid, &record));
    if (record.size == 0)
        return OK;
    if (is_spooled(&record))
        return read_spooled(uuid, &record, out_data);
    TRY(reader_get(gateway->reader, &record, out_data));
    return check_header(&record, bytes_view(out_data));
}

/* What the map does not have may be a plain file, and what is not a plain file any more may have
 * got into the map meanwhile. */
static result read_attachment(const char *uuid, struct bytes *out_data) {
    gateway->counts.read++;
    result read = storage_area_read(uuid, out_data);
    if (read == OK || gateway->config.archive[0] == '\0')
        return read;
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    bytes_free(out_data); /* what was read and is not good */
    if (archive_read(gateway, uuid, out_data) == OK)
        return OK;
    return read == NOT_FOUND ? storage_area_read(uuid, out_data) : FAIL(read, "%s", why);
}

/* Orthanc leaves an instance that cannot be read out of its archives without a word: the log and
 * the counters are where it shows, and exports.c ends such archives. */
static OrthancPluginErrorCode fail_read(result code, const char *uuid) {
    gateway->counts.read_failures++;
    gateway->counts.integrity_failures += code == INTEGRITY;
    gateway_error(gateway,
                  "ALARM: attachment %s cannot be read, and will be missing from answers: %s", uuid,
                  error_text());
    exports_read_failed(gateway);
    if (code == QUORUM || code == TIMEOUT)
        return unavailable;
    if (code == NOT_FOUND)
        return OrthancPluginErrorCode_InexistentFile;
    return code == INTEGRITY ? OrthancPluginErrorCode_CorruptedFile
                             : OrthancPluginErrorCode_StorageAreaPlugin;
}

struct whole {
    const char *uuid;
    struct bytes data;
};

static result read_whole(void *context) {
    struct whole *whole = context;
    result read = read_attachment(whole->uuid, &whole->data);
    gateway_log_warnings(gateway);
    return read;
}

static OrthancPluginErrorCode hand_over(struct view data, OrthancPluginMemoryBuffer64 *target) {
    OrthancPluginErrorCode code =
        OrthancPluginCreateMemoryBuffer64(gateway->orthanc, target, data.len);
    if (code == OrthancPluginErrorCode_Success && data.len > 0)
        memcpy(target->data, data.data, data.len);
    return code;
}

struct handing {
    struct record record;
    OrthancPluginMemoryBuffer64 *target;
    OrthancPluginErrorCode code;
    bool is_good;
};

static void hand_cached(void *context, struct view data) {
    struct handing *handing = context;
    handing->is_good =
        data.len == handing->record.size && check_header(&handing->record, data) == OK;
    if (handing->is_good)
        handing->code = hand_over(data, handing->target);
}

/* What was fetched ahead goes straight to Orthanc; false where it was not, or is not good. */
static bool read_ahead(OrthancPluginMemoryBuffer64 *target, const char *uuid,
                       OrthancPluginErrorCode *out_code) {
    struct handing handing = {.target = target};
    if (map_find(gateway->map, uuid, &handing.record) != OK || is_spooled(&handing.record) ||
        !reader_use(gateway->reader, uuid, hand_cached, &handing) || !handing.is_good)
        return false;
    gateway->counts.read++;
    *out_code = handing.code;
    return true;
}

static OrthancPluginErrorCode on_read_whole(OrthancPluginMemoryBuffer64 *target, const char *uuid,
                                            OrthancPluginContentType type) {
    (void)type;
    OrthancPluginErrorCode code;
    if (read_ahead(target, uuid, &code))
        return code;
    struct whole whole = {.uuid = uuid};
    if (exports_is_refused())
        return unavailable;
    result read = roomy_call(read_whole, &whole);
    code = read == OK ? hand_over(bytes_view(&whole.data), target) : fail_read(read, uuid);
    bytes_free(&whole.data);
    return code;
}

struct range {
    const char *uuid;
    OrthancPluginContentType type;
    uint64_t start;
    OrthancPluginMemoryBuffer64 *target;
};

static bool copy_range(struct view from, const struct range *range) {
    uint64_t len = range->target->size;
    if (range->start > from.len || len > from.len - range->start)
        return false;
    if (len > 0)
        memcpy(range->target->data, from.data + range->start, len);
    return true;
}

static bool find_header(const struct range *range) {
    AUTO_BYTES struct bytes header = {0};
    return range->type == OrthancPluginContentType_Dicom && record_is_uuid(range->uuid) &&
           headers_find(gateway->headers, range->uuid, &header) &&
           copy_range(bytes_view(&header), range);
}

/* So that it is fetched once only. */
static void keep_header(const char *uuid, struct view data) {
    struct incoming incoming = {.data = data};
    if (look_into_dicom(&incoming) == OK)
        headers_keep(gateway->headers, uuid, incoming.header);
}

static result read_range(void *context) {
    const struct range *range = context;
    AUTO_BYTES struct bytes data = {0};
    result read = read_attachment(range->uuid, &data);
    gateway_log_warnings(gateway);
    TRY(read);
    if (range->type == OrthancPluginContentType_Dicom)
        keep_header(range->uuid, bytes_view(&data));
    if (!copy_range(bytes_view(&data), range))
        return FAIL(INVALID, "a range beyond the end of attachment %s", range->uuid);
    return OK;
}

static OrthancPluginErrorCode on_read_range(OrthancPluginMemoryBuffer64 *target, const char *uuid,
                                            OrthancPluginContentType type, uint64_t start) {
    struct range range = {uuid, type, start, target};
    if (find_header(&range))
        return OrthancPluginErrorCode_Success;
    result read = roomy_call(read_range, &range);
    return read == OK ? OrthancPluginErrorCode_Success : fail_read(read, uuid);
}

/* ------------------------------------------------------------------ remove */

static result remove_object(const char *uuid) {
    struct record record;
    TRY(map_remove(gateway->map, uuid, &record));
    headers_remove(gateway->headers, uuid);
    reader_drop(gateway->reader, uuid);
    if ((record.flags & RECORD_IS_SPOOLED) == 0)
        return OK;
    /* Or after a power cut the map, which may not know that it was sent either, would wait for
     * bytes that are gone. */
    if (spool_has(gateway->spool, uuid))
        TRY(map_sync(gateway->map));
    return spool_remove(gateway->spool, uuid);
}

result storage_area_drop(const char *uuid) {
    result removed = remove_object(uuid);
    return removed == NOT_FOUND ? OK : removed;
}

/* It is in the map, or a plain file, or is going from one to the other. */
static result remove_attachment(const char *uuid) {
    result removed = remove_object(uuid);
    if (gateway->config.archive[0] == '\0' || (removed != OK && removed != NOT_FOUND))
        return removed;
    result plain = archive_remove(gateway, uuid);
    if (plain != NOT_FOUND)
        return plain;
    return removed == NOT_FOUND ? remove_object(uuid) : OK;
}

static OrthancPluginErrorCode on_remove(const char *uuid, OrthancPluginContentType type) {
    (void)type;
    result removed = remove_attachment(uuid);
    if (removed == OK)
        return OrthancPluginErrorCode_Success;
    gateway_error(gateway, "attachment %.64s could not be removed: %s", uuid, error_text());
    return removed == NOT_FOUND ? OrthancPluginErrorCode_InexistentFile
                                : OrthancPluginErrorCode_StorageAreaPlugin;
}

/* ------------------------------------------------------------------ indexed */

/* On the thread that stored it, once the index has it. */
static OrthancPluginErrorCode on_stored(const OrthancPluginDicomInstance *instance,
                                        const char *instance_id) {
    (void)instance;
    (void)instance_id;
    result set = last_uuid[0] == '\0' ? OK : map_set(gateway->map, last_uuid, RECORD_IS_INDEXED);
    if (set != OK && set != NOT_FOUND) /* a duplicate is removed already */
        gateway_warn(gateway, "the map: %s", error_text());
    last_uuid[0] = '\0';
    return OrthancPluginErrorCode_Success;
}

void storage_area_register(struct gateway *its_gateway) {
    enum { NOT_AVAILABLE = 1, TOO_LARGE, CONTENT_TOO_LARGE = 413, SERVICE_UNAVAILABLE = 503 };
    gateway = its_gateway;
    unavailable = OrthancPluginRegisterErrorCode(
        gateway->orthanc, NOT_AVAILABLE, SERVICE_UNAVAILABLE,
        "Myelin: too few of the servers that hold the images answer now; try again later");
    too_large = OrthancPluginRegisterErrorCode(
        gateway->orthanc, TOO_LARGE, CONTENT_TOO_LARGE,
        "Myelin: larger than its configuration allows (AttachmentLimitMB)");
    OrthancPluginRegisterStorageArea2(gateway->orthanc, on_create, on_read_whole, on_read_range,
                                      on_remove);
    OrthancPluginRegisterOnStoredInstanceCallback(gateway->orthanc, on_stored);
}
