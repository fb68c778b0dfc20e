// Makes one fallible call of a run fail, for tests/fault/inject.sh: linked before what laminar
// calls (ld's --wrap), so that the program itself knows nothing of it.
//
// LAMINAR_FAULT=RANK:PLACE: on that rank, the first call from that place in the program fails as it
// would by itself, and a line to standard error says which it was. LAMINAR_FAULT=RANK:FILE: none
// fails; the file gets a line for each place in the program that calls, "PLACE NAME".
//
// LAMINAR_FAULT_SLOW=SECONDS: eigenvalues take so much longer.
//
// What threads other than the first do is left alone, as it comes at no fixed time.
#include "src/arena.h"
#include "src/product.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <netcdf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int descriptor, const void *from, size_t count);

enum { MOST_PLACES = 4096 };

static struct {
    bool begun, counts, fails, done;
    long wanted;
    pthread_t thread;
    int file;
    size_t places;
    long place[MOST_PLACES];
} fault;

static void begin(void) {
    const char *text = getenv("LAMINAR_FAULT"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    const char *what = text ? strchr(text, ':') : NULL;
    char *end;
    fault.begun = true;
    fault.thread = pthread_self();
    if (!what || atoi(text) != (rank ? atoi(rank) : 0)) return;
    fault.wanted = strtol(++what, &end, 10);
    fault.fails = end > what && !*end;
    fault.counts = !fault.fails;
    if (fault.counts) fault.file = __real_open(what, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
}

static void note(const char *name, long place) {
    char line[128];
    for (size_t i = 0; i < fault.places; i++)
        if (fault.place[i] == place) return;
    if (fault.places == MOST_PLACES) return;
    fault.place[fault.places++] = place;
    int length = snprintf(line, sizeof line, "%ld %s\n", place, name);
    if (__real_write(fault.file, line, (size_t)length) != length) abort();
}

// Whether this call is the one that fails. Places are told by how far they lie from this function,
// as the program is never loaded to the same address.
static bool fails(const char *name, void *from) {
    const long place = (long)((intptr_t)from - (intptr_t)&fails);
    if (!fault.begun) begin();
    if ((!fault.counts && !fault.fails) || !pthread_equal(fault.thread, pthread_self()))
        return false;
    if (fault.counts) note(name, place);
    if (!fault.fails || fault.done || place != fault.wanted) return false;
    fault.done = true;
    fprintf(stderr, "fault: %s\n", name);
    return true;
}

// WRAP(RESULT, NAME, (PARAMETERS), (ARGUMENTS), ERRNO, FAILED)
#define WRAP(result, name, parameters, arguments, number, failed)                                  \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters {                                                              \
        if (!fails(#name, __builtin_return_address(0))) return __real_##name arguments;            \
        errno = number;                                                                            \
        return failed;                                                                             \
    }

WRAP(void *, malloc, (size_t n), (n), ENOMEM, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), ENOMEM, NULL)
WRAP(char *, strdup, (const char *s), (s), ENOMEM, NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), ENOMEM, NULL)
WRAP(FILE *, open_memstream, (char **p, size_t *n), (p, n), ENOMEM, NULL)
WRAP(void *, mmap, (void *a, size_t n, int p, int f, int d, off_t o), (a, n, p, f, d, o), ENOMEM,
     MAP_FAILED)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *x),
     (t, a, run, x), EAGAIN, EAGAIN)

WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), EACCES, NULL)
WRAP(ssize_t, pread, (int d, void *to, size_t n, off_t at), (d, to, n, at), EIO, -1)
WRAP(ssize_t, read, (int d, void *to, size_t n), (d, to, n), EIO, -1)
WRAP(ssize_t, write, (int d, const void *from, size_t n), (d, from, n), ENOSPC, -1)
WRAP(int, fsync, (int d), (d), EIO, -1)
WRAP(int, fstat, (int d, struct stat *s), (d, s), EIO, -1)
WRAP(int, stat, (const char *path, struct stat *s), (path, s), EACCES, -1)
WRAP(int, lstat, (const char *path, struct stat *s), (path, s), EACCES, -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), EIO, -1)
WRAP(int, unlink, (const char *path), (path), EIO, -1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC, -1)
WRAP(DIR *, opendir, (const char *path), (path), EACCES, NULL)
WRAP(char *, realpath, (const char *path, char *to), (path, to), EACCES, NULL)

