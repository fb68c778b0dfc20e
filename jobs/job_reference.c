#include "jobs/job_reference.h"

#include "jobs/arguments.h"
#include "jobs/job.h"

void lam_job_reference(FILE *out) {
    fputs("Keys of a job file (YAML), with what they take and their defaults. A whole number may "
          "be\nwritten 64k or 2M, a time 30s, 5m or 1h; paths are relative to the file's folder.\n",
          out);
    lam_help_keys(out, "At the top, for the whole run", lam_global_options);
    lam_help_keys(out, "Of the text, at the top for all sections or in one for itself",
                  lam_input_options);
    for (const lam_profile *const *p = lam_profiles; *p; p++) {
        char title[256];
        snprintf(title, sizeof title, "Section %s: %s", (*p)->name, (*p)->summary);
        lam_help_keys(out, title, (*p)->options);
    }
}
