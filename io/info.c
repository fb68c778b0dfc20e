#include "io/info.h"

#include "io/info_parts.h"
#include "io/result_hash.h"

#include <string.h>

typedef lam_code (*printer)(const lam_result_file *file, const lam_info_digest *digest, FILE *out,
                            lam_error *error);

static lam_code print_opened(const lam_result_file *file, printer print, FILE *out,
                             lam_error *error) {
    const lam_attribute *stored = lam_result_attribute(file, "profile_sha256");
    lam_info_digest digest = {.stored = stored && stored->text ? stored->text : ""};
    LAM_TRY(lam_result_hash_opened(file, digest.computed, error));
    digest.verified = strcmp(digest.stored, digest.computed) == 0;
    LAM_TRY(print(file, &digest, out, error));
    if (fflush(out) != 0 || ferror(out))
        return lam_fail(error, LAM_IO, "what there is to say of %s could not be printed",
                        file->path);
    if (!digest.verified)
        return lam_fail(error, LAM_INPUT,
                        "the values of %s are not those it was written with (profile_sha256): "
                        "run its job again",
                        file->path);
    return LAM_OK;
}

static lam_code inform(const char *path, printer print, FILE *out, lam_error *error) {
    lam_result_file file;
    lam_code code = lam_result_open(path, &file, error);
    if (code == LAM_OK) code = print_opened(&file, print, out, error);
    lam_result_close(&file);
    return code;
}

lam_code lam_info_result(const char *path, FILE *out, lam_error *error) {
    return inform(path, lam_info_print, out, error);
}

lam_code lam_info_result_json(const char *path, FILE *out, lam_error *error) {
    return inform(path, lam_info_print_json, out, error);
}