void __real_dsyevd_(const char *job, const char *half, const int *n, double *a, const int *stride,
                    double *values, double *work, const int *size, int *integers,
                    const int *integer_size, int *info);
void __wrap_dsyevd_(const char *job, const char *half, const int *n, double *a, const int *stride,
                    double *values, double *work, const int *size, int *integers,
                    const int *integer_size, int *info);
void __wrap_dsyevd_(const char *job, const char *half, const int *n, double *a, const int *stride,
                    double *values, double *work, const int *size, int *integers,
                    const int *integer_size, int *info) {
    const char *slow = getenv("LAMINAR_FAULT_SLOW");
    if (slow) sleep((unsigned)atoi(slow));
    __real_dsyevd_(job, half, n, a, stride, values, work, size, integers, integer_size, info);
}

// What ferror asks for is set as glibc sets it.
size_t __real_fread(void *to, size_t size, size_t n, FILE *file);
size_t __wrap_fread(void *to, size_t size, size_t n, FILE *file);
size_t __wrap_fread(void *to, size_t size, size_t n, FILE *file) {
    if (!fails("fread", __builtin_return_address(0))) return __real_fread(to, size, n, file);
    file->_flags |= 0x20;
    errno = EIO;
    return 0;
}

// The file is closed all the same, as on a network file system that finds its disk full.
int __real_close(int d);
int __wrap_close(int d);
int __wrap_close(int d) {
    const bool failed = fails("close", __builtin_return_address(0));
    const int result = __real_close(d);
    if (failed) errno = ENOSPC;
    return failed ? -1 : result;
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (!fails("open", __builtin_return_address(0))) return __real_open(path, flags, mode);
    errno = flags & O_CREAT ? ENOSPC : EACCES;
    return -1;
}

WRAP(int, nc_put_var, (int n, int v, const void *p), (n, v, p), 0, NC_EHDFERR)
WRAP(int, nc_def_var, (int n, const char *name, nc_type t, int d, const int *i, int *v),
     (n, name, t, d, i, v), 0, NC_ENOMEM)
WRAP(int, nc_def_grp, (int n, const char *name, int *g), (n, name, g), 0, NC_ENOMEM)
WRAP(int, nc_put_att_text, (int n, int v, const char *name, size_t l, const char *t),
     (n, v, name, l, t), 0, NC_EHDFERR)

WRAP(lam_code, lam_product_block, (const lam_product *p), (p), 0, LAM_MEMORY)

void *__real_lam_arena_alloc(lam_arena *arena, size_t count, size_t size, lam_error *error);
void *__wrap_lam_arena_alloc(lam_arena *arena, size_t count, size_t size, lam_error *error);
void *__wrap_lam_arena_alloc(lam_arena *arena, size_t count, size_t size, lam_error *error) {
    if (!fails("lam_arena_alloc", __builtin_return_address(0)))
        return __real_lam_arena_alloc(arena, count, size, error);
    lam_fail(error, LAM_MEMORY, "memory was refused");
    return NULL;
}

WRAP(int, MPI_Bcast, (void *p, int n, MPI_Datatype t, int r, MPI_Comm c), (p, n, t, r, c), 0,
     MPI_ERR_OTHER)
WRAP(int, MPI_Allreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c),
     (s, r, n, t, o, c), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Allgather,
     (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c),
     (s, n, t, r, m, u, c), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Send, (const void *p, int n, MPI_Datatype t, int r, int g, MPI_Comm c),
     (p, n, t, r, g, c), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Recv, (void *p, int n, MPI_Datatype t, int r, int g, MPI_Comm c, MPI_Status *s),
     (p, n, t, r, g, c, s), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Isend,
     (const void *p, int n, MPI_Datatype t, int r, int g, MPI_Comm c, MPI_Request *q),
     (p, n, t, r, g, c, q), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Irecv, (void *p, int n, MPI_Datatype t, int r, int g, MPI_Comm c, MPI_Request *q),
     (p, n, t, r, g, c, q), 0, MPI_ERR_OTHER)
WRAP(int, MPI_Wait, (MPI_Request * q, MPI_Status *s), (q, s), 0, MPI_ERR_OTHER)
