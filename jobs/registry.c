#include "jobs/profile.h"

extern const lam_profile lam_profile_sae;

const lam_profile *const lam_profiles[] = {&lam_profile_sae, NULL};
