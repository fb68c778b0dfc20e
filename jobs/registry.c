#include "jobs/profile.h"

const lam_profile *const lam_profiles[] = {&lam_profile_attention,
                                           &lam_profile_heads,
                                           &lam_profile_rsa,
                                           &lam_profile_sae,
                                           &lam_profile_tuning,
                                           &lam_profile_spectrum,
                                           NULL};
