#!/usr/bin/env bash
# Ranks on three hosts of a network of their own, by TCP: the same bits as over shared memory, also of runs that begin on
# the one and end on the other.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/cluster.bash"
need_mpirun
export OMP_NUM_THREADS=1
seconds=120
hosts_up 3

cp -r "$demo/model" "$demo/page.html" "$demo/demo.yaml" .
head -c 8000 "$demo/story.txt" >story.txt
job=(demo.yaml --set sequences=4 --set sae.latents=128 --set tuning.before=20 --set spectrum.before=20)
standard=("${job[@]}" --set sae.epochs=25)
published=("${job[@]}" --set sae.epochs=2 --set mode=published --set html=auto)
for mode in standard published; do
    declare -n options=$mode
    prepare mpirun -n 3 "$LAMINAR" sweep "${options[@]}" -o here.nc
    expect "$mode: over TCP" "${on_hosts[@]}" -np 3 "$LAMINAR" sweep "${options[@]}" -o there.nc
    same "$mode: over TCP: the same values" "$(digest here.nc)" "$(digest there.nc)"
    [ $mode = published ] || whole=$(digest here.nc)
done

# More ranks than layers, so that some share a layer over the network.
expect "14 ranks" "${on_hosts[@]}" -np 14 "$LAMINAR" sweep "${standard[@]}" -o there.nc
same "14 ranks: the same values" "$whole" "$(digest there.nc)"

# Killed in the midst of training, and gone on with elsewhere
cut "cut.run/sae-*.*" "${on_hosts[@]}" -np 3 -- "$LAMINAR" sweep "${standard[@]}" -o cut.nc --checkpoint 0.01s
differ "killed there: status" 0 "$status"
ranks=2 expect "killed there, gone on with here" "$LAMINAR" sweep "${standard[@]}" -o cut.nc --resume
same "killed there, gone on with here: the same values" "$whole" "$(digest cut.nc)"
rm cut.nc
cut "cut.run/sae-*.*" mpirun -n 2 -- "$LAMINAR" sweep "${standard[@]}" -o cut.nc --checkpoint 0.01s
differ "killed here: status" 0 "$status"
expect "killed here, gone on with there" "${on_hosts[@]}" -np 3 "$LAMINAR" sweep "${standard[@]}" -o cut.nc --resume
same "killed here, gone on with there: the same values" "$whole" "$(digest cut.nc)"
