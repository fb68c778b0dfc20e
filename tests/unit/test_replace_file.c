// Results appear whole or not at all, and what prevents them is said in one line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/replace_file.h"
#include "result_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

static void test_a_reader_keeps_the_old_file(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    int old, now, variable;
    double was = 0, is = 0;
    const size_t at = 3;
    assert_int_equal(nc_open(here->path, NC_NOWRITE, &old), NC_NOERR);
    double *mse = here->made.groups[1].data[1];
    double before = mse[3];
    mse[3] = before + 1;
    write_well(here->path, &here->made.result);
    int group = group_id(old, "sae");
    assert_int_equal(nc_inq_varid(group, "mse", &variable), NC_NOERR);
    assert_int_equal(nc_get_var1_double(group, variable, &at, &was), NC_NOERR);
    assert_true(was == before);
    assert_int_equal(nc_open(here->path, NC_NOWRITE, &now), NC_NOERR);
    group = group_id(now, "sae");
    assert_int_equal(nc_get_var1_double(group, variable, &at, &is), NC_NOERR);
    assert_true(is == before + 1);
    nc_close(old);
    nc_close(now);
    assert_int_equal(files_in(here->folder), 1);
}

static void test_a_link_is_followed(void **state) {
    scene *here = *state;
    char link[4200];
    snprintf(link, sizeof link, "%s/link.nc", here->folder);
    write_well(here->path, &here->made.result);
    assert_int_equal(symlink("result.nc", link), 0);
    struct stat before, after, itself;
    assert_int_equal(stat(here->path, &before), 0);
    write_well(link, &here->made.result);
    assert_int_equal(stat(here->path, &after), 0);
    assert_int_equal(lstat(link, &itself), 0);
    assert_true(S_ISLNK(itself.st_mode));
    assert_true(before.st_ino != after.st_ino);
}

// Expects neither a check nor a write to succeed, in one line that has why in it, and nothing on
// standard error, where HDF5 would print its stack.
static void refuse_to_write(const lam_result *result, const char *path, const char *why) {
    for (int write = 0; write < 2; write++) {
        lam_error error = {0};
        assert_int_equal(write ? lam_result_write(path, result, &error)
                               : lam_result_check_output(path, &error),
                         LAM_IO);
        if (!strstr(error.text, why) || strchr(error.text, '\n')) fail_msg("%s", error.text);
        if (*path && !strstr(error.text, path)) fail_msg("%s", error.text);
    }
}

static void test_places_that_take_no_file(void **state) {
    scene *here = *state;
    const lam_result *result = &here->made.result;
    char path[5000];
    snprintf(path, sizeof path, "%s/none/result.nc", here->folder);
    refuse_to_write(result, path, "its folder does not exist");
    refuse_to_write(result, here->folder, "is a folder");
    snprintf(path, sizeof path, "%s/", here->folder);
    refuse_to_write(result, path, "is a folder's name");
    refuse_to_write(result, "", "empty");
    refuse_to_write(result, "/dev/null", "is not a file that can be replaced");
    refuse_to_write(result, "/proc/laminar.nc", "cannot be written");
    snprintf(path, sizeof path, "%s/%0300d.nc", here->folder, 1);
    refuse_to_write(result, path, "too long");
    assert_int_equal(files_in(here->folder), 0);
    write_well(here->path, result);
    snprintf(path, sizeof path, "%s/result.nc", here->path);
    refuse_to_write(result, path, "what should be its folder is a file");
    assert_int_equal(files_in(here->folder), 1);
    if (geteuid() == 0) {
        print_message("root writes everywhere: folders without permission are not tried\n");
        return;
    }
    assert_int_equal(chmod(here->path, 0400), 0);
    refuse_to_write(result, here->path, "write-protected");
    assert_int_equal(chmod(here->folder, 0500), 0);
    snprintf(path, sizeof path, "%s/other.nc", here->folder);
    refuse_to_write(result, path, "not writable for this user");
    assert_int_equal(chmod(here->folder, 0700), 0);
}

static void test_check_leaves_nothing(void **state) {
    scene *here = *state;
    lam_error error = {0};
    assert_int_equal(lam_result_check_output(here->path, &error), LAM_OK);
    assert_int_equal(files_in(here->folder), 0);
    write_well(here->path, &here->made.result);
    assert_int_equal(lam_result_check_output(here->path, &error), LAM_OK);
    assert_int_equal(files_in(here->folder), 1);
}

