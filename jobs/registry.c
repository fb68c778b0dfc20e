#include "jobs/profile.h"

const lam_profile *const lam_profiles[] = {&lam_profile_sae, NULL};
