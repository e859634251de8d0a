#include "flow/get.h"

#include <stdlib.h>

#include "base/file.h"
#include "flow/contents.h"
#include "flow/get_objects.h"
#include "flow/get_output.h"
#include "flow/get_output_path.h"

/* ------------------------------------------------------------------ files */

struct files {
    struct get_output output;
    const char **names; /* by object */
    int *fds;           /* by object; -1: not open */
    size_t count;
};

static void files_close(struct files *files) {
    for (size_t i = 0; i < files->count; i++)
        file_close_at(&files->fds[i]);
    free(files->fds);
    get_output_close(&files->output);
    free(files->names);
}
#define AUTO_FILES __attribute__((cleanup(files_close)))

static result files_open(const char *folder, const struct contents *contents,
                         struct files *out_files) {
    out_files->fds = malloc((contents->count + 1) * sizeof *out_files->fds);
    out_files->names = malloc((contents->count + 1) * sizeof *out_files->names);
    if (out_files->fds == NULL || out_files->names == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", contents->count);
    for (; out_files->count < contents->count; out_files->count++) {
        out_files->fds[out_files->count] = -1;
        out_files->names[out_files->count] = contents->metas[out_files->count]->name;
    }
    return get_output_open(folder, out_files->names, out_files->count, &out_files->output);
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
    TRY(files_open(folder, contents, &files));
    struct get_target target = {&files, start_file, write_file, finish_file};
    TRY(get_objects_fetch(session, contents, &contents->manifests, contents->metas, &target));
    return get_output_publish(&files.output);
}

result flow_get(struct session *session, const char *id, const struct get_options *options,
                const char *folder) {
    AUTO_CONTENTS struct contents contents = {0};
    struct contents_options how = {.from = options->from, .u = options->u};
    TRY(contents_load(session, id, &how, &contents));
    if (options->from != NULL && !options->hidden)
        TRY(check_hidden(&contents));
    return fetch_into(session, &contents, folder);
}
