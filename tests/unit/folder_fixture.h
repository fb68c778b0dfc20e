// A throwaway folder for a test executable: group setup and teardown.
#ifndef LAM_FOLDER_FIXTURE_H
#define LAM_FOLDER_FIXTURE_H

#include "fixture.h"

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = temp_dir();
    return folder ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    remove_tree(folder);
    free(folder);
    return 0;
}

#endif
