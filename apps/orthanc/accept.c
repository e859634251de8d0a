#include "accept.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orthanc_rest.h"
#include "skeleton.h"
#include "storage_area.h"

enum { IMPORT_THREADS = 3 }; /* beside the caller: Orthanc parses on one while another commits */

/* ------------------------------------------------------------------ what there is to import */

struct listed {
    char *name;
    uint64_t size;
    struct bytes note;
};

struct import {
    struct gateway *gateway;
    const struct accept_request *request;
    struct listed *objects;
    size_t count, capacity;
    result failed;
    struct record *known; /* what the map has of the image already, by name */
    size_t known_count;
    pthread_mutex_t lock; /* all below, while several threads import */
    size_t next;          /* object */
    uint64_t imported, existing, skipped;
    char study_uid[RECORD_SOP_MAX + 1];
    result broken; /* the first error, and its text */
    char text[ERROR_TEXT_BYTES];
};

static void import_free(struct import *import) {
    for (size_t i = 0; i < import->count; i++) {
        free(import->objects[i].name);
        bytes_free(&import->objects[i].note);
    }
    free(import->objects);
    free(import->known);
}
#define AUTO_IMPORT __attribute__((cleanup(import_free)))

static result list_object(struct import *import, const struct myelin_blob_listed *blob) {
    if (import->count == import->capacity) {
        size_t capacity = import->capacity == 0 ? 64 : 2 * import->capacity;
        struct listed *grown = reallocarray(import->objects, capacity, sizeof *grown);
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for a list of objects");
        import->objects = grown;
        import->capacity = capacity;
    }
    struct listed listed = {.name = strdup(blob->name), .size = blob->size};
    if (listed.name == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of objects");
    import->objects[import->count++] = listed;
    return bytes_append(&import->objects[import->count - 1].note,
                        view_of(blob->note, blob->note_size));
}

static void take_listed(void *context, const struct myelin_blob_listed *blob) {
    struct import *import = context;
    if (import->failed == OK)
        import->failed = list_object(import, blob);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

static bool is_known(const struct import *import, const char *name) {
    struct record key = {0};
    snprintf(key.name, sizeof key.name, "%s", name);
    return bsearch(&key, import->known, import->known_count, sizeof key, compare_names) != NULL;
}

/* ------------------------------------------------------------------ whose it is */

/* "19700101" as people write it; what is no date as it is. */
static void show_birth(const char *birth, char out[32]) {
    bool is_date = strlen(birth) == 8 && strspn(birth, "0123456789") == 8;
    if (birth[0] == '\0')
        snprintf(out, 32, "birth date unknown");
    else if (is_date)
        snprintf(out, 32, "born %.4s-%.2s-%.2s", birth, birth + 4, birth + 6);
    else
        snprintf(out, 32, "born '%.16s'", birth);
}

static result same_person(const json_t *here, const char *name, const char *birth,
                          const char *owner) {
    const json_t *tags = json_object_get(here, "MainDicomTags");
    const char *here_name = orthanc_text(tags, "PatientName");
    const char *here_birth = orthanc_text(tags, "PatientBirthDate");
    if (strcmp(here_name, name) == 0 && strcmp(here_birth, birth) == 0)
        return OK;
    char here_born[32], born[32];
    show_birth(here_birth, here_born);
    show_birth(birth, born);
    return FAIL(
        CONFLICT,
        "patient ID %.64s is %.64s, %s, here. With %s it is %.64s, %s. Accepting would make "
        "one patient of the two",
        orthanc_text(tags, "PatientID"), here_name, here_born, owner, name, born);
}

static result check_tags(struct gateway *gateway, const json_t *tags, const char *owner) {
    const char *patient = orthanc_text(tags, "PatientID");
    char *id = OrthancPluginLookupPatient(gateway->orthanc, patient);
    if (id == NULL)
        return OK;
    AUTO_JSON json_t *here = NULL;
    result got = orthanc_get(gateway, &here, "/patients/%.64s", id);
    OrthancPluginFreeString(gateway->orthanc, id);
    TRY(got);
    return same_person(here, orthanc_text(tags, "PatientName"),
                       orthanc_text(tags, "PatientBirthDate"), owner);
}

/* What Orthanc has is not replaced by what others forward, whatever its OverwriteInstances says. */
static bool is_here(struct gateway *gateway, const char *sop) {
    char *id = sop[0] == '\0' ? NULL : OrthancPluginLookupInstance(gateway->orthanc, sop);
    if (id != NULL)
        OrthancPluginFreeString(gateway->orthanc, id);
    return id != NULL;
}

/* Orthanc knows patients by their ID alone. Every instance is looked at: an image may hold more
 * than one patient's. */
static result check_patient(struct import *import, struct view file, bool *out_is_here) {
    struct gateway *gateway = import->gateway;
    char *text = OrthancPluginDicomBufferToJson(gateway->orthanc, file.data, (uint32_t)file.len,
                                                OrthancPluginDicomToJsonFormat_Human,
                                                OrthancPluginDicomToJsonFlags_None, 256);
    if (text == NULL)
        return FAIL(INVALID, "an object is no DICOM that Orthanc can read");
    AUTO_JSON json_t *tags = json_loads(text, 0, NULL);
    OrthancPluginFreeString(gateway->orthanc, text);
    if (!import->request->merges_patient)
        TRY(check_tags(gateway, tags, import->request->owner));
    pthread_mutex_lock(&import->lock);
    snprintf(import->study_uid, sizeof import->study_uid, "%s",
             orthanc_text(tags, "StudyInstanceUID"));
    pthread_mutex_unlock(&import->lock);
    *out_is_here = is_here(gateway, orthanc_text(tags, "SOPInstanceUID"));
    return OK;
}

/* ------------------------------------------------------------------ one instance */

static int take_whole(void *context, size_t index, const void *data, size_t size) {
    (void)index;
    return (int)bytes_append(context, view_of(data, size));
}

/* The file without its pixels, or, where no such can be made, the file. */
static result make_file(struct import *import, const struct listed *object,
                        struct bytes *out_file) {
    if (skeleton_make(bytes_view(&object->note), object->size, out_file) == OK)
        return OK;
    const struct accept_request *request = import->request;
    const char *name = object->name;
    AUTO_BYTES struct bytes whole = {0};
    TRY(images_read(import->gateway->images, request->owner, request->image, &name, 1, take_whole,
                    &whole));
    *out_file = whole;
    whole = (struct bytes){0};
    return OK;
}

static result check_tags_of(struct import *import, const struct listed *object, struct view file,
                            bool *out_is_here) {
    AUTO_BYTES struct bytes tags = {0};
    bool has_header = object->note.len > 0 && object->note.len < object->size;
    if (has_header && skeleton_make_tags(bytes_view(&object->note), &tags) == OK)
        file = bytes_view(&tags);
    return check_patient(import, file, out_is_here);
}

static bool is_dicom(struct view file) {
    return file.len > 132 && memcmp(file.data + 128, "DICM", 4) == 0;
}

static void count_one(struct import *import, uint64_t *counter) {
    pthread_mutex_lock(&import->lock);
    (*counter)++;
    pthread_mutex_unlock(&import->lock);
}

static result import_object(struct import *import, const struct listed *object) {
    const struct accept_request *request = import->request;
    AUTO_BYTES struct bytes file = {0};
    struct record record = {.op = RECORD_ADD, .size = object->size};
    /* The size is the owner's word: no memory for what Orthanc cannot be handed anyway. */
    if (object->size <= import->gateway->config.attachment_bytes)
        TRY(make_file(import, object, &file));
    if (!is_dicom(bytes_view(&file))) {
        count_one(import, &import->skipped);
        return OK;
    }
    bool is_there = false;
    TRY(check_tags_of(import, object, bytes_view(&file), &is_there));
    if (is_there) {
        count_one(import, &import->existing);
        return OK;
    }
    snprintf(record.owner, sizeof record.owner, "%s", request->owner);
    snprintf(record.image, sizeof record.image, "%s", request->image);
    snprintf(record.name, sizeof record.name, "%s", object->name);
    struct storage_reference reference = {.record = &record, .header = bytes_view(&object->note)};
    bool is_new = false;
    storage_area_refer(&reference);
    result posted = orthanc_post_instance(import->gateway, bytes_view(&file), &is_new);
    storage_area_refer(NULL);
    TRY(posted);
    count_one(import, is_new ? &import->imported : &import->existing);
    return OK;
}

/* ------------------------------------------------------------------ an image */

static result import_next(struct import *import, size_t index) {
    const struct listed *object = &import->objects[index];
    if (!is_known(import, object->name))
        return import_object(import, object);
    count_one(import, &import->existing);
    return OK;
}

/* The next object that is to be imported; false where there is none, or something failed. */
static bool take_next(struct import *import, size_t *out_index) {
    pthread_mutex_lock(&import->lock);
    bool has_next = import->broken == OK && import->next < import->count;
    *out_index = import->next;
    import->next += has_next;
    pthread_mutex_unlock(&import->lock);
    return has_next;
}

static void note_failure(struct import *import, result code) {
    pthread_mutex_lock(&import->lock);
    if (import->broken == OK) {
        import->broken = code;
        snprintf(import->text, sizeof import->text, "%s", error_text());
    }
    pthread_mutex_unlock(&import->lock);
}

static void *run_imports(void *argument) {
    struct import *import = argument;
    size_t index;
    while (take_next(import, &index)) {
        result imported = import_next(import, index);
        if (imported != OK)
            note_failure(import, imported);
    }
    return NULL;
}

/* The first one alone: where it is another person's, nothing is imported. */
static result import_all(struct import *import) {
    pthread_t threads[IMPORT_THREADS];
    size_t started = 0;
    if (import->count > 0)
        TRY(import_next(import, 0));
    import->next = 1;
    while (started < IMPORT_THREADS && started + 2 < import->count &&
           pthread_create(&threads[started], NULL, run_imports, import) == 0)
        started++;
    run_imports(import);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (import->broken != OK)
        return FAIL(import->broken, "%s", import->text);
    return map_sync(import->gateway->map);
}

static result make_report(const struct import *import, json_t **out_report) {
    char *study = import->study_uid[0] == '\0'
                      ? NULL
                      : OrthancPluginLookupStudy(import->gateway->orthanc, import->study_uid);
    *out_report =
        json_pack("{s:I, s:I, s:I, s:o, s:o}", "Imported", (json_int_t)import->imported, "Existing",
                  (json_int_t)import->existing, "Skipped", (json_int_t)import->skipped,
                  "StudyInstanceUID", orthanc_json_text(import->study_uid), "Study",
                  study == NULL ? json_null() : orthanc_json_text(study));
    if (study != NULL)
        OrthancPluginFreeString(import->gateway->orthanc, study);
    return *out_report == NULL ? FAIL(NO_MEMORY, "out of memory") : OK;
}

static int compare_listed(const void *a, const void *b) {
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static bool is_listed(const struct import *import, const char *name) {
    char copy[RECORD_NAME_MAX + 1];
    snprintf(copy, sizeof copy, "%s", name);
    const struct listed key = {.name = copy};
    return import->count > 0 &&
           bsearch(&key, import->objects, import->count, sizeof key, compare_listed) != NULL;
}

/* The servers' list of the image, and what the map has of it. */
static result load_lists(struct import *import) {
    const struct accept_request *request = import->request;
    TRY(images_list(import->gateway->images, request->owner, request->image, take_listed, import));
    TRY(import->failed);
    TRY(map_attachments(import->gateway->map, request->owner, request->image, &import->known,
                        &import->known_count));
    if (import->known_count > 1)
        qsort(import->known, import->known_count, sizeof *import->known, compare_names);
    return OK;
}

/* What Orthanc has of another's image and he deleted leaves the index. (Of an own image the servers
 * may not have everything yet.) */
static result undo_deleted(struct import *import, uint64_t *out_undone) {
    if (import->count > 1)
        qsort(import->objects, import->count, sizeof *import->objects, compare_listed);
    for (size_t i = 0; i < import->known_count; i++) {
        if (is_listed(import, import->known[i].name))
            continue;
        TRY(orthanc_delete_instance(import->gateway, import->known[i].sop));
        (*out_undone)++;
    }
    return OK;
}

static result import_image(struct import *import) {
    struct gateway *gateway = import->gateway;
    const struct accept_request *request = import->request;
    if (gateway->config.compresses)
        return FAIL(INVALID, "nothing can be accepted while Orthanc's StorageCompression is on");
    TRY(load_lists(import));
    uint64_t undone = 0; /* and comes again, where it was stored again */
    if (request->owner[0] != '\0')
        TRY(undo_deleted(import, &undone));
    return import_all(import);
}

result accept_image(struct gateway *gateway, const struct accept_request *request,
                    json_t **out_report) {
    AUTO_IMPORT struct import import = {
        .gateway = gateway, .request = request, .lock = PTHREAD_MUTEX_INITIALIZER};
    TRY(import_image(&import));
    return make_report(&import, out_report);
}

/* ------------------------------------------------------------------ all of the own ones */

static void take_id(void *context, const struct myelin_image *image) {
    json_array_append_new(context, json_string(image->id));
}

static result import_own(struct gateway *gateway, const char *id, struct accept_totals *totals) {
    const struct accept_request request = {.owner = "", .image = id, .merges_patient = true};
    AUTO_IMPORT struct import import = {
        .gateway = gateway, .request = &request, .lock = PTHREAD_MUTEX_INITIALIZER};
    result imported = import_image(&import);
    totals->images++;
    totals->imported += import.imported;
    totals->existing += import.existing;
    totals->skipped += import.skipped;
    return imported == NOT_FOUND ? OK : imported; /* removed meanwhile */
}

result accept_own(struct gateway *gateway, struct accept_totals *out_totals) {
    AUTO_JSON json_t *ids = json_array();
    struct accept_totals totals = {0};
    TRY(gateway_result(myelin_list(gateway->session, take_id, ids)));
    for (size_t i = 0; i < json_array_size(ids); i++)
        TRY(import_own(gateway, json_string_value(json_array_get(ids, i)), &totals));
    *out_totals = totals;
    return OK;
}

result accept_compare(struct gateway *gateway, const char *owner, const char *image,
                      uint64_t *out_undone) {
    const struct accept_request request = {.owner = owner, .image = image};
    AUTO_IMPORT struct import import = {.gateway = gateway, .request = &request};
    *out_undone = 0;
    TRY(load_lists(&import));
    return undo_deleted(&import, out_undone);
}

result accept_undo(struct gateway *gateway, const char *owner, const char *image) {
    struct record *records = NULL;
    size_t count = 0;
    TRY(map_attachments(gateway->map, owner, image, &records, &count));
    result undone = OK;
    for (size_t i = 0; i < count && undone == OK; i++)
        undone = orthanc_delete_instance(gateway, records[i].sop);
    free(records);
    images_forget(gateway->images, owner, image);
    return undone;
}
