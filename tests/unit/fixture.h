// What unit tests share: where golden cases and shared texts lie, throwaway folders.
#ifndef LAM_FIXTURE_H
#define LAM_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The path of a case that other seeds can stand in for: in LAMINAR_GOLDEN where set, else in
// tests/golden (LAM_TEST_GOLDEN), where cases lie that there is one of only. Static storage.
static inline const char *golden_path(const char *name) {
    static char path[4][4096];
    static unsigned next;
    const char *folder = getenv("LAMINAR_GOLDEN");
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", folder && *folder ? folder : LAM_TEST_GOLDEN, name);
    return made;
}

// A path in the folder of shared data, or NULL where that is not beside the project (tests then
// skip, saying so). Static storage.
static inline const char *shared_path(const char *name) {
    static char path[4][4096];
    static unsigned next;
    const char *folder = getenv("LAMINAR_SHARED");
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", folder && *folder ? folder : LAM_TEST_SHARED, name);
    return access(made, R_OK) == 0 ? made : NULL;
}

// A new empty folder; the caller removes it with remove_tree and frees the name.
static inline char *temp_dir(void) {
    const char *base = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/laminar-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(name) ? strdup(name) : NULL;
}

static inline int remove_one(const char *path, const struct stat *info, int kind,
                             struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static inline void remove_tree(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
