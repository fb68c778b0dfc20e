#!/usr/bin/env bash
# slurm/*.sbatch on a real Slurm of two nodes: the same bits as outside; a run that is told that its time is up goes
# on in a new turn, and is left where that brings nothing; an array with a task that fails.
. "$(dirname "${BASH_SOURCE[0]}")/../fetch/library.bash"
. "$LAMINAR_SOURCE/tests/cluster.bash"
need_mpirun
export OMP_NUM_THREADS=1
bring_up slurm-up -n 2 -c 4
in_slurm
serve
cp -r "$demo/model" "$demo/page.html" "$demo/demo.yaml" .
head -c 8000 "$demo/story.txt" >story.txt
standard=(demo.yaml --set sequences=4 --set sae.epochs=40 --set sae.latents=128 --set tuning.before=20
    --set spectrum.before=20)
published=(demo.yaml --set mode=published --set html=auto --set sequences=4 --set sae.epochs=2
    --set tuning.before=20 --set spectrum.before=20)

# --- all profiles on two nodes, as outside, by the line that laminar plan says
ln -s "$LAMINAR_SOURCE/slurm" slurm
line=$("$LAMINAR" plan "${published[@]}" --set output=inside.nc --ranks 4 --nodes 2 --untimed 2>"$log/err" | tail -n 1)
id=$(eval "sbatch --parsable --output='$log/published' ${line#sbatch }" 2>"$log/sbatch") ||
    fail "published: submitted" "'$line' was refused" "$log/sbatch"
prepare "$LAMINAR" sweep "${published[@]}" -o outside.nc
ended_as "published" "$id" "COMPLETED 0:0 0" "$log/published"
same "published: four ranks" 4 "$(attribute inside.nc ranks)"
same "published: the same values" "$(digest outside.nc)" "$(digest inside.nc)"

# --- the same, begun and killed outside; its time is up in the midst of training; done in the second turn
prepare "$LAMINAR" sweep "${standard[@]}" -o whole.nc
cut "cut.run/sae-*" mpirun --oversubscribe -n 3 -- "$LAMINAR" sweep "${standard[@]}" -o cut.nc
kept=$(compgen -G "cut.run/sae-*" | wc -l)
submit standard --ntasks-per-node=1 -- sweep "${standard[@]}" -o cut.nc
first=$id
until_there "cut.run/sae-*" $((kept + 2))
scancel -b -s USR1 "$first"

# --- meanwhile: pages as tasks, of which one cannot be
tiny_model tiny
echo "three short words" >short.txt
cat >pages.yaml <<'END'
model: tiny
text: [page.html, short.txt, story.txt]
sequences: 4
length: 32
output: pages.nc
sae: {epochs: 1, latents: 16}
heads: {}
END
submit "task-%a" --array=1-"$("$LAMINAR" sweep pages.yaml --list | wc -l)" --ntasks-per-node=1 -- array pages.yaml
array=$id
submit merge --dependency=afterany:"$array" --ntasks-per-node=1 -- array pages.yaml
merge=$id

# --- meanwhile: a text is fetched, then looked at
submit fetched -- fetch text "$main/text/a.txt" -o fetched.yaml
submit looked --dependency=afterok:"$id" --nodes=1 --ntasks-per-node=1 -- sweep pages.yaml --set text=fetched.yaml \
    -o fetched.nc
looked=$id

# --- meanwhile: a turn that finishes nothing, as it keeps no states and is at its many sequences
for ((i = 0; i < 30; i++)); do cat "$demo/story.txt"; done >long.txt
submit fruitless --nodes=1 --ntasks-per-node=1 -- sweep demo.yaml --set sequences=0 --set 'text=[long.txt]' \
    --checkpoint never -o none.nc
fruitless=$id
until_there none.run/identity
scancel -b -s USR1 "$fruitless"
ended_as "nothing is finished in a turn" "$fruitless" "FAILED 8:0 0" "$log/fruitless"
check "nothing is finished in a turn: says so" grep -q "^sweep.sbatch: nothing more was finished" "$log/fruitless"

ended_as "its time is up" "$first" "COMPLETED 0:0 1" "$log/standard"
same "its time is up: goes on twice, here and there" 2 "$(grep -c 'going on with what is kept in cut.run' "$log/standard")"
check "its time is up: within a layer" grep -q "sae, layer .* goes on at epoch" "$log/standard"
same "its time is up: the same values" "$(digest whole.nc)" "$(digest cut.nc)"
check "its time is up: nothing is left" test ! -e cut.run

ended_as "array, task 1" "${array}_1" "COMPLETED 0:0 0" "$log/task-1"
ended_as "array, task 2" "${array}_2" "FAILED 3:0 0" "$log/task-2"
ended_as "array, task 3" "${array}_3" "COMPLETED 0:0 0" "$log/task-3"
check "array: says why" grep -q '^laminar: error: short.txt: .*fewer than' "$log/task-2"
ended_as "array, merged" "$merge" "FAILED 3:0 0" "$log/merge"
same "array, merged: the results" "pages-page.nc pages-story.nc pages.summary.nc" "$(echo pages*.nc)"
same "array, merged: what was there is not run again" 2 "$(grep -c 'pages-.*.nc is there already' "$log/merge")"
check "array, merged: the table" grep -Eq '^    2  tiny +short.txt +0 .*failed: .*fewer than' "$log/merge"

ended_as "fetched, then looked at" "$looked" "COMPLETED 0:0 0" "$log/looked"
check "fetched, then looked at: the result" grep -q "^laminar: wrote fetched.nc" "$log/looked"

# --- cancelled by its user, who does not want it back
submit cancelled --ntasks-per-node=1 -- sweep "${standard[@]}" -o cut.nc --set sae.epochs=100000
until_there "cut.run/heads-*" 12
scancel "$id"
for ((i = 0; i < 200; i++)); do
    ! grep -q "^sweep.sbatch: ended from outside; the same command goes on" "$log/cancelled" || break
    sleep 0.1
done
check "cancelled: says how to go on" test "$i" -lt 200
job_ended "$id"
same "cancelled: ended" "CANCELLED 0" "$ended $(field "$id" Restarts)"
check "cancelled: not in the queue" test -z "$(squeue -h -t PENDING,RUNNING)"