// A name mistyped after -o must not cost a job file.
static void test_check_spares_other_files(void **state) {
    scene *here = *state;
    lam_error error = {0};
    FILE *file = fopen(here->path, "w");
    assert_non_null(file);
    fputs("model: gpt2\n", file);
    fclose(file);
    assert_int_equal(lam_result_check_output(here->path, &error), LAM_IO);
    assert_non_null(strstr(error.text, "is no netCDF file"));
    assert_int_equal(truncate(here->path, 0), 0);
    assert_int_equal(lam_result_check_output(here->path, &error), LAM_OK);
}

// Runs part in a process of its own, with standard error to a file that must stay empty; its exit
// status, or 77 where the system does not allow what it needs.
static int in_child(scene *here, int (*part)(scene *)) {
    char errors[4200];
    snprintf(errors, sizeof errors, "%s.errors", here->folder);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int file = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(file, 2);
        exit(part(here));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    struct stat printed;
    assert_int_equal(stat(errors, &printed), 0);
    if (printed.st_size) {
        char command[5000];
        snprintf(command, sizeof command, "cat '%s'", errors);
        assert_int_equal(system(command), 0);
        fail_msg("%lld bytes on standard error", (long long)printed.st_size);
    }
    unlink(errors);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int write_over_limit(scene *here) {
    lam_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {100000, 100000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    lam_code code = lam_result_write(here->path, &here->made.result, &error);
    return code == LAM_IO && strstr(error.text, "ulimit -f") && strstr(error.text, here->path) ? 0
                                                                                               : 1;
}

static void test_file_size_limit(void **state) {
    scene *here = *state;
    lam_error error = {0};
    assert_int_equal(lam_replace_file(here->path, "old", 3, &error), LAM_OK);
    assert_int_equal(in_child(here, write_over_limit), 0);
    assert_int_equal(files_in(here->folder), 1);
    struct stat status;
    assert_int_equal(stat(here->path, &status), 0);
    assert_int_equal(status.st_size, 3);
}

// On file systems of its own of many sizes, so that the disk is full at every stage.
static int write_to_full_disks(scene *here) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return 77;
    for (int kilobytes = 8; kilobytes <= 512; kilobytes *= 4) {
        char size[32];
        snprintf(size, sizeof size, "size=%dk", kilobytes);
        if (mount("tmpfs", here->folder, "tmpfs", 0, size) != 0) return 77;
        lam_error error = {0};
        lam_code code = lam_result_write(here->path, &here->made.result, &error);
        bool told = strstr(error.text, "the disk is full") && strstr(error.text, here->path);
        if (code != LAM_IO || !told || files_in(here->folder) != 0) return 1;
        if (umount(here->folder) != 0) return 2;
    }
    return 0;
}

static void test_full_disk(void **state) {
    int status = in_child(*state, write_to_full_disks);
    if (status == 77) {
        print_message("this user may not mount a small file system to fill\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static int write_to_read_only_disk(scene *here) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", here->folder, "tmpfs", MS_RDONLY, NULL) != 0)
        return 77;
    lam_error error = {0};
    return lam_result_check_output(here->path, &error) == LAM_IO &&
                   strstr(error.text, "read-only file system")
               ? 0
               : 1;
}

static void test_read_only_disk(void **state) {
    int status = in_child(*state, write_to_read_only_disk);
    if (status == 77) {
        print_message("this user may not mount a file system to be read only\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static volatile sig_atomic_t ticks;

static void tick(int number) {
    (void)number;
    ticks++;
}

// Signals whose handlers return, as at a time limit, interrupt system calls without harm.
static int write_under_signals(scene *here) {
    const struct sigaction action = {.sa_handler = tick};
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    lam_error error = {0};
    lam_code code = LAM_OK;
    for (int i = 0; i < 5 && code == LAM_OK; i++)
        code = lam_result_write(here->path, &here->made.result, &error);
    setitimer(ITIMER_REAL, &never, NULL);
    return code == LAM_OK && ticks > 0 && files_in(here->folder) == 1 ? 0 : 1;
}

static void test_signals(void **state) {
    scene *here = *state;
    assert_int_equal(in_child(here, write_under_signals), 0);
    char whole[LAM_SHA256_TEXT], read[LAM_SHA256_TEXT];
    lam_error error = {0};
    digest_of(&here->made.result, whole);
    assert_int_equal(lam_result_hash_file(here->path, read, &error), LAM_OK);
    assert_string_equal(read, whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_reader_keeps_the_old_file),
        TEST(test_a_link_is_followed),
        TEST(test_places_that_take_no_file),
        TEST(test_check_leaves_nothing),
        TEST(test_check_spares_other_files),
        TEST(test_file_size_limit),
        TEST(test_full_disk),
        TEST(test_read_only_disk),
        TEST(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
