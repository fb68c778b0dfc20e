# What the scripts here share beside tests/library.sh: the server, and laminar fetch against it.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"

command -v python3 >/dev/null || skip "python3 is not on the PATH"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy HF_TOKEN HF_ENDPOINT CURL_CA_BUNDLE
unset LAMINAR_WIKI OMPI_COMM_WORLD_RANK PMIX_RANK PMI_RANK SLURM_PROCID
export LAMINAR_CACHE=$work/cache LAMINAR_CONTACT=tests@example.org no_proxy='*'

# serve [MODELS]: starts the server, which ends with this script; $main, $storage and $tls are its
# addresses, $certificate what the last one's is signed by; $tls is empty without openssl.
serve() {
    local i port_main port_storage port_tls
    mkdir "$work/server"
    certificate=$work/server/certificate.pem
    if openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -days 2 \
        -keyout "$work/server/key.pem" -out "$certificate" >"$log/openssl" 2>&1; then
        cat "$work/server/key.pem" "$certificate" >"$work/server/tls.pem"
    fi
    exec {server_input}> >(exec python3 "$LAMINAR_SOURCE/tests/fetch/server.py" "$work/server" \
        "${1:-$work}" >"$work/server/log" 2>&1)
    for ((i = 0; i < 200; i++)); do
        [ ! -s "$work/server/ports" ] || break
        sleep 0.05
    done
    read -r port_main port_storage port_tls <"$work/server/ports" || skip "the test's server does not start: $(cat "$work/server/log")"
    main=http://127.0.0.1:$port_main
    # shellcheck disable=SC2034
    storage=http://127.0.0.1:$port_storage
    tls=
    # shellcheck disable=SC2034
    [ "$port_tls" = 0 ] || tls=https://127.0.0.1:$port_tls
    requests=$work/server/requests
    export LAMINAR_WIKI=$main HF_ENDPOINT=$main
    : >"$requests"
}

# fetch ARGUMENT...: quick in its tries.
fetch() {
    "$LAMINAR" fetch "$@" --backoff 0.01
}

# asked PATTERN: how many requests there were since the last forget.
asked() {
    grep -cE -- "$1" "$requests"
}

forget() {
    : >"$requests"
}

# gets NAME ARGUMENT...: it succeeds.
gets() {
    expect "$1" "$LAMINAR" fetch "${@:2}" --backoff 0.01
}

# refused NAME STATUS PATTERN ARGUMENT...: as expect_error; the folder laminar works in stays as it is.
refused() {
    expect_error "$1" "$2" "$3" "$LAMINAR" fetch "${@:4}" --backoff 0.01 -q
}

# value FILE NAME [N]: of the manifest's entry that is the Nth of those with that key.
value() {
    sed -n "s/^[- ] $2: \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$1" | sed -n "${3:-1}p"
}

# object FILE [N]: the path of an entry's file.
object() {
    local sha256 ending
    sha256=$(value "$1" sha256 "${2:-1}")
    ending=$(value "$1" ending "${2:-1}")
    echo "$LAMINAR_CACHE/objects/${sha256:0:2}/$sha256$ending"
}

# whole FILE: every entry's file is there with its size and digest.
whole() {
    local count
    count=$(grep -c '^- name: ' "$1")
    awk -v cache="$LAMINAR_CACHE" '
        function put() { if (sum) print sum "  " cache "/objects/" substr(sum, 1, 2) "/" sum ending }
        { gsub(/"/, "", $2) }
        $1 == "-" { put(); sum = ending = "" }
        $1 == "sha256:" { sum = $2 }
        $1 == "ending:" { ending = $2 }
        END { put() }' "$1" >"$log/sums"
    [ "$count" -gt 0 ] && [ "$count" = "$(wc -l <"$log/sums")" ] && sha256sum --check --quiet "$log/sums"
}
