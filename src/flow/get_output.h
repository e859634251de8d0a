/*
 * Where a get writes: hidden files in a folder of their own until all of the image is there, then
 * names in the user's folder.
 */
#ifndef MYELIN_FLOW_GET_OUTPUT_H
#define MYELIN_FLOW_GET_OUTPUT_H

#include "base/bytes.h"

struct get_output {
    char *folder;             /* the user's */
    char *temporary;          /* a hidden folder in it */
    int hidden;               /* the same as a descriptor, locked; where `temporary` is set */
    const char *const *names; /* the objects', borrowed */
    size_t count;
    size_t named; /* of the objects, how many have their names already */
    char **made;  /* folders that did not exist before, the outermost first */
    size_t made_count;
    bool is_published;
};

/* Removes what is left: all that was made, unless it was published. */
#define AUTO_GET_OUTPUT __attribute__((cleanup(get_output_close)))
void get_output_close(struct get_output *output);

/* Makes `folder` where missing, and the hidden one in it; removes hidden ones of gets that were
 * killed. The names are safe ones
 * (object_name_is_safe). CONFLICT where one of them exists in it, or a link or file on its way,
 * INTEGRITY where two are the same, IO, NO_MEMORY. */
MUST_CHECK result get_output_open(const char *folder, const char *const names[], size_t count,
                                  struct get_output *out_output);

/* Makes object `index`'s hidden file, for writing. IO; the caller closes it. */
MUST_CHECK result get_output_create(const struct get_output *output, size_t index, int *out_fd);

/* Gives all files their names, once their bytes are on the disk: no crash leaves a name with half a
 * file, and none takes away what was published. CONFLICT where one has come to exist meanwhile, IO.
 */
MUST_CHECK result get_output_publish(struct get_output *output);

#endif
