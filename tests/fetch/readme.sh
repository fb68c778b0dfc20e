#!/usr/bin/env bash
# Every command of README.md is run, in its order, by a laminar that was installed into a folder: against servers that play
# the real ones, and with what is too large or would install packages replaced, each replacement by name. A command that
# is neither run as it stands nor replaced here fails the test.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
need_mpirun
models=$work/models
mkdir "$models"
tiny_model "$models/gpt2" gpt2:2x32x2:4096:64
serve "$models"
build=$(dirname "$LAMINAR")
# What the lines speak of, as it lies in a clone; and a home.
mkdir jobs && cp -r "$demo" jobs/
export HOME=$work/home PATH=$work/home/.local/bin:$PATH
mkdir "$HOME"

# What is run for a command of README.md; nothing for one that is unknown. "as it stands" is said by the command itself.
# The page and the text that the server plays are short: 2 sequences of 32 tokens where the real ones have 10 of 1,024.
short="--sequences 2 --length 32"
stand_in() {
    case $1 in
    # They install packages and build, which tests/run.sh did before it came here: what they would run is read, and the
    # demo's job is run, shortened.
    "bash jobs/demo.sh") echo "bash -n $LAMINAR_SOURCE/jobs/demo.sh && laminar sweep jobs/demo/demo.yaml --set sequences=1 \
        --set length=64 --set sae.epochs=1 --set rsa.permutations=10 --set rsa.bootstraps=10 && laminar report jobs/demo/demo.nc -o jobs/demo/demo.html" ;;
    "bash tests/run.sh") echo "bash -n $LAMINAR_SOURCE/tests/run.sh" ;;
    "tests/saelens/check.sh" | "tests/hands/check.sh") echo "bash -n $LAMINAR_SOURCE/$1" ;;
    # The same preset has built the laminar that is tested.
    "cmake --preset release && cmake --build --preset release") echo "cmake -S $LAMINAR_SOURCE --list-presets | grep -q release" ;;
    "cmake --install build/release --prefix ~/.local") echo "cmake --install $build --prefix $HOME/.local" ;;
    "man -l build/release/"*) echo "man -l $build/${1##*/} | grep -q laminar" ;;
    "man laminar"*) echo "man -M $HOME/.local/share/man ${1#man } | grep -q laminar" ;;
    # Shapes and texts.
    "laminar synth gpt2-large DIR" | "laminar synth gpt2-large large --tokenizer models/gpt2") echo "rm -rf large && laminar synth gpt2:2x32x2:4096:64 large --tokenizer models/gpt2" ;;
    "laminar fetch text https://dumps.wikimedia.org/"*) echo "laminar fetch text $main/dump/${1##*/}" ;;
    *" laminar tokenize fo.yaml "*) echo "${1/--sample 1000/--sample 2}" ;;
    *" laminar sae "*" --text fo.npy "*) echo "$1 --length 16 --epochs 1 --latents 16" ;;
    *" laminar attention "*" --text led.yaml "*) echo "$1 $short" ;;
    *" laminar sweep job.yaml "*) echo "$1 --set sequences=2 --set length=32 --set sae.epochs=1 --set sae.latents=16 --set rsa.permutations=10 --set rsa.bootstraps=10" ;;
    "laminar plan job.yaml "*) echo "$1 --untimed --set sequences=2 --set length=32" ;;
    "laminar sweep job.yaml --checkpoint 0.001s") echo "$1 --set sequences=2 --set length=32 --set sae.epochs=1 --set sae.latents=16" ;;
    *" laminar sae --model large "*) echo "${1/--epochs 2/--epochs 1} $short --latents 16" ;;
    *" laminar sae "*" --text wiki10M.npy "*) echo "laminar tokenize jobs/demo/story.txt --model jobs/demo/model -o wiki10M.npy -q && ${1/--buffer 64k/--buffer 4k} --epochs 1" ;;
    # Results of other runs.
    "laminar compare led.nc again.nc "*) echo "cp led.nc again.nc && $1" ;;
    *" gpt2.nc gpt2-large.nc "*) echo "cp led.nc gpt2.nc && cp led.nc gpt2-large.nc && $1" ;;
    *" standard.nc published.nc "*) echo "cp led.nc standard.nc && cp led.nc published.nc && $1" ;;
    "gnuplot sae.gp") echo "laminar plot profiles.nc --script -q && $1" ;;
    # As they stand.
    "mpirun -n 2 laminar doctor" | "laminar doctor") echo "$1" ;;
    "laminar fetch model openai-community/gpt2 "* | "laminar fetch page 'Light-emitting diode' "* | "laminar info "* | "laminar report "* | \
        "laminar plot "* | "laminar help "*) echo "$1" ;;
    # Started by hand, as README.md says, or tests themselves.
    "tests/golden/memory.sh" | "tests/golden/plan.sh" | "tests/bench/keeping.sh") echo "bash -n $LAMINAR_SOURCE/$1" ;;
    esac
}

# blocks: the indented lines of README.md; inline: what stands between backquotes and is a command with
# arguments, or a script, but not only the name of one. A comment at a line's end goes.
blocks() { sed -n 's/^    \(.*\)/\1/p' "$LAMINAR_SOURCE/README.md"; }
inline() { grep -o '`[^`]*`' "$LAMINAR_SOURCE/README.md" | tr -d '`' | grep -E '^((laminar|mpirun|man|gnuplot|ncks|bash|cmake) |tests/[a-z]*/[a-z]*\.sh$)' |
    grep -vE '^laminar (compare|plot|report)$|^mpirun -n R$' |
    sort -u; }
ran=0
# obey COMMAND: runs what stands for it.
obey() {
    local what
    what=$(stand_in "$1")
    ran=$((ran + 1))
    if [ -z "$what" ]; then
        fail "$1" "tests/fetch/readme.sh does not know this command of README.md"
    elif timeout 60 bash -o pipefail -c "$what" </dev/null >"$log/out" 2>"$log/err"; then
        pass "$1"
    else
        fail "$1" "failed as: $what" "$log/err"
    fi
}

# The program of the tests' build until README.md has installed it.
mkdir "$work/first" && ln -s "$LAMINAR" "$work/first/laminar"
PATH=$PATH:$work/first
cp jobs/demo/page.html .
part=
while IFS= read -r line; do
    case $line in
    "model: models/gpt2 "*) part=job ;; # the job file, up to its last section
    "by layer "*) part=values ;;        # what laminar info shows: values of another machine
    ">>> "*) part=python ;;             # what examples/profile.py does, in tests/report/hands.sh and tests/hands
    bash\ * | cmake\ * | laminar\ * | mpirun\ * | OMP_NUM_THREADS=1\ *) part= ;;
    esac
    case $part in
    job) echo "$line" >>job.yaml ;;
    "") obey "$(sed 's/  *#.*//' <<<"$line")" ;;
    esac
done < <(blocks)
same "what runs is what was installed" "$HOME/.local/bin/laminar" "$(command -v laminar)"
while IFS= read -r line; do obey "$line"; done < <(inline)
# Blocks and lines that the above did not see would be none at all.
check "README.md has its commands" test "$ran" -ge 25
check "the job file is README.md's" grep -q '^sae: ' job.yaml
# A command that nobody knows is found out.
check "an unknown command is found out" test -z "$(stand_in "laminar frobnicate")"
