"""The page of laminar report as text: python3 check_page.py DEMO.json ONE.html TWO.html

DEMO.json is laminar info's of the result in ONE.html; TWO.html has another with hostile texts.
"""
import base64
import hashlib
import html.parser
import json
import re
import sys

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.inside, self.tables, self.raw = [], {}, None, {}, open(path).read()
        self.table = self.cell = None
        self.feed(self.raw)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "title", "h1", "pre", "figcaption"):
            self.inside = tag
            self.text.setdefault(tag, []).append("")
        if tag == "table":
            self.table = {"id": dict(attributes).get("id"), "caption": False, "rows": []}
        if tag == "caption":
            self.table["caption"] = True
        if tag == "tr" and self.table:
            self.table["rows"].append([])
        if tag in ("td", "th") and self.table:
            self.table["rows"][-1].append("")

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None
        if tag == "table":
            self.tables[self.table["id"] or f"facts {len(self.tables)}"] = self.table
            self.table = None

    def handle_data(self, data):
        if self.inside:
            self.text[self.inside][-1] += data
        elif self.table and self.table["rows"]:
            self.table["rows"][-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def check_safe(page):
    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in policy["content"] and "unsafe" not in policy["content"]
    assert "http" not in policy["content"].replace("'none'", "")
    for tag, name in ("script", "script-src"), ("style", "style-src"):
        assert len(page.text[tag]) == 1, f"{len(page.text[tag])} of {tag}"
        digest = base64.b64encode(hashlib.sha256(page.text[tag][0].encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy["content"], f"{name} is not the {tag}'s"
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"<{tag} {name}>"
            assert name != "style" and name != "srcset", f"<{tag} {name}>"
            if name in ("href", "src", "data", "action", "xlink:href"):
                assert value.startswith("#") or value == "data:,", f"<{tag} {name}={value}>"
        assert tag not in ("img", "iframe", "object", "embed", "form", "b", "i", "base"), tag
    rest = page.raw.replace(page.text["script"][0], "")
    assert not re.search(r"https?:", rest), "an address in the page"
    assert "@import" not in rest and "url(" not in rest


def check_accessible(page):
    assert page.all("html")[0].get("lang") == "en"
    assert len(page.text["title"]) == 1 and page.text["title"][0].strip()
    assert len(page.text["h1"]) == 1
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers)), "an id twice"
    drawings = [a for a in page.all("svg") if "data-table" in a]
    assert len(drawings) == len(page.all("figure")) > 20
    for drawing in drawings:
        assert drawing["role"] == "img" and drawing["tabindex"] == "0" and drawing["aria-label"]
        assert drawing["data-table"] in page.tables
    for name, table in page.tables.items():
        assert table["caption"], f"{name} has no caption"
        widths = {len(row) for row in table["rows"]}
        assert len(widths) == 1 and len(table["rows"]) > 1, f"{name}: rows of {widths} cells"
    for link in page.all("a"):
        assert link["href"][1:] in identifiers, link
    sections = [a["id"] for a in page.all("section")]
    for name in ("run", "settings", "again", "figure-sae", "figure-tuning_qkv"):
        assert name in sections, name


def check_values(page, result):
    groups = {g["name"]: {v["name"]: v for v in g["variables"]} for g in result["groups"]}

    def same(table, column, group, variable):
        rows = page.tables[table]["rows"]
        values = groups[group][variable]["values"]
        assert len(rows) == len(values) + 1
        for row, value in zip(rows[1:], values):
            given = float(row[column]) if row[column].strip() else None
            assert (given is None) == (value is None), (table, row, value)
            if value is not None:
                assert abs(given - value) <= 5.1e-6 * abs(value), (table, row, value)

    same("sae-1", 1, "sae", "density")
    same("sae-3", 1, "sae", "mse")
    same("attention-5", 1, "attention", "final_mean")
    same("attention-5", 2, "attention", "self_mean")
    same("tuning_mlp_fc-1", 1, "tuning/mlp_fc", "share_significant")
    assert [row[0] for row in page.tables["sae-1"]["rows"][1:]] == [str(i) for i in range(12)]
    assert len(page.tables["attention-1"]["rows"]) == 301
    stored = result["profile_sha256"]["stored"]
    assert f"{stored} (verified)" in page.raw
    for name in "model_sha256", "tokenizer_sha256", "cpu_features", "laminar_version":
        assert str(result["attributes"][name]) in page.raw, name
    assert result["attributes"]["job"].strip() in [text.strip() for text in page.text["pre"]]


def check_hostile(page):
    assert "<script>pwned()" in page.text["h1"][0], page.text["h1"]
    everything = json.dumps([t["rows"] for t in page.tables.values()], ensure_ascii=False)
    for text in "<script>pwned()", "</table>", "--><b>", "<i>sun", "&amp;":
        assert text in everything, text
    assert page.raw.count("<script") == 1 and page.raw.count("<img") == 0


def main():
    result, one, two = json.load(open(sys.argv[1])), Page(sys.argv[2]), Page(sys.argv[3])
    for page in one, two:
        check_safe(page)
        check_accessible(page)
    check_values(one, result)
    check_hostile(two)


main()
