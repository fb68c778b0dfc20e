#include "jobs/doctor.h"

#include "io/cache.h"
#include "io/netcdf_version.h"
#include "jobs/memory.h"
#include "jobs/provenance.h"
#include "jobs/threads.h"
#include "src/blas.h"
#include "src/product.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct doctor {
    const lam_comm *comm;
    lam_diagnosis *diagnosis;
    lam_arena *arena;
    lam_error *error;
    char probe[64];  // a file in the current folder, while ranks look for it
    int probe_error; // of rank 0: errno of making it, or 0
} doctor;

// Adds a finding that is well; its text is as of printf. LAM_MEMORY.
__attribute__((format(printf, 3, 4))) static lam_code find(doctor *d, const char *name,
                                                           const char *format, ...) {
    lam_finding *finding = &d->diagnosis->finding[d->diagnosis->count++];
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *finding = (lam_finding){.name = name};
    finding->text = lam_arena_text(d->arena, text, strlen(text), d->error);
    return finding->text ? LAM_OK : LAM_MEMORY;
}

// Says that the last finding is not well, the worst of what is said of it; remedy is kept by
// reference.
static void blame(doctor *d, lam_health health, const char *remedy) {
    lam_finding *finding = &d->diagnosis->finding[d->diagnosis->count - 1];
    if (health > finding->health) finding->health = health, finding->remedy = remedy;
}

// Whether a program is on the PATH.
static bool on_path(const char *program) {
    const char *path = getenv("PATH");
    char name[4096];
    while (path && *path) {
        const size_t length = strcspn(path, ":");
        snprintf(name, sizeof name, "%.*s/%s", (int)length, path, program);
        if (length && access(name, X_OK) == 0) return true;
        path += length + (path[length] == ':');
    }
    return false;
}

// --- MPI

// How many processes a launcher says that it started.
static int launched(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                        "MV2_COMM_WORLD_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && atoi(value) > 0) return atoi(value);
    }
    return 1;
}

static lam_code find_mpi(doctor *d) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0, version = 0, subversion = 0, level = MPI_THREAD_SINGLE;
    MPI_Get_library_version(library, &length);
    MPI_Get_version(&version, &subversion);
    MPI_Query_thread(&level);
    const bool mpirun = on_path("mpirun"), srun = on_path("srun");
    LAM_TRY(find(d, "mpi", "%.*s, MPI %d.%d, threads %s; %s", (int)strcspn(library, ",\n"), library,
                 version, subversion,
                 level == MPI_THREAD_MULTIPLE     ? "multiple"
                 : level == MPI_THREAD_SERIALIZED ? "serialized"
                                                  : "funneled",
                 mpirun && srun ? "mpirun and srun are on the PATH"
                 : mpirun       ? "mpirun is on the PATH"
                 : srun         ? "srun is on the PATH"
                                : "neither mpirun nor srun is on the PATH"));
    if (!mpirun && !srun)
        blame(d, LAM_WARNED,
              "for more than one rank, install the launcher of this MPI (Debian: openmpi-bin) or "
              "load its module");
    return LAM_OK;
}

// "2 ranks: a 1, b 1", as many hosts as fit.
static lam_code find_ranks(doctor *d) {
    const lam_diagnosis *all = d->diagnosis;
    char text[512];
    size_t used =
        (size_t)snprintf(text, sizeof text, "%d rank%s:", all->ranks, all->ranks == 1 ? "" : "s");
    for (int r = 0; r < all->ranks; r++) {
        int before = 0;
        while (before < r && strcmp(all->rank[before].host, all->rank[r].host) != 0) before++;
        if (before < r) continue;
        if (used + MPI_MAX_PROCESSOR_NAME + 16 > sizeof text) {
            snprintf(text + used, sizeof text - used, " ...");
            break;
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %d on %s", r ? "," : "",
                                 all->rank[r].host_ranks, all->rank[r].host);
    }
    LAM_TRY(find(d, "ranks", "%s", text));
    if (all->ranks == 1 && launched() > 1)
        blame(d, LAM_UNWELL,
              "a launcher started several processes, but MPI sees one rank: each would do all the "
              "work. Launch with the mpirun of this MPI, or with srun --mpi=pmix");
    else if (all->ranks > 1 && !d->comm->watch)
        blame(d, LAM_WARNED,
              "the ranks cannot connect by TCP, so only MPI notices one that is lost: allow "
              "connections between the hosts");
    return LAM_OK;
}

