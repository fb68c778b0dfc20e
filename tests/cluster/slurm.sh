#!/usr/bin/env bash
# What golden/slurm.sh has no time for: a real time limit in the midst of training, of a run that was begun and killed on
# hosts of a network; a node that is lost; ranks started by mpirun.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/cluster.bash"
need_mpirun
export OMP_NUM_THREADS=1
hosts_up 3
bring_up slurm-up -n 2 -c 4
in_slurm

cp -r "$demo/model" "$demo/page.html" .
cat >job.yaml <<'END'
model: model
text: page.html
sequences: 4
length: 64
attention: {}
heads: {}
sae: {epochs: 400, latents: 256}
END
# Enough for a minute of training at least.
long=(job.yaml --set sae.epochs="${LAMINAR_CLUSTER_EPOCHS:-6000}")

cut "limit.run/heads-11" "${on_hosts[@]}" -np 3 -- "$LAMINAR" sweep "${long[@]}" -o limit.nc -q
differ "begun on three hosts, one killed: status" 0 "$status"
# Limits are looked at every 30 s: the signal comes after 30 to 60 s, the end would after 60 to 90.
submit limit --time=1 --signal=B:USR1@30 --ntasks-per-node=1 -- sweep "${long[@]}" -o limit.nc
limit=$id

prepare "$LAMINAR" sweep job.yaml -o whole.nc
whole=$(digest whole.nc)

submit lost --ntasks-per-node=1 -- sweep job.yaml -o lost.nc
until_there "lost.run/sae-*" 2
scontrol update nodename=node2 state=down reason=test
ended_as "a node is lost" "$id" "COMPLETED 0:0 1" "$log/lost" 400
same "a node is lost: the same values" "$whole" "$(digest lost.nc)"

sed 's|^launch=.*|launch=(mpirun --map-by "ppr:$SLURM_NTASKS_PER_NODE:node" -x OMP_NUM_THREADS)|' \
    "$LAMINAR_SOURCE/slurm/sweep.sbatch" >mpirun.sbatch
id=$(sbatch --parsable --cpus-per-task=1 --ntasks-per-node=2 --output="$log/mpirun" mpirun.sbatch job.yaml -o mpirun.nc)
until_there "mpirun.run/sae-*" 2
scancel -b -s USR1 "$id"
ended_as "by mpirun" "$id" "COMPLETED 0:0 1" "$log/mpirun" 400
same "by mpirun: four ranks" 4 "$(attribute mpirun.nc ranks)"
same "by mpirun: the same values" "$whole" "$(digest mpirun.nc)"

prepare "$LAMINAR" sweep "${long[@]}" -o whole.nc
job_ended "$limit" 1500
turns=$(field "$limit" Restarts)
same "a time limit: ended" COMPLETED "$ended"
check "a time limit: it struck (else give LAMINAR_CLUSTER_EPOCHS more than 6000)" test "$turns" -ge 1
check "a time limit: within a layer" grep -q "sae, layer .* goes on at epoch" "$log/limit"
same "a time limit: the same values after $((turns + 1)) turns" "$(digest whole.nc)" "$(digest limit.nc)"
