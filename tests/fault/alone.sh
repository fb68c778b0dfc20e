#!/usr/bin/env bash
# What goes wrong on one rank of several: all end, with its message in one line, or all go on.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

tiny_model model gpt2:6x64x2:4096:64 --shard 64k
shards=(model/*-of-*.safetensors)
for ((i = 0; i < 60; i++)); do echo "a sentence with some words in it, but not with many of them. "; done >text.txt
tiny_job job.yaml "attention: {}"
sweep=(sweep job.yaml --set sae.epochs=500)
prepare "$LAMINAR" "${sweep[@]}" -o whole.nc
whole=$(digest whole.nc)
rm whole.nc
host=$(hostname)

# one RANK SCRIPT: makes the command "./one" of laminar whose rank RANK first does this, in a shell.
one() {
    printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" != %s ] || {\n%s\n}\nexec %q "$@"\n' "$1" "$2" "$LAMINAR" >"$log/one"
    chmod +x "$log/one"
}

# mended NAME: what was in the way is no more, and the same command comes to the values.
mended() {
    local taken=$seconds_taken
    ranks=2 expect "$1: goes on" "$LAMINAR" "${sweep[@]}" --resume
    same "$1: the same values" "$whole" "$(digest result.nc)"
    row "$1" "$taken" result.nc "$whole"
    rm -rf result.nc result.run
}

# --- a shard that one rank alone reads: not finite, cut short, a folder in its place
last=$(grep -l 'h.5.mlp.c_proj.weight' "${shards[@]}" | tail -n 1)
cp "$last" "$log/shard"
poke "$last" "$(header "$last" | grep -oE '(transformer\.)?h\.5\.mlp\.c_proj\.weight')" '\0\176\0\176'
ranks=3 expect_error "values that are not finite" 6 "rank 2 \($host\): tensor .*h.5.mlp.c_proj.weight in $last:" \
    "$LAMINAR" "${sweep[@]}"
cp "$log/shard" "$last"
mended "values of a shard that one rank of 3 reads are not finite"
cp -r "$folder" "$log/other"
rm "$log/other/$last"
mkdir "$log/other/$last"
one 1 "cd $log/other"
ranks=3 expect_error "a shard that one host cannot read" 4 "rank 1 \($host\): .*$last" "$log/one" "${sweep[@]}"
mended "a shard that one rank of 3 cannot read"
rm -r "${log:?}/other/$last"
head -c 1000 "$log/shard" >"$log/other/$last"
ranks=3 expect_error "a shard that is cut short on one host" 3 "rank 1 \($host\): .*$last" "$log/one" "${sweep[@]}"
mended "a shard that is cut short for one rank of 3"

# --- a disk that is full for one rank: its finished layers are not kept, the run goes on
# Not by ulimit: MPI has files of its own to begin with.
full='(until [ -e result.run/identity ]; do sleep 0.01; done; prlimit --fsize=0 --pid $$) >/dev/null 2>&1 &'
one 1 "$full"
ranks=3 run "$log/one" "${sweep[@]}"
same "no room for finished layers: status" "0 0 0 " "$statuses"
check "no room for finished layers: says so" grep -q "the run goes on, but may not keep what it finishes" "$log/err"
same "no room for finished layers: the same values" "$whole" "$(digest result.nc)"
row "the disk is full for one rank of 3, which says so" "goes on" result.nc "$whole"
rm result.nc

# --- no room for the result: what is finished stays
one 0 "$full"
ranks=3 run "$log/one" "${sweep[@]}"
same "no room for the result: status" "4 4 4 " "$statuses"
same "no room for the result: one line" 1 "$(grep -c '^laminar: error: .*result.nc' "$log/err")"
check "no room for the result: none is left" test ! -e result.nc
mended "the disk is full when rank 0 of 3 writes the result"

# --- memory refused to one rank
cp text.txt short.txt
for ((i = 0; i < 80000; i++)); do echo "a sentence with some words in it, but not with many of them. "; done >text.txt
one 1 "ulimit -v 1500000"
ranks=2 seconds=120 expect_error "memory refused" 5 "rank 1 \($host\): .* where a rank here has 1.5 GB of memory" \
    "$log/one" sweep job.yaml --set sequences=15000 --set length=64 --set sae.site=mlp_fc
cp short.txt text.txt
mended "one rank of 2 has too little memory for its activations"