static lam_code find_threads(doctor *d) {
    const lam_diagnosis *all = d->diagnosis;
    const lam_rank_facts *worst = all->rank;
    for (int r = 1; r < all->ranks; r++)
        if (all->rank[r].crowded > worst->crowded ||
            (all->rank[r].crowded == worst->crowded && all->rank[r].bound > worst->bound))
            worst = &all->rank[r];
    const char *threads = getenv("OMP_NUM_THREADS"), *bind = getenv("OMP_PROC_BIND");
    LAM_TRY(find(d, "threads", "%d thread%s a rank on %d of %d cores%s%s%s%s%s%s", worst->threads,
                 worst->threads == 1 ? "" : "s", worst->usable, worst->cores,
                 all->ranks > 1 ? " of " : "", all->ranks > 1 ? worst->host : "",
                 threads ? "; OMP_NUM_THREADS=" : "", threads ? threads : "",
                 bind ? "; OMP_PROC_BIND=" : "", bind ? bind : ""));
    if (worst->crowded)
        blame(d, LAM_WARNED,
              "ranks times threads are more than the cores they may use, and get in each other's "
              "way: start fewer ranks, or set OMP_NUM_THREADS, or mpirun --bind-to none");
    else if (worst->bound)
        blame(d, LAM_WARNED,
              "ranks are bound to fewer cores than the host has: mpirun --bind-to none, or "
              "--map-by slot:PE=N, lets them use more");
    return LAM_OK;
}

// --- speed

// The slowest rank in what value picks.
static const lam_speed *slowest(const doctor *d, bool products) {
    const lam_speed *of = &d->diagnosis->rank[0].speed;
    for (int r = 1; r < d->diagnosis->ranks; r++) {
        const lam_speed *other = &d->diagnosis->rank[r].speed;
        if (products ? other->products < of->products : other->blas < of->blas) of = other;
    }
    return of;
}

// Shares of what registers alone reach, below which something is amiss: products reach two thirds
// and dgemm four fifths of it here; kernels for processors of 2004 a fifth or less.
static const double PRODUCTS_LEAST = 0.35, BLAS_LEAST = 0.35;

static lam_code find_speed(doctor *d) {
    const lam_speed *of = slowest(d, true);
    const char *each = d->diagnosis->ranks > 1 ? ", the slowest rank" : "";
    LAM_TRY(
        find(d, "products",
             "%s: %.0f GFLOP/s in single precision%s; multiply-adds in registers of %d bits reach "
             "%.0f",
             lam_product_name(), of->products / 1e9, each, of->lanes, of->registers / 1e9));
    if (of->products < PRODUCTS_LEAST * of->registers)
        blame(d, LAM_WARNED,
              "products are slow for this processor: see that nothing else works on these cores, "
              "that DNNL_MAX_CPU_ISA is not set, and that the library is oneDNN or a BLAS for this "
              "processor (CMake's LAMINAR_PRODUCT)");
    of = slowest(d, false);
    LAM_TRY(find(d, "blas",
                 "kernels %s: %.1f GFLOP/s in double precision on one thread%s; registers reach "
                 "%.1f",
                 lam_blas_kernels(), of->blas / 1e9, each, of->registers_one / 2e9));
    if (of->blas < BLAS_LEAST * of->registers_one / 2)
        blame(d, LAM_WARNED,
              "BLAS is slow for this processor: see that nothing else works on these cores, unset "
              "OPENBLAS_CORETYPE, or set it to this "
              "processor's, or link a newer OpenBLAS");
    for (int r = 0; r < d->diagnosis->ranks; r++)
        if (d->diagnosis->rank[r].speed.wrong)
            blame(d, LAM_UNWELL,
                  "a product came out wrong: the library or the memory of that host is broken; "
                  "try DNNL_MAX_CPU_ISA=AVX2 and OPENBLAS_CORETYPE=Haswell, and another host");
    double least = INFINITY, speed = INFINITY;
    for (int r = 0; r < d->diagnosis->ranks; r++) {
        least = fmin(least, d->diagnosis->rank[r].room);
        speed = fmin(speed, d->diagnosis->rank[r].speed.memory);
    }
    LAM_TRY(find(d, "memory", "%.1f GB for each rank, %.1f GB/s", least / 1e9, speed / 1e9));
    if (least < 1e9)
        blame(d, LAM_WARNED,
              "that is little: even GPT-2 small takes 0.5 GB of weights; start fewer ranks on a "
              "host, or raise the limit (ulimit -v, the job's memory)");
    return LAM_OK;
}

