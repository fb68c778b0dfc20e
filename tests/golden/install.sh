#!/usr/bin/env bash
# laminar installed into a folder, and its Debian package: what is in them, and that they run from there.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
build=$(dirname "$LAMINAR")

# runs NAME PREFIX: the demo's job from the examples that are installed, by the program that is, shortened.
runs() {
    local examples=$2/share/doc/laminar-profile/examples
    cp -r "$examples/demo" "demo-$1"
    seconds=60 expect "$1: runs" "$2/bin/laminar" sweep "demo-$1/demo.yaml" --set sequences=1 --set length=32 \
        --set rsa.permutations=0 --set rsa.bootstraps=0 --set sae.epochs=1 --set sae.latents=16 \
        --set tuning.before=3 --set tuning.after=1 --set spectrum.before=3 --set spectrum.after=1
    check "$1: the result is whole" "$2/bin/laminar" info -q "demo-$1/demo.nc"
    same "$1: the values" "${values:-$(digest "demo-$1/demo.nc")}" "$(digest "demo-$1/demo.nc")"
    values=$(digest "demo-$1/demo.nc")
}
# holds NAME PREFIX ENDING: what a user looks for; manual pages have that ending.
holds() {
    local file
    for file in bin/laminar "share/man/man1/laminar.1$3" "share/man/man5/laminar-job.5$3" share/bash-completion/completions/laminar \
        share/zsh/site-functions/_laminar share/doc/laminar-profile/README.md share/laminar/slurm/README.md share/laminar/slurm/sweep.sbatch \
        share/doc/laminar-profile/examples/profile.py share/doc/laminar-profile/examples/standard.yaml; do
        check "$1: $file" test -s "$2/$file"
    done
    equal "$1: nothing of the build's folder is in it" "" "$(grep -rlF "$build" "$2" | head -n 3)"
}
equal() { # as same, but both may be empty
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "'$2' and '$3'"; fi
}

prepare cmake --install "$build" --prefix "$PWD/first"
mv first moved
holds "installed" moved ""
runs "installed" "$PWD/moved"
if command -v man >/dev/null; then
    check "installed: man finds its pages" bash -c 'man -M moved/share/man laminar-job | grep -q learning_rate'
fi

# --- completion, as the shells ask for it
# completed WORDS...: what bash offers for the last word of laminar's line.
completed() {
    PATH=$PWD/moved/bin:$PATH bash -c 'compopt() { :; }
        . moved/share/bash-completion/completions/laminar
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _laminar; printf "%s\n" "${COMPREPLY[@]}"' bash laminar "$@" | sort | xargs
}
# completes SHELL COMMAND: what it offers, by that command.
completes() {
    same "$1: a command" "sae spectrum sweep synth" "$($2 s)"
    same "$1: an option" "--learning-rate --length" "$($2 sae --le)"
    same "$1: a choice" "topk" "$($2 sae --kind to)"
    same "$1: a mode" "published standard" "$($2 sae --mode '')"
    same "$1: a file" "demo-installed" "$($2 info demo-)"
    same "$1: help" "doctor" "$($2 doc)"
    equal "$1: no such command" "" "$($2 nothing)"
}
completes bash completed
# As a user of zsh has it, on a terminal of its own.
completed_by_zsh() {
    PATH=$PWD/moved/bin:$PATH timeout 30 zsh -f "$LAMINAR_SOURCE/tests/golden/completed.zsh" \
        "$PWD/moved/share/zsh/site-functions" "laminar $*"
}
if command -v zsh >/dev/null; then
    completes zsh completed_by_zsh
else
    echo "left out: zsh, which is not on the PATH"
fi

# --- the Debian package
if ! command -v dpkg-shlibdeps >/dev/null; then
    echo "left out: the Debian package, for want of dpkg-dev"
    exit
fi
prepare cpack --config "$build/CPackConfig.cmake" -B "$PWD/packed"
package=$(echo packed/laminar-profile_*_*.deb)
check "the package is there" test -s "$package"
prepare dpkg-deb -x "$package" tree
holds "package" tree/usr .gz
runs "package" "$PWD/tree/usr"
field() { dpkg-deb -f "$package" "$1"; }
same "package: its name" laminar-profile "$(field Package)"
for library in libnetcdf libopenmpi libdnnl libopenblas libscalapack-openmpi libc6; do
    check "package: depends on $library" grep -Eq "(^|, )$library" <(field Depends)
done
equal "package: no conflict with what it has no file of" "" "$(field Conflicts)$(field Replaces)"
equal "package: no file of the package laminar" "" \
    "$(dpkg-deb -c "$package" | grep -E '/(laminarc|laminard)|/doc/laminar/|/etc/')"
equal "package: no path to libraries" "" "$(readelf -d tree/usr/bin/laminar | grep -E 'RPATH|RUNPATH')"
check "package: the other laminar's completion" test ! -e tree/usr/share/bash-completion/completions/laminarc
if command -v lintian >/dev/null; then
    # It is not for Debian's archive: no maintainer's address, no history there.
    equal "package: lintian" "" "$(lintian --allow-root --no-tag-display-limit --fail-on none "$package" 2>/dev/null |
        grep '^E:' | grep -v 'malformed-contact\|debian-changelog-file-missing')"
else
    echo "left out: lintian, which is not on the PATH"
fi
