"""Makes what the tests of the tokenizers compare with, by the library that its owners use. Run once, kept for the record:

    pip install tokenizers
    python make_tokens.py [--shared ../../../shared] [--demo ../../jobs/demo/model]

tokenization-demo.json  strings and their ids by the demo model's tokenizer, as in tokenization.json
tokens.json             for each text and page of the shared data ("files") and for noise ("noise", made by the same few lines
                        in test_tokenizer.c), with each tokenizer: how many ids it has, and the SHA-256 of the ids as
                        little-endian 32-bit numbers. "variants": the same for noise with the demo model's tokenizer as a
                        tokenizer.json in which "change" replaces the top keys; "pairs": merges are ["a", "b"]
unicode.json            which code points the split takes for spaces, letters and numbers, as ranges; the SHA-256 of the normal
                        form C of sweep(), and of its bytes before

A file is read as UTF-8 with U+FFFD for what is not (errors="replace"), and no special tokens are put around it.
"""
import argparse
import array
import hashlib
import json
import pathlib
import sys

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

NASTY = [
    "<|endoftext|>", "<|endoftext|><|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|", "<|endoftext |>",
    "<<|endoftext|>>", "\n\n\n", "\r\n\r\n", " \n \n ", "a \n b", "a  b", "a\u00a0 b", "a \u00a0b", "\u3000\u3000x", "\u0085x",
    "it's", "it'S", "it' s", "'", "''", "'''s", " 's", "x'll've'd", "'l", "'r", "\u2019s", "!'s", "1's", "'re'",
    "1a2b", "a1!", "\u00bd\u0663x", "\u2167\u3007", "\u0915\u094d\u0937", "e\u0301", "\u1100\u1161\u11a8", "\uac00\u11a7",
    "\U0001F1E9\U0001F1EA", "\U00016D40\U00010D40x", "\U0010FFFF", "\uFFFD", "\x00\x00", "\x1c\x1f\x7f", "\u200b\u200d\ufeff", "\u180e",
    "a" * 100, " " * 100, "=" * 100, "ab" * 100, "\u00e9" * 60, "\U0001F600" * 40, "the" * 60, "\t" * 70 + "x", "\n" * 49 + " x",
]
END = {"id": 0, "content": "<|endoftext|>", "special": True, "normalized": False, "single_word": False, "lstrip": False,
       "rstrip": False}


def byte_level(prefix_space=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": regex}


def added(vocab, *tokens):
    """Added tokens that are not special, with the ids the library gives them; those with a * before are not normalized."""
    new = (t.lstrip("*") for t in tokens if t.lstrip("*") not in vocab)
    ids = vocab | {t: len(vocab) + i for i, t in enumerate(new)}
    return [END | {"id": ids[t.lstrip("*")], "content": t.lstrip("*"), "special": False, "normalized": not t.startswith("*")}
            for t in tokens]


def variants(vocab):
    return [
        {"pairs": False, "change": {}},
        {"pairs": True, "change": {"pre_tokenizer": byte_level(prefix_space=True)}},
        {"pairs": True, "change": {"pre_tokenizer": byte_level(regex=False), "normalizer": {"type": "NFC"}}},
        {"pairs": False, "change": {
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [byte_level(prefix_space=True)]},
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
            "decoder": byte_level(prefix_space=True),
            "added_tokens": [END] + added(vocab, "  ", "   ", "e\u0301", "*of", "th", " the", "*|>", "\u1100\u1161", "=" * 30,
                                          "*\u00a0")}},
        {"pairs": False, "change": {"added_tokens": [END] + added(vocab, "*  ", "*   ", "e\u0301", "of", "*o", "a" * 7)}},
    ]


FRAGMENTS = [
    b"<|endoftext|>", b"<|padding|>", b"<|endoftext|", b"<|", b"|>", b" ", b"  ", b"   ", b"\n", b"\r\n", b"\t", b"'s", b"'t",
    b"'re", b"'ve", b"'m", b"'ll", b"'d", b"'S", b"'", b" the", b" of", b"tion", b"12", b"...", b"=" * 60, b"a" * 60, b" " * 30,
    b"\xc2\xa0", b"\xe3\x80\x80", b"\xe2\x80\x99s", b"e\xcc\x81", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\x80", b"\xf4\x90\x80\x80",
]


def bytes_of(code):
    """As UTF-8 would write it, surrogates too."""
    return chr(code).encode("utf-8", errors="surrogatepass")


