#ifndef LAM_NETCDF_VERSION_H
#define LAM_NETCDF_VERSION_H

#include "src/arena.h"
#include "src/error.h"

// *text becomes "netCDF 4.9.0, HDF5 1.10.8", by a netCDF-4 file that is made in memory. Owned by
// arena. LAM_IO where netCDF cannot make one (a library without HDF5), LAM_MEMORY.
LAM_CHECKED lam_code lam_netcdf_version(const char **text, lam_arena *arena, lam_error *error);

#endif
