#!/usr/bin/env bash
# Installs those of laminar's Debian packages that are missing; says nothing where none is.
#   bash install-packages.sh [build | test | cluster | thread | browser | hands]
# build: to build and run. test: to run the tests as well. thread: for the preset tsan, too.
# cluster: a Slurm and network hosts, for the tests that make some on this machine.
# browser: a Chromium, in which the tests open the report. hands: CDO, R and xarray, in which they open the result.
set -euo pipefail

packages=(gcc libc6-dev make cmake pkgconf openmpi-bin libopenmpi-dev libdnnl-dev libnetcdf-dev
          libcurl4-openssl-dev libxml2-dev libjansson-dev libyaml-dev libutf8proc-dev libssl-dev
          libopenblas-dev libscalapack-openmpi-dev gnuplot-nox)
tests=(libcmocka-dev libbz2-dev clang-format-14 netcdf-bin nco python3 python3-pil openssl
       man-db mandoc dpkg-dev binutils zsh)
case ${1:-build} in
build) ;;
test) packages+=("${tests[@]}") ;;
cluster) packages=(slurmctld slurmd slurm-client munge iproute2) ;;
browser) packages=(chromium) ;;
hands) packages=(cdo nco netcdf-bin gnuplot-nox r-cran-ncdf4 python3-xarray python3-netcdf4 python3-venv) ;;
thread) packages+=("${tests[@]}" clang-14 libomp-14-dev) ;;
*)
    echo "install-packages.sh: unknown set \"$1\": build, test, cluster, thread, browser or hands" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "install-packages.sh: not a Debian system; what is missing, CMake will name" >&2
    exit 0
fi
installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${packages[@]}" 2>/dev/null || true)"
missing=()
for package in "${packages[@]}"; do
    [[ $installed == *" installed:$package "* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=(env)
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-packages.sh: packages are missing, and without root or sudo they cannot be" \
             "installed. Have someone run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo env)
fi
echo "Installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null >>"$log" 2>&1
}
apt update || true # a broken list of another source need not stop us
if ! apt install -y --no-remove --no-install-recommends "${missing[@]}"; then
    tail -n 20 "$log" >&2
    echo "install-packages.sh: apt-get could not install ${missing[*]}" >&2
    exit 1
fi
