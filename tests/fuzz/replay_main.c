/* Replays the files of folders, or single files, through a fuzz target built without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 16 << 20 };

/* A copy of its own for each input, so that reading past its end is noticed. */
static bool replay_file(const char *path) {
    AUTO_BYTES struct bytes input = {0};
    if (file_read(path, INPUT_BYTES_MAX, &input) != OK) {
        fprintf(stderr, "%s\n", error_text());
        return false;
    }
    LLVMFuzzerTestOneInput(input.data, input.len);
    return true;
}

/* How many files were replayed; negative where one could not be read. */
static int replay(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL)
        return replay_file(path) ? 1 : -1;
    int replayed = 0;
    for (struct dirent *entry; replayed >= 0 && (entry = readdir(folder)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        replayed = replay_file(file) ? replayed + 1 : -1;
    }
    closedir(folder);
    return replayed;
}

int main(int argc, char **argv) {
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int replayed = replay(argv[i]);
        if (replayed < 0)
            return 1;
        total += replayed;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