// --- files

static lam_code find_netcdf(doctor *d) {
    const char *text;
    lam_error why;
    const lam_code code = lam_netcdf_version(&text, d->arena, &why);
    if (code == LAM_MEMORY) return *d->error = why, code;
    LAM_TRY(find(d, "netcdf", "%s", code == LAM_OK ? text : why.text));
    if (code != LAM_OK)
        blame(d, LAM_UNWELL, "install a netCDF library with HDF5 (Debian: libnetcdf19)");
    return LAM_OK;
}

// Free bytes where path is, for those who are not root.
static double room_in(const char *path) {
    struct statvfs info;
    return statvfs(path, &info) == 0 ? (double)info.f_bavail * (double)info.f_frsize : 0;
}

static lam_code find_folder(doctor *d) {
    char path[4096];
    if (!getcwd(path, sizeof path)) snprintf(path, sizeof path, "the current folder");
    LAM_TRY(find(d, "folder", "%.512s: %s%s, %.1f GB free", path,
                 d->probe_error ? "cannot be written: " : "can be written",
                 d->probe_error ? strerror(d->probe_error) : "", room_in(".") / 1e9));
    for (int r = 0; r < d->diagnosis->ranks; r++)
        if (!d->probe_error && !d->diagnosis->rank[r].sees_folder)
            blame(d, LAM_UNWELL,
                  "not all hosts see this folder: results, and what --resume needs, have to lie on "
                  "a file system of all hosts");
    if (d->probe_error)
        blame(d, LAM_UNWELL, "run where you may write, or name a result elsewhere by -o");
    else if (room_in(".") < 1e9)
        blame(d, LAM_WARNED, "make room: unfinished runs keep their states beside the result");
    return LAM_OK;
}

// The nearest folder above a path that is there.
static char *existing(const char *path, lam_arena *arena, lam_error *error) {
    char *copy = lam_arena_text(arena, path, strlen(path), error);
    while (copy && access(copy, F_OK) != 0 && strrchr(copy, '/') > copy) *strrchr(copy, '/') = '\0';
    return copy;
}

static lam_code find_cache(doctor *d) {
    const char *folder;
    lam_error why;
    const lam_code code = lam_cache_folder(NULL, &folder, d->arena, &why);
    if (code == LAM_MEMORY) return *d->error = why, code;
    if (code != LAM_OK) {
        LAM_TRY(find(d, "cache", "none"));
        blame(d, LAM_WARNED, "laminar fetch needs a folder: set LAMINAR_CACHE");
        return LAM_OK;
    }
    const char *there = existing(folder, d->arena, d->error);
    if (!there) return LAM_MEMORY;
    const bool writable = access(there, W_OK) == 0;
    LAM_TRY(find(d, "cache", "%.512s: %s, %.1f GB free", folder,
                 !writable               ? "cannot be written"
                 : strcmp(there, folder) ? "not there yet"
                                         : "can be written",
                 room_in(there) / 1e9));
    if (!writable)
        blame(d, LAM_WARNED, "laminar fetch needs it: set LAMINAR_CACHE to a folder of yours");
    else if (room_in(there) < 10e9)
        blame(d, LAM_WARNED,
              "GPT-2 takes 0.5 GB, Pythia 2.8B 6 GB: set LAMINAR_CACHE to a larger file system");
    return LAM_OK;
}

