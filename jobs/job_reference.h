// Every key of a job file: what laminar-job(5) and 'laminar help job' are made of.
#ifndef LAM_JOB_REFERENCE_H
#define LAM_JOB_REFERENCE_H

#include <stdio.h>

// Prints each section's keys with type, range, default and meaning, from the option tables.
void lam_job_reference(FILE *out);

#endif
