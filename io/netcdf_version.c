#include "io/netcdf_version.h"

#include <netcdf.h>
#include <string.h>

// The provenance that netCDF gives to each file: "version=2,netcdf=4.9.0,hdf5=1.10.8".
static int provenance_of(char text[256]) {
    int file;
    size_t length = 0;
    int status = nc_create("versions.nc", NC_NETCDF4 | NC_DISKLESS, &file);
    if (status) return status;
    status = nc_inq_attlen(file, NC_GLOBAL, "_NCProperties", &length);
    if (!status && length < 256)
        status = nc_get_att_text(file, NC_GLOBAL, "_NCProperties", text);
    else
        length = 0;
    text[length] = '\0';
    nc_close(file);
    return status;
}

lam_code lam_netcdf_version(const char **text, lam_arena *arena, lam_error *error) {
    char about[256] = "";
    const int status = provenance_of(about);
    if (status)
        return lam_fail(error, LAM_IO, "netCDF cannot make a file of its format 4: %s",
                        nc_strerror(status));
    const char *hdf5 = strstr(about, "hdf5=");
    const char *library = nc_inq_libvers();
    *text = lam_arena_format(arena, error, "netCDF %.*s, HDF5 %.*s", (int)strcspn(library, " "),
                             library, hdf5 ? (int)strcspn(hdf5 + 5, ",|") : 7,
                             hdf5 ? hdf5 + 5 : "unknown");
    return *text ? LAM_OK : LAM_MEMORY;
}
