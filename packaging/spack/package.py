# Copyright the laminar authors
# SPDX-License-Identifier: Apache-2.0

# Spack 1.0 and later; before it, spack.package had CMakePackage, and this line has to go.
from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class LaminarProfile(CMakePackage):
    """Profiles of every layer of a GPT-2 or Pythia (GPT-NeoX) language model, by MPI."""

    license("Apache-2.0")

    # From a clone of the repository: spack dev-build laminar-profile@main
    version("main", branch="main")

    variant("onednn", default=True, description="oneDNN for matrix products; else the BLAS")
    variant("gnuplot", default=True, description="For laminar plot")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("onednn", when="+onednn")
    depends_on("openblas")
    depends_on("scalapack")
    depends_on("netcdf-c~parallel-netcdf")
    depends_on("curl")
    depends_on("libxml2")
    depends_on("jansson")
    depends_on("libyaml")
    depends_on("utf8proc")
    depends_on("openssl")
    depends_on("gnuplot", when="+gnuplot", type="run")

    def cmake_args(self):
        return [
            self.define("LAMINAR_PRODUCT", "onednn" if "+onednn" in self.spec else "cblas"),
            self.define("LAMINAR_CBLAS", "openblas"),
            self.define("LAMINAR_SCALAPACK", "scalapack"),
        ]