static lam_code find_gnuplot(doctor *d) {
    const bool there = on_path("gnuplot");
    LAM_TRY(find(d, "gnuplot", "%s", there ? "is on the PATH" : "is not on the PATH"));
    if (!there)
        blame(d, LAM_WARNED,
              "laminar plot needs it (Debian: gnuplot-nox); laminar report does not");
    return LAM_OK;
}

// --- all of it

// Rank 0 leaves a file in the current folder, and all look whether they see it, for two seconds:
// network file systems take a moment.
static lam_code look_for_folder(doctor *d, lam_rank_facts *own) {
    if (d->comm->rank == 0) {
        snprintf(d->probe, sizeof d->probe, "laminar-doctor.%ld.tmp", (long)getpid());
        const int file = open(d->probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        d->probe_error = file < 0 || write(file, "laminar\n", 8) != 8 ? errno : 0;
        if (file >= 0) close(file);
    }
    LAM_TRY(lam_comm_broadcast(d->comm, d->probe, sizeof d->probe, 0, d->error));
    for (int i = 0; i < 40 && !own->sees_folder; i++) {
        own->sees_folder = access(d->probe, F_OK) == 0;
        if (!own->sees_folder && d->comm->rank != 0) usleep(50000);
    }
    return LAM_OK;
}

static lam_code look_at_rank(doctor *d, lam_rank_facts *own) {
    const lam_comm *comm = d->comm;
    const lam_threads threads = lam_threads_set(comm, 0);
    char text[LAM_THREADS_ROOM];
    *own = (lam_rank_facts){.host_ranks = comm->host_ranks,
                            .cores = threads.cores,
                            .usable = threads.usable,
                            .threads = threads.threads,
                            .bound = lam_threads_bound(comm, &threads, text),
                            .crowded = lam_threads_crowded(comm, &threads, text),
                            .room = lam_memory_of(comm).room};
    snprintf(own->host, sizeof own->host, "%s", comm->host);
    // All at once, as in a run.
    return lam_comm_agree(comm, lam_speed_measure(&own->speed, d->error), d->error);
}

// On rank 0.
static lam_code examine(doctor *d) {
    lam_diagnosis *diagnosis = d->diagnosis;
    if (d->comm->rank != 0) return LAM_OK;
    if (!(diagnosis->cpu = lam_cpu_name(d->arena, d->error))) return LAM_MEMORY;
    if (!(diagnosis->features = lam_cpu_features(d->arena, d->error))) return LAM_MEMORY;
    lam_code (*const steps[])(doctor *) = {find_mpi,    find_ranks,  find_threads, find_speed,
                                           find_netcdf, find_folder, find_cache,   find_gnuplot};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) LAM_TRY(steps[i](d));
    return LAM_OK;
}

lam_code lam_diagnose(lam_comm *comm, lam_diagnosis *diagnosis, lam_arena *arena,
                      lam_error *error) {
    doctor d = {.comm = comm, .diagnosis = diagnosis, .arena = arena, .error = error};
    lam_rank_facts own;
    *diagnosis = (lam_diagnosis){.ranks = comm->size};
    diagnosis->rank = lam_arena_alloc(arena, (size_t)comm->size, sizeof *diagnosis->rank, error);
    LAM_TRY(lam_comm_agree(comm, diagnosis->rank ? LAM_OK : LAM_MEMORY, error));
    LAM_TRY(look_at_rank(&d, &own));
    lam_code code = look_for_folder(&d, &own);
    if (code == LAM_OK)
        code = lam_comm_check(MPI_Gather(&own, sizeof own, MPI_BYTE, diagnosis->rank, sizeof own,
                                         MPI_BYTE, 0, comm->mpi),
                              "gathering what ranks found", error);
    if (comm->rank == 0) unlink(d.probe);
    LAM_TRY(code);
    return lam_comm_follow(comm, examine(&d), error);
}
