# A result of laminar in gnuplot: gnuplot -e "result = 'led.nc'" profile.gp
# Needs ncks (NCO; Debian: nco), which gives gnuplot one variable's values, a line each. Draws density.svg.
# (laminar plot --script leaves whole figures as scripts, with their data.)
values(group, name) = sprintf("< ncks --trd -H -C -s '%%.9g\\n' -g %s -v %s '%s'", group, name, result)

set terminal svg size 480,360 noenhanced
set output 'density.svg'
set xlabel 'layer'
set ylabel 'share of latents > 0'
plot values('sae', 'density') using 0:1 with linespoints notitle
stats values('sae', 'density') using 1 nooutput
print sprintf('%d layers, mean density %.9g', STATS_records, STATS_mean)
