// The subcommands. Each parses what follows its name and returns what the process ends with; errors
// are printed by main.
#ifndef LAM_COMMANDS_H
#define LAM_COMMANDS_H

#include "jobs/profile.h"
#include "src/error.h"

#include <stdbool.h>

// One rank each; MPI is not started, but by plan.
LAM_CHECKED lam_code lam_command_compare(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_fetch(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_info(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_plan(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_plot(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_report(int argc, const char *const *argv, lam_error *error);
LAM_CHECKED lam_code lam_command_synth(int argc, const char *const *argv, lam_error *error);

// One rank; with a dump, all ranks, MPI included from start to end: all return the same code.
// *speaks: whether this rank prints the error.
LAM_CHECKED lam_code lam_command_tokenize(int argc, const char *const *argv, bool *speaks,
                                          lam_error *error);

// Collective over all ranks, MPI included from start to end. *speaks: as above.
LAM_CHECKED lam_code lam_command_doctor(int argc, const char *const *argv, bool *speaks,
                                        lam_error *error);

// Collective over all ranks, MPI included from start to end: all return the same code. profile
// NULL: "laminar sweep JOB.yaml"; else "laminar PROFILE ...". *speaks: whether this rank prints the
// error.
LAM_CHECKED lam_code lam_command_run(const lam_profile *profile, int argc, const char *const *argv,
                                     bool *speaks, lam_error *error);

#endif
