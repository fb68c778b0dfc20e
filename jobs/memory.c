#include "jobs/memory.h"

#include "src/log.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

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

void lam_memory_keep_less(void) {
#ifdef __GLIBC__
    enum { LARGE = 1 << 20 };
    mallopt(M_MMAP_THRESHOLD, LARGE);
#endif
}

// Of this process, the most that was resident so far.
static double peak(void) {
    char line[128];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kilobytes) == 1) break;
    fclose(file);
    return kilobytes * 1024;
}

lam_code lam_memory_report(const lam_comm *comm, lam_error *error) {
    const double mine = peak();
    double most = mine, all = mine;
    LAM_TRY(lam_comm_check(MPI_Reduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, 0, comm->mpi),
                           "comparing memory", error));
    LAM_TRY(lam_comm_check(MPI_Reduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, 0, comm->mpi),
                           "adding up memory", error));
    lam_log(LAM_VERBOSE, "peak memory: largest rank %.1f MB, all ranks %.1f MB", most / 1e6,
            all / 1e6);
    return LAM_OK;
}

lam_code lam_memory_check(lam_memory *memory, const lam_profile_run *run, int64_t layers,
                          lam_error *error) {
    if (!run->profile->cost) return LAM_OK;
    lam_profile_cost cost = {.remedy = ""};
    run->profile->cost(run, &cost);
    const double bytes = (double)layers * cost.kept;
    memory->taken += bytes;
    if (memory->taken <= memory->room) return LAM_OK;
    return lam_fail(error, LAM_MEMORY,
                    "%s: %.1f GB of activations in %lld layers, where a rank here has %.1f GB of "
                    "memory: %s",
                    run->profile->name, bytes / 1e9, (long long)layers, memory->room / 1e9,
                    cost.remedy);
}
