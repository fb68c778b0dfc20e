#!/usr/bin/env bash
# The result in other programs' hands, and the examples: ncdump and NCO always, the others where they
# are installed. LAMINAR_HANDS=all (tests/hands/check.sh) leaves none out.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/report/result.bash"
examples=$LAMINAR_SOURCE/examples
export seconds=120

small_result demo.nc
# Nine digits of a variable by layer, as laminar has them.
values() {
    "$LAMINAR" info --json demo.nc | awk -v group="$1" -v variable="$2" '
        /^      "name": / { split($0, part, "\""); here = part[4] == group }
        /^          "name": / { split($0, part, "\""); found = here && part[4] == variable }
        /^          \]/ { listed = 0 }
        listed { sub(/,$/, ""); printf "%.9g\n", $1 }
        /^          "values": \[/ { listed = found }'
}
density=$(values sae density)
mse=$(values sae mse)
numbers() { awk '{ for (i = 1; i <= NF; i++) if ($i + 0 == $i) printf "%.9g\n", $i }'; }

# left_out WHAT WHY: whether it may be; with LAMINAR_HANDS=all it is a failure.
left_out() {
    if [ "${LAMINAR_HANDS:-}" = all ]; then fail "$1" "$2"; else echo "left out: $1: $2"; fi
}

# --- ncdump
if command -v ncdump >/dev/null; then
    expect "ncdump: the whole file" ncdump demo.nc
    header=$(ncdump -h demo.nc)
    for group in attention heads rsa sae tuning qkv mlp_fc spectrum; do
        check "ncdump: the group $group" grep -q "^ *group: $group {" <<<"$header"
    done
    same "ncdump: the values" "$density" "$(ncdump -p 9 -g sae -v density demo.nc |
        sed -n '/^  *density = /,/;/p' | tr ',;' '  ' | numbers)"
    # Every variable says what it is; CF forbids missing values of coordinates.
    told=$(awk '/^[ \t]*(byte|int|int64|float|double|string) / {
            name = $2; sub(/\(.*/, "", name); at = $2; gsub(/.*\(|\)/, "", at); seen[++n] = name
            coordinate[n] = at == name }
        $1 == name ":long_name" { long[n] = 1 } $1 == name ":units" { units[n] = 1 }
        $1 == name ":_FillValue" && coordinate[n] { print name ": a coordinate with _FillValue" }
        /^[ \t]*string / { units[n] = 1 }
        END { for (i = 1; i <= n; i++) if (!long[i] || !units[i]) print seen[i] ": not described"
              print (n > 60 ? "all" : "few") }' <<<"$header")
    same "ncdump: every variable is described" all "$told"
else
    left_out ncdump "netcdf-bin is not installed"
fi

# --- NCO, and CDO, which reads no groups, from what NCO takes out of one
if command -v ncks >/dev/null; then
    same "ncks: the values" "$density" \
        "$(ncks --trd -H -C -s '%.9g\n' -g sae -v density demo.nc | numbers)"
    expect "ncwa: a mean over layers" ncwa -O -y avg -a layer -g sae -v mse demo.nc mean.nc
    same "ncwa: the mean" "$(awk '{ s += $1 } END { printf "%.6g", s / NR }' <<<"$mse")" \
        "$(ncks --trd -H -C -s '%.6g\n' -g sae -v mse mean.nc | xargs)"
    expect "ncks: some layers of a group" ncks -O -G : -g sae -d layer,2,5 demo.nc part.nc
    same "ncks: the layers" "2 3 4 5" "$(ncks --trd -H -C -s '%d\n' -v layer part.nc | xargs)"
    expect "ncks: a group by itself" ncks -O -G : -g sae demo.nc sae.nc
    if command -v cdo >/dev/null; then
        expect "cdo sinfo" cdo -s sinfon sae.nc
        check "cdo sinfo: the variables" grep -q " density" "$log/out"
        same "cdo: the values" "$density" "$(cdo -s outputf,%.9g -selname,density sae.nc | numbers)"
    else
        left_out cdo "CDO is not installed (Debian: cdo)"
    fi
    if command -v gnuplot >/dev/null; then
        expect "the example for gnuplot" gnuplot -d -e "result = 'demo.nc'" "$examples/profile.gp"
        same "the example for gnuplot: the mean" \
            "$(awk '{ s += $1 } END { printf "12 layers, mean density %.7g", s / NR }' <<<"$density")" \
            "$(awk '{ printf "%s %s %s %s %.7g", $1, $2, $3, $4, $5 }' "$log/err")"
        check "the example for gnuplot: the picture" grep -q "</svg>" density.svg
    else
        left_out "the example for gnuplot" "gnuplot is not installed (Debian: gnuplot-nox)"
    fi
else
    left_out "ncks, cdo and gnuplot" "NCO is not installed (Debian: nco)"
fi

# --- Python
python=${PYTHON:-$(python_with "xarray, netCDF4")}
if [ -n "$python" ]; then
    expect "the example for xarray" "$python" "$examples/profile.py" demo.nc
    same "the example for xarray: the values" "$(awk '{ printf "%.3f\n", $1 }' <<<"$density")" \
        "$(awk '/^[0-9]+ / { printf "%.3f\n", $2 }' "$log/out")"
    expect "xarray and netCDF4, group by group" "$python" - demo.nc <<'END2'
import sys
import netCDF4
import numpy
import xarray

path, count = sys.argv[1], 0
def walk(group, name):
    global count
    if group.variables and name:
        data = xarray.open_dataset(path, group=name)
        for key, variable in group.variables.items():
            count += 1
            if variable.dtype == str:
                assert list(data[key].values.flat) == list(variable[:].flat), key
                continue
            there = numpy.ma.filled(variable[:].astype(float), numpy.nan)
            given = data[key].values.astype(float)
            assert given.shape == there.shape, key
            assert numpy.array_equal(given, there, equal_nan=True), key
            assert variable.long_name and variable.units == "1", key
            assert all(d in ("layer", "head", "component", *data.dims) for d in variable.dimensions)
    for child, inner in group.groups.items():
        walk(inner, f"{name}/{child}".strip("/"))
file = netCDF4.Dataset(path)
walk(file, "")
assert count > 100, count
assert list(file["component"][:]) == ["Q", "K", "V"]
status = file["tuning/qkv/status"]
assert status.flag_meanings.split()[0] == "fitted" and status.flag_values[0] == 0
if hasattr(xarray, "open_datatree"):
    tree = xarray.open_datatree(path)
    assert {"/sae", "/tuning/qkv"} <= set(tree.groups)
    assert (tree["tuning/qkv"].layer.values == numpy.arange(12)).all()
END2
else
    left_out "xarray, netCDF4" "not installed for python3 (pip install xarray netCDF4)"
fi

# --- R
if command -v Rscript >/dev/null && Rscript -e 'library(ncdf4)' >/dev/null 2>&1; then
    expect "the example for R" Rscript "$examples/profile.R" demo.nc figure.pdf
    same "the example for R: the values" "$(awk '{ printf "%.7f\n", $1 }' <<<"$density")" \
        "$(awk 'NF == 3 && $1 + 0 == $1 { printf "%.7f\n", $2 }' "$log/out")"
    check "the example for R: the picture" grep -q "^%PDF" figure.pdf
else
    left_out R "R with ncdf4 is not installed (Debian: r-cran-ncdf4)"
fi
[ -z "${LAMINAR_HANDS_KEEP:-}" ] || cp demo.nc "$LAMINAR_HANDS_KEEP"
