#include "flow/get.h"

#include <stdlib.h>

#include "base/file.h"
#include "flow/contents.h"
#include "flow/get_objects.h"
#include "flow/get_output.h"
#include "flow/get_output_path.h"
#include "flow/patience.h"

/* ------------------------------------------------------------------ files */

/* The objects that the folder lacks, and their files. */
struct files {
    struct get_output output;
    struct manifests manifests; /* the entries and answers are the contents' */
    Myelin__ObjectMeta **metas; /* by object, as the manifests stand; the contents' */
    const char **names;         /* the same way, the metas' */
    int *fds;                   /* the same way; -1: not open */
    size_t count;
};

static void files_close(struct files *files) {
    for (size_t i = 0; i < files->count; i++)
        file_close_at(&files->fds[i]);
    free(files->fds);
    get_output_close(&files->output);
    free(files->names);
    free(files->metas);
    free(files->manifests.entries);
}
#define AUTO_FILES __attribute__((cleanup(files_close)))

static result files_new(const struct contents *contents, struct files *files) {
    size_t room = contents->count + 1;
    files->manifests = contents->manifests;
    files->manifests.count = 0;
    files->manifests.entries = malloc(room * sizeof *files->manifests.entries);
    files->metas = malloc(room * sizeof(Myelin__ObjectMeta *));
    files->names = malloc(room * sizeof *files->names);
    files->fds = malloc(room * sizeof *files->fds);
    if (files->manifests.entries == NULL || files->metas == NULL || files->names == NULL ||
        files->fds == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", contents->count);
    return OK;
}

/* What a get that was killed has named already is not fetched again. */
static result files_open(struct session *session, const char *folder,
                         const struct contents *contents, struct files *files) {
    TRY(files_new(contents, files));
    for (size_t i = 0; i < contents->count; i++) {
        Myelin__ObjectMeta *meta = contents->metas[i];
        bool is_there;
        TRY(session_check_cancel(session));
        TRY(get_output_has(folder, meta->name, meta->size, meta->sha256.data, &is_there));
        if (is_there)
            continue;
        files->manifests.entries[files->manifests.count++] = contents->manifests.entries[i];
        files->metas[files->count] = meta;
        files->names[files->count] = meta->name;
        files->fds[files->count++] = -1;
    }
    return get_output_open(folder, files->names, files->count, &files->output);
}

static result start_file(void *context, size_t index) {
    struct files *files = context;
    return get_output_create(&files->output, index, &files->fds[index]);
}

static result write_file(void *context, size_t index, struct view bytes) {
    const struct files *files = context;
    return file_write_all(files->fds[index], bytes, files->names[index]);
}

static result finish_file(void *context, size_t index) {
    struct files *files = context;
    file_close_at(&files->fds[index]);
    return OK;
}

/* ------------------------------------------------------------------ the flow */

/* What somebody else named must not be what a shell or another program reads by itself. */
static result check_hidden(const struct contents *contents) {
    for (size_t i = 0; i < contents->count; i++)
        if (get_output_is_hidden(contents->metas[i]->name))
            return FAIL(DENIED,
                        "the image has an object named %s, which would be a hidden file: --hidden "
                        "takes it all the same",
                        contents->metas[i]->name);
    return OK;
}

static result fetch_into(struct session *session, const struct contents *contents,
                         const char *folder) {
    AUTO_FILES struct files files = {0};
    TRY(files_open(session, folder, contents, &files));
    struct get_target target = {&files, start_file, write_file, finish_file};
    if (files.count > 0)
        TRY(get_objects_fetch(session, contents, &files.manifests, files.metas, &target));
    return get_output_publish(&files.output);
}

result flow_get(struct session *session, const char *id, const struct get_options *options,
                const char *folder) {
    AUTO_PATIENCE struct patience patience;
    AUTO_CONTENTS struct contents contents = {0};
    patience_begin(&patience, PATIENCE_OF_GET);
    struct contents_options how = {.from = options->from, .u = options->u};
    TRY(contents_load(session, id, &how, &contents));
    if (options->from != NULL && !options->hidden)
        TRY(check_hidden(&contents));
    return fetch_into(session, &contents, folder);
}
