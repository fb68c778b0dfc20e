#include "jobs/memory.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// The number in a file, or infinity where there is none ("max").
static double number_in(const char *path) {
    double number = INFINITY;
    FILE *file = fopen(path, "re");
    if (!file) return number;
    if (fscanf(file, "%lf", &number) != 1 || !(number > 0)) number = INFINITY;
    fclose(file);
    return number;
}

lam_memory lam_memory_of(const lam_comm *comm) {
    const double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    double host = pages > 0 && page > 0 ? pages * page : INFINITY;
    host = fmin(host, number_in("/sys/fs/cgroup/memory.max"));                   // version 2
    host = fmin(host, number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes")); // version 1
    struct rlimit limit;
    double own = INFINITY; // of this process alone
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        own = (double)limit.rlim_cur;
    return (lam_memory){.room = fmin(host / comm->host_ranks, own)};
}

lam_code lam_memory_check(lam_memory *memory, const lam_profile_run *run, int64_t layers,
                          lam_error *error) {
    if (!run->profile->keeps) return LAM_OK;
    lam_keeping keeping = {.remedy = ""};
    run->profile->keeps(run, &keeping);
    const double bytes = (double)layers * keeping.bytes;
    memory->taken += bytes;
    if (memory->taken <= memory->room) return LAM_OK;
    return lam_fail(error, LAM_MEMORY,
                    "%s: %.1f GB of activations in %lld layers, where a rank here has %.1f GB of "
                    "memory: %s",
                    run->profile->name, bytes / 1e9, (long long)layers, memory->room / 1e9,
                    keeping.remedy);
}
