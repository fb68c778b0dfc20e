#!/usr/bin/env bash
# Prints laminar(1), made of what the program says of itself, so that the two cannot differ.
#   bash man/manual.sh LAMINAR
set -euo pipefail
laminar=$1

# Text as roff shows it to the letter.
verbatim() {
    echo .nf
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
    echo .fi
}

echo ".TH LAMINAR 1 \"\" \"$("$laminar" --version)\""
cat <<'END'
.SH NAME
laminar \- profiles of every layer of a language model
.SH DESCRIPTION
laminar runs a GPT\-2 or GPT\-NeoX (Pythia) checkpoint over a text, looks at the activations of every
layer, and writes what it measures against depth to a netCDF\-4 file. Under
.BR mpirun (1)
or
.BR srun (1)
the ranks share the layers. The same job gives the same values, to the last bit, for any number of
ranks and threads on one kind of CPU; the attribute
.I profile_sha256
of the result is the digest of all of them.
.SH OVERVIEW
END
"$laminar" --help | verbatim
# The commands are the indented words under "commands:".
"$laminar" --help | awk '/^commands:/ {on = 1; next} /^[^ ]/ {on = 0} on && /^  [a-z]/ {print $1}' |
    while read -r command; do
        echo ".SH LAMINAR ${command^^}"
        "$laminar" "$command" --help | verbatim
    done
cat <<'END'
.SH ENVIRONMENT
.TP
.B OMP_NUM_THREADS
Threads of each rank, where the job does not say.
.TP
.B LAMINAR_CACHE
The folder of what was fetched; else laminar in XDG_CACHE_HOME or ~/.cache.
.TP
.BR LAMINAR_CONTACT ", " LAMINAR_WIKI ", " HF_ENDPOINT
Of laminar fetch: where you can be reached, the wiki and the model hub, where the options do not say.
.TP
.B HF_TOKEN
Of laminar fetch: the token for the model hub, sent to its host alone.
.TP
.BR http_proxy ", " https_proxy ", " no_proxy ", " CURL_CA_BUNDLE
Of laminar fetch: proxies, and a file of certificates to trust.
.SH SEE ALSO
.BR mpirun (1),
.BR ncdump (1)
END
