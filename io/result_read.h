// Reading a result file back: what is in it first, values group by group when wanted.
#ifndef LAM_RESULT_READ_H
#define LAM_RESULT_READ_H

#include "src/arena.h"
#include "src/error.h"
#include "src/schema.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct lam_result_file {
    const char *path;
    size_t bytes;                    // of the file
    const lam_attribute *attributes; // of the root: single numbers and texts
    size_t attribute_count;
    const lam_dimension *dimensions; // of the root: layer, head, component, or run
    size_t dimension_count;
    const lam_group *groups; // that have variables, in the file's order; data is NULL
    size_t group_count;
    const int *group_ids; // netCDF's, of groups
    int id;               // netCDF's, of the file
    void *map;
    lam_arena arena; // owns all of the above but map
} lam_result_file;

// Whether path begins like a file of netCDF (netCDF-4 or classic), whoever made it.
bool lam_result_recognise(const char *path);

// Opens a result and describes it. The file is mapped, not locked, and its name is never taken for
// an address on the network. path is kept by reference. To be closed also after an error. LAM_IO if
// it cannot be read; LAM_INPUT if it is cut short, damaged, or not laminar's; LAM_MEMORY.
LAM_CHECKED lam_code lam_result_open(const char *path, lam_result_file *file, lam_error *error);
void lam_result_close(lam_result_file *file);

// The root attribute of that name, or NULL.
const lam_attribute *lam_result_attribute(const lam_result_file *file, const char *name);

// Makes *group, in arena, with the values of groups[index]; name, variables, dimensions and
// attributes remain the file's. LAM_INPUT if the file is damaged; LAM_MEMORY.
LAM_CHECKED lam_code lam_result_load(const lam_result_file *file, size_t index, lam_group *group,
                                     lam_arena *arena, lam_error *error);

#endif
