#!/usr/bin/env bash
# laminar fetch model: commits, storage hosts, shards, tokens, and repositories that mean harm.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
models=$work/models
mkdir "$models"
tiny_model "$models/tiny"
tiny_model "$models/sharded" gpt2:6x32x2:4096:64 --shard 100k
tiny_model "$models/damaged"
serve "$models"

# folder NAME: of a model at the commit.
commit=$(python3 -c 'import hashlib; print(hashlib.sha1(b"the only commit").hexdigest())')
folder() { echo "$LAMINAR_CACHE/models/$1/$commit"; }
same_files() { # FOLDER FOLDER: the files of the first are in the second
    local file
    for file in "$1"/*; do [ "${file##*/}" = laminar-synth.json ] || cmp "$file" "$2/${file##*/}" || return 1; done
}

# --- whole models
gets "a model" model good/tiny
same "a model: where it lies" "$(folder good/tiny)" "$(cat "$log/out")"
check "a model: the files" same_files "$models/tiny" "$(folder good/tiny)"
check "a model: info reads it" "$LAMINAR" info "$(folder good/tiny)"
check "a model: its manifest" whole "$(folder good/tiny)/source.yaml"
same "a model: pinned" "$main/good/tiny/resolve/$commit/config.json" "$(value "$(folder good/tiny)/source.yaml" url)"
forget
gets "by its commit" model good/tiny --revision "$commit" -o link
same "by its commit: not asked" 0 "$(asked .)"
check "by its commit: a link" same_files "$models/tiny" link
gets "by a branch, again" model good/tiny --revision main -o link
same "by a branch, again: asked for its commit alone" 1 "$(asked .)"
gets "by a branch with a slash" model good/tiny --revision refs/pr/1
gets "in shards" model good/sharded -o shards
check "in shards: more than one" test "$(find shards/ -name '*.safetensors' | wc -l)" -gt 2
check "in shards: the files" same_files "$models/sharded" shards
gets "moved to another name" model moved/tiny
check "moved: the files" same_files "$models/tiny" "$(folder moved/tiny)"
gets "a hub that says nothing of sizes" model plain/tiny --refresh
gets "cut at each tenth" model flaky/tiny --tries 3
check "cut at each tenth: the files" same_files "$models/tiny" "$(folder flaky/tiny)"
check "cut at each tenth: by ranges" test "$(asked '^storage /blob/flaky.*Range=bytes=[1-9]')" -ge 9

# --- the token: to the hub, to no other host, in no line
forget
HF_TOKEN=the-token gets "with a token" model gated/tiny -v
check "with a token: sent to the hub" test "$(asked '^main .*Authorization=Bearer the-token')" -gt 2
check "with a token: storage was asked" test "$(asked '^storage ')" -ge 1
same "with a token: not sent to storage" 0 "$(asked '^storage .*Authorization=[^ ]')"
same "with a token: not shown" 0 "$(cat "$log/out" "$log/err" | grep -c the-token)"
same "with a token: not kept" 0 "$(grep -rl the-token "$LAMINAR_CACHE" | wc -l)"
same "signed addresses of storage: not kept" 0 "$(grep -rl Signature= "$LAMINAR_CACHE" --include='*.yaml' | wc -l)"
forget
HF_TOKEN=the-token gets "a token is not for texts" text "$main/text/a.txt"
same "a token is not for texts: not sent" 0 "$(asked 'Authorization=[^ ]')"
rm -f corpus.yaml
refused "without a token" 3 "status 401.*set HF_TOKEN" model gated/sharded
HF_TOKEN=wrong refused "a wrong token" 3 "status 401.*HF_TOKEN may not be valid" model gated/sharded
HF_TOKEN=$'a\r\nb: c' refused "a token of two lines" 2 "HF_TOKEN holds no token" model gated/sharded

# --- repositories that are damaged or mean harm
refused "pickled weights" 3 "holds its weights as .bin files only, .*refused" model pickled/tiny
refused "an index that leaves the folder" 3 "its index names a file '../../../../escaped.safetensors'.*do not trust" \
    model hostile/tiny
refused "a commit that leaves the folder" 3 "without the commit and the files" model commit/tiny
refused "damaged on its way" 3 "came with the SHA-256 [0-9a-f]*, where it should have" model damaged/tiny
refused "damaged, and known by its first answer alone" 3 "came with the SHA-256" model plain/damaged
refused "a small file damaged" 3 "vocab.json: came as the Git blob" model damagedsmall/tiny
refused "of another length" 3 "bytes, where (its index says|it should have)" model longer/tiny
refused "100 GB" 3 "has 107374182400 bytes, and 68719476736 are allowed" model huge/tiny
refused "a page for an answer" 3 "a page for people, not with JSON" model captive/tiny
refused "no such model" 3 "is not there .status 404." model good/none
refused "no such revision" 3 "is not there .status 404." model good/tiny --revision nowhere
for name in ../x /etc good/../x a/b/c .git 'a b' ''; do
    refused "a name '$name'" 2 "is not the name of a model" model "$name"
done
refused "two models" 2 "one model at a time" model good/tiny good/sharded
mkdir there
refused "a link where a folder is" 4 "there is there and is no link" model good/tiny -o there
forget
echo >file
refused "a link below a file" 4 "the link file/no/where cannot be made: Not a directory: choose another -o" model good/tiny -o file/no/where
same "a link below a file: said before anything is asked" 0 "$(asked .)"
gets "a link in folders that are not there" model good/tiny -o no/where/tiny
check "a link in folders that are not there: the files" same_files "$models/tiny" no/where/tiny
gets "a link that is turned" model good/sharded -o link
check "a link that is turned: the files" same_files "$models/sharded" link
same "nothing left the cache" 0 "$(find "$work" "$work/../escaped"* -name 'escaped*' 2>/dev/null | wc -l)"
for kind in damaged/tiny pickled/tiny hostile/tiny longer/tiny; do
    check "$kind: no folder" test ! -e "$LAMINAR_CACHE/models/$kind"
done
