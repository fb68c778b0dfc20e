#!/usr/bin/env bash
# laminar fetch text: resumed, tried again, verified, refused.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
serve

# The text that the server has at a path, in full.
direct() {
    python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "$1"
}

# --- one text, whole
gets "a text" text "$main/text/a.txt"
check "a text: whole" whole corpus.yaml
same "a text: the server's bytes" "$(direct "$main/text/a.txt" | sha256sum)" "$(sha256sum <"$(object corpus.yaml)")"
same "a text: its address" "$main/text/a.txt" "$(value corpus.yaml url)"
check "a text: who asks, and where to reach them" \
    grep -q '/text/a.txt .*User-Agent=laminar/[0-9.]* (tests@example.org) libcurl/' "$requests"
forget
gets "again" text "$main/text/a.txt"
same "again: from the cache" 0 "$(asked .)"
gets "refreshed" text "$main/text/a.txt" --refresh
same "refreshed: asked again" 1 "$(asked .)"
same "refreshed: still one entry" 1 "$(grep -c '^- name' corpus.yaml)"
gets "another" text "$main/text/b.txt"
same "another: added" 2 "$(grep -c '^- name' corpus.yaml)"
check "another: both whole" whole corpus.yaml
gets "an empty text" text "$main/empty/e.txt" -o empty.yaml
same "an empty text: 0 bytes" 0 "$(value empty.yaml size)"
gets "a page by its type" text "$main/page/login" -o login.yaml
same "a page by its type: .html" .html "$(value login.yaml ending)"
gets "redirected" text "$main/to/storage/x.txt" "$main/to/relative/y.txt" -o redirected.yaml
check "redirected: whole" whole redirected.yaml
rm -f ./*.yaml

# --- broken off
gets "cut after every tenth byte" text "$main/cutat/10/a.txt?bytes=400" -o cut.yaml --tries 2
check "cut after every tenth byte: whole" whole cut.yaml
same "cut after every tenth byte: the right bytes" \
    "$(python3 - "$main" <<'END'
import hashlib, sys
path, out, i = "/cutat/10/a.txt?bytes=400", b"", 0
while len(out) < 400:
    out += f"{path}, line {i}: {hashlib.sha256(f'{path}{i}'.encode()).hexdigest()}\n".encode(); i += 1
print(hashlib.sha256(out[:400]).hexdigest())
END
    )" "$(value cut.yaml sha256)"
check "cut after every tenth byte: by ranges" test "$(asked 'Range=bytes=390- If-Range="')" -eq 1
# Each place where a connection can end, in tens.
urls=()
for at in $(seq 0 10 990); do urls+=("$main/once/$at/at.txt?bytes=1000&at=$at"); done
gets "cut at each tenth byte" text "${urls[@]}" -o places.yaml
check "cut at each tenth byte: whole" whole places.yaml
same "cut at each tenth byte: 100 texts" 100 "$(grep -c '^  size: 1000$' places.yaml)"
for kind in weak dated changed liar; do
    forget
    gets "$kind" text "$main/$kind/a.txt" -o $kind.yaml
    check "$kind: whole" whole $kind.yaml
    same "$kind: all of it" 1000 "$(value $kind.yaml size)"
done
same "weak: begun anew" 1 "$(direct "$main/weak/a.txt" | sha256sum | grep -c "^$(value weak.yaml sha256)")"
same "changed: the new text" 1 "$(direct "$main/changed/a.txt" | sha256sum | grep -c "^$(value changed.yaml sha256)")"
same "liar: the right text" 1 "$(direct "$main/liar/a.txt" | sha256sum | grep -c "^$(value liar.yaml sha256)")"
rm -f ./*.yaml

# --- busy
SECONDS=0
gets "busy: 429 with seconds" text "$main/busy/1/429/2/a.txt"
check "busy: waited for two seconds" test "$SECONDS" -ge 2
gets "busy: 503 with a date" text "$main/busy/1/503/date/b.txt"
gets "busy: 500 three times" text "$main/busy/3/500/0/c.txt"
rm -f ./*.yaml
forget
refused "busy: for a day" 4 "the server is busy .*wants no request for 86400 s: run the same command then" \
    text "$main/busy/99/503/86400/d.txt"
same "busy: for a day: asked once" 1 "$(asked .)"
forget
refused "broken for good" 4 "status 500.*tries: 3.: run the same command later" text "$main/broken/500/a.txt" --tries 3
same "broken for good: asked three times" 3 "$(asked .)"
SECONDS=0
refused "slow drip" 4 "Operation too slow.*tries: 2" text "$main/drip/a.txt" --stall 1 --tries 2
check "slow drip: given up in time" test "$SECONDS" -lt 20
refused "a length that is never reached" 4 "run the same command later" text "$main/missinglast/a.txt" --tries 3
refused "nobody there" 4 "connect.*tries: 2" text http://127.0.0.1:9/a.txt --tries 2
gets "several, one of them missing, and the rest" text "$main/text/a.txt" -o kept.yaml
expect_error "several, one missing" 3 "1 of 3 texts cannot be had .*nothere.txt: is not there .status 404." \
    "$LAMINAR" fetch text "$main/text/x.txt" "$main/nothere.txt" "$main/text/y.txt" -o some.yaml -q
forget
gets "several: without it" text "$main/text/x.txt" "$main/text/y.txt" -o some.yaml
same "several: the others were kept" 0 "$(asked .)"
rm -f ./*.yaml

# --- one connection to a host, unless told otherwise
urls=()
for i in 1 2 3 4 5 6; do urls+=("$main/together/$i.txt"); done
gets "several of one host" text "${urls[@]}" -o one.yaml
same "several of one host: one at a time" 1 "$(sort -n "$work/server/together" | tail -n 1)"
rm "$work/server/together"
gets "several at a time" text "${urls[@]}" -o one.yaml --refresh --connections 3
check "several at a time: no more than were allowed" grep -q '^[23]$' <(sort -n "$work/server/together" | tail -n 1)
check "several at a time: whole" whole one.yaml
rm one.yaml

# --- the bar on a terminal
python3 - "$LAMINAR" "$main/slow/0.8/bar.txt" >"$log/bar" <<'END'
import pty, sys
sys.exit(pty.spawn([sys.argv[1], "fetch", "text", sys.argv[2], "-o", "bar.yaml"]))
END
check "the bar: rate and time left" grep -qE '\[[.#]{24}\] 0 of 1 texts  [0-9.]+( of [0-9.]+)? MB  [0-9.]+ MB/s  .* left' "$log/bar"
check "the bar: taken away at the end" grep -q $'\r\033\[Klaminar: wrote bar.yaml' "$log/bar"
rm bar.yaml

# --- hostile
refused "10 GB claimed" 3 "has 10737418240 bytes or more, and 2147483648 are allowed: .*--largest" \
    text "$main/claims/a.txt"
refused "no end" 3 "bytes or more, and 1048576 are allowed" text "$main/endless/a.txt" --largest 1M
refused "redirected to a file" 3 "redirected to 'file:///etc/passwd.*not followed" text "$main/to/file/a.txt"
refused "redirected to ftp" 3 "redirected to 'ftp://.*not followed" text "$main/to/ftp/a.txt"
refused "redirected with a password" 3 "not followed" text "$main/to/user/a.txt"
refused "redirected in a ring" 3 "redirected more than 10 times" text "$main/to/loop/a.txt"
refused "redirected to nowhere" 3 "redirected to nowhere" text "$main/to/nowhere/a.txt"
refused "a page for a text" 3 "comes as a page .text/html., not as the file of its name" text "$main/page/a.txt"
refused "no kind of text" 3 "comes as 'application/octet-stream', which is no kind of text" text "$main/kind/a"
refused "not there" 3 "is not there .status 404." text "$main/nothing.txt"
refused "forbidden" 3 "does not give it out .status 403." text "$main/broken/403/a.txt"
check "hostile: nothing of it among the objects" \
    test -z "$(grep -rl root: "$LAMINAR_CACHE/objects" 2>/dev/null)"

# --- certificates
if [ -n "$tls" ]; then
    refused "a certificate that nobody signed" 4 "certificate is not trusted .*CURL_CA_BUNDLE" text "$tls/text/a.txt"
    export CURL_CA_BUNDLE=$certificate
    gets "a certificate by CURL_CA_BUNDLE" text "$tls/text/a.txt" -o tls.yaml
    check "a certificate by CURL_CA_BUNDLE: whole" whole tls.yaml
    refused "from https to http" 3 "redirected from https to http" text "$tls/to/plain/a.txt"
    unset CURL_CA_BUNDLE
else
    echo "left out: https, for want of openssl on the PATH"
fi

# --- command lines
refused "file://" 2 "is not an address that can be fetched" text file:///etc/passwd
refused "no scheme" 2 "is not an address that can be fetched" text 127.0.0.1/a.txt
refused "a password" 2 "has no password in it" text http://me:secret@127.0.0.1/a.txt
check "a password: not shown" test "$(grep -c secret "$log/err")" -eq 0
refused "nothing to fetch" 2 "what is to be fetched is missing" text
refused "no such kind" 2 "'pages' is not page, text or model .nearest: 'page'" pages LED
refused "a manifest that is none" 3 "is not a manifest|not valid YAML|no manifest" text "$main/text/a.txt" -o "$demo/demo.yaml"
refused "a manifest in no folder" 4 "its folder does not exist" text "$main/text/a.txt" -o no/where.yaml
printf '# texts\n\n%s\n  %s  \n' "$main/text/l1.txt" "$main/text/l2.txt" >list
gets "a list" text --list list -o list.yaml
same "a list: both" 2 "$(grep -c '^- name' list.yaml)"
touch "$work/file"
expect_error "a cache that cannot be" 4 "the folder .*/file/objects cannot be made: .*--cache" \
    "$LAMINAR" fetch text "$main/text/a.txt" --cache "$work/file"
no_proxy='' gets "by a proxy" text http://nowhere.invalid/a.txt --proxy "$storage" -o proxy.yaml
check "by a proxy: its answer" grep -q '^by the proxy, http://nowhere.invalid/a.txt' "$(object proxy.yaml)"
http_proxy=$storage no_proxy='' gets "by http_proxy" text http://nowhere.invalid/b.txt -o proxy.yaml
OMPI_COMM_WORLD_RANK=1 gets "another rank" text "$main/text/never.txt" -o never.yaml
check "another rank: does nothing" test ! -e never.yaml

# --- two at a time on one file
"$LAMINAR" fetch text "$main/drip/shared.txt" -o one.yaml --stall 5 --tries 1 2>"$log/one" &
first=$!
for ((i = 0; i < 100; i++)); do
    [ "$(asked /drip/shared.txt)" -eq 0 ] || break
    sleep 0.05
done
refused "two at a time" 4 "is being fetched into the same cache by another laminar" text "$main/drip/shared.txt" -o two.yaml
check "two at a time: the first goes on" kill -9 $first
wait $first 2>/dev/null || true