def noise():
    """2,000 texts of 100 parts each: bytes, characters and fragments, by Knuth's 64-bit congruential generator."""
    state = 1
    for _ in range(2000):
        text = b""
        for _ in range(100):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            kind, rest = state >> 61, state >> 33 & 0xFFFFFFF
            text += (bytes([rest % 256]) if kind == 0 else
                     bytes_of(rest % 0x110000) if kind == 1 else
                     bytes_of(rest % 0x250) if kind == 2 else
                     bytes_of(0x300 + rest % 0x70) if kind == 3 else
                     bytes_of(0x1100 + rest % 0x100) if kind == 4 else
                     FRAGMENTS[rest % len(FRAGMENTS)] if kind == 5 else
                     bytes_of(0x900 + rest % 0x1700) if kind == 6 else
                     bytes([0x20 + rest % 95]))
        yield text


def sweep():
    """Every code point but surrogates between marks, in lines of 4,096."""
    for first in range(0x80, 0x110000, 4096):
        codes = [c for c in range(first, min(first + 4096, 0x110000)) if not 0xD800 <= c < 0xE000]
        yield "".join(f"x{chr(c)}\u0345\u0334\u0301{chr(c)}\u11a8" for c in codes) + "\n"


def gpt2(folder):
    t = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    t.add_special_tokens(["<|endoftext|>"])
    return t


def variant(folder, pairs, change):
    merges = [m for m in (folder / "merges.txt").read_text().splitlines() if not m.startswith("#version")]
    made = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [END], "normalizer": None,
            "pre_tokenizer": byte_level(), "post_processor": None, "decoder": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": json.loads((folder / "vocab.json").read_text()),
                      "merges": [m.split(" ") for m in merges] if pairs else merges}}
    return Tokenizer.from_str(json.dumps(made | change))


def ids_of(tokenizer, data):
    return tokenizer.encode(data.decode("utf-8", errors="replace"), add_special_tokens=False).ids


def digest(texts, tokenizer):
    made, count = hashlib.sha256(), 0
    for text in texts:
        ids = array.array("I", ids_of(tokenizer, text))
        if sys.byteorder == "big":
            ids.byteswap()
        made.update(ids.tobytes())
        count += len(ids)
    return {"tokens": count, "sha256": made.hexdigest()}


def kinds():
    """Pairs [first, last] of code points of each kind: those that do not split off after one of their own."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    made = {"space": [], "letter": [], "number": []}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        kind = next((k for k, own in (("letter", "a"), ("number", "1"), ("other", "!"))
                     if len(split(own + chr(code))) == 1), "space")
        if kind == "other":
            continue
        if made[kind] and made[kind][-1][1] == code - 1:
            made[kind][-1][1] = code
        else:
            made[kind].append([code, code])
    return made


def main():
    here = pathlib.Path(__file__).resolve().parent
    a = argparse.ArgumentParser()
    a.add_argument("--shared", type=pathlib.Path, default=here.parents[2] / "shared")
    a.add_argument("--demo", type=pathlib.Path, default=here.parents[1] / "jobs" / "demo" / "model")
    o = a.parse_args()
    data = o.shared / "data"
    known = {"gpt2": gpt2(data / "gpt2"), "pythia": Tokenizer.from_file(str(data / "pythia" / "tokenizer.json")),
             "demo": gpt2(o.demo)}

    strings = json.loads((here / "tokenization.json").read_text())["strings"] + NASTY
    made = {"strings": strings, "demo": [ids_of(known["demo"], s.encode()) for s in strings]}
    (here / "tokenization-demo.json").write_text(json.dumps(made, indent=None, separators=(",", ":")).replace("],[", "],\n[")
                                                 .replace('","', '",\n"') + "\n")

    files = sorted(p for p in data.rglob("*") if p.suffix in (".txt", ".html") and p.parent.name in ("course", "pkd", "wikipedia"))
    made = {"library": f"tokenizers {tokenizers.__version__}",
            "noise": {k: digest(noise(), t) for k, t in known.items()},
            "variants": [v | digest(noise(), variant(o.demo, **v)) for v in variants(known["demo"].get_vocab())],
            "files": {str(p.relative_to(data)): {k: digest([p.read_bytes()], t) for k, t in known.items()} for p in files}}
    (here / "tokens.json").write_text(json.dumps(made, indent=1) + "\n")

    before, after = hashlib.sha256(), hashlib.sha256()
    for line in sweep():
        before.update(line.encode())
        after.update(normalizers.NFC().normalize_str(line).encode())
    made = kinds() | {"sweep_sha256": before.hexdigest(), "nfc_sha256": after.hexdigest()}
    (here / "unicode.json").write_text(json.dumps(made, separators=(",", ":")).replace("],", "],\n").replace("]],", "]],\n") + "\n")


main()
