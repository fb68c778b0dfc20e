"""The pages of laminar report in a browser: python3 check_browser.py CHROMIUM ONE.html TWO.html FOLDER

TWO.html has hostile texts. Pictures are left in FOLDER. Every failed check is a line; all are made.
"""
import base64
import csv
import os
import re
import sys
import time

from browser import Browser

failures = []


def check(what, good, seen=None):
    if not good:
        failures.append(f"{what}: {seen!r}")
        print(f"not so: {what}: {seen!r}")


def check_quiet(browser, path):
    """Nothing on the console, nothing asked of the network."""
    told = [e for e in browser.events if e["method"] in
            ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")]
    check(f"{path}: the console is empty", not told, told[:3])
    asked = {e["params"]["request"]["url"] for e in browser.events
             if e["method"] == "Network.requestWillBeSent"}
    asked = {url for url in asked if not url.startswith(("blob:", "data:"))}
    check(f"{path}: only the page itself is asked for",
          asked == {"file://" + os.path.abspath(path)}, asked)


def check_policy(browser, path):
    """The page could not ask for anything even if it wanted to. Last: it fills the console."""
    browser.open(path)
    blocked = browser.run("""new Promise(done => {
        const seen = [];
        document.addEventListener("securitypolicyviolation", e => seen.push(e.violatedDirective));
        fetch("http://127.0.0.1:9/").catch(() => {});
        const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
        add("img", {src: "http://127.0.0.1:9/x.png"});
        add("script", {textContent: "window.pwned = 1"});
        add("iframe", {src: "http://127.0.0.1:9/"});
        add("link", {rel: "stylesheet", href: "http://127.0.0.1:9/x.css"});
        add("style", {textContent: "body {color: red}"});
        setTimeout(() => done([seen.sort(), window.pwned]), 500);
    })""")
    wanted = ["connect-src", "frame-src", "img-src", "script-src-elem", "style-src-elem",
              "style-src-elem"]
    check("the policy forbids all", blocked[0] == wanted, blocked)


CONTRAST = """(() => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
    const draw = canvas.getContext("2d", {willReadFrequently: true});
    const light = text => {
        draw.fillStyle = text;
        draw.fillRect(0, 0, 1, 1);
        const part = [...draw.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
    };
    const style = getComputedStyle(document.documentElement), out = {};
    const paper = light(style.getPropertyValue("--paper"));
    for (const name of ["ink", "soft", "link", "warn", "c0", "c1", "c2", "c3", "c4", "c5", "c6"]) {
        const own = light(style.getPropertyValue("--" + name));
        out[name] = (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05);
    }
    return out;
})()"""


def check_contrast(browser, mode):
    """WCAG 2: 4.5 for text, 3 for the parts of a drawing."""
    for name, ratio in browser.run(CONTRAST).items():
        least = 3 if re.fullmatch(r"c\d", name) else 4.5
        check(f"contrast of {name} in {mode}", ratio >= least, round(ratio, 2))


def check_overflow(browser, width):
    seen = browser.run("document.documentElement.scrollWidth")
    check(f"nothing sticks out at {width} pixels", seen <= width, seen)


# Letters smaller than this cannot be read on a phone.
SMALLEST = """Math.min(...[...document.querySelectorAll("main *")]
    .filter(e => e.firstChild && e.firstChild.nodeType === 3 && e.firstChild.data.trim()
                 && e.getClientRects().length)
    .map(e => parseFloat(getComputedStyle(e).fontSize) *
              (e.ownerSVGElement ? e.ownerSVGElement.getBoundingClientRect().width /
                                   e.ownerSVGElement.viewBox.baseVal.width : 1)))"""

# Texts of a drawing that lie over each other or leave it.
OVERLAPS = """[...document.querySelectorAll("figure > svg")].flatMap(svg => {
    const box = svg.getBoundingClientRect(), found = [];
    const texts = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([text, a], i) => {
        if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 1 ||
            a.bottom > box.bottom + 1) found.push([svg.dataset.table, text, "sticks out"]);
        for (const [other, b] of texts.slice(i + 1))
            if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
                found.push([svg.dataset.table, text, other]);
    });
    return found;
})"""


# Leaves a section alone on the page, so that what stands above it, which depends on the time that
# the run took, does not move it by part of a pixel; says where it is.
ALONE = """name => {
    const section = document.getElementById(name);
    window.hidden = [];
    for (let e = section; e !== document.body; e = e.parentElement)
        hidden.push(...[...e.parentElement.children].filter(other => other !== e));
    hidden.forEach(e => e.style.display = "none");
    const box = section.getBoundingClientRect();
    return [box.x + scrollX, box.y + scrollY, box.width, box.height];
}"""


def check_looks(browser, path, folder):
    def section(name, picture):
        box = browser.run(f"({ALONE})('{name}')")
        browser.picture(os.path.join(folder, picture), box)
        browser.run("hidden.forEach(e => e.style.display = '')")

    browser.open(path)
    browser.view(1200, 900)
    check_contrast(browser, "light")
    seen = browser.run(OVERLAPS)
    check("no labels over each other", not seen, seen[:5])
    section("figure-attention", "report_light.png")
    section("figure-selectivity", "report_bands.png")
    browser.view(1200, 900, dark=True)
    check_contrast(browser, "dark")
    check("dark is dark", browser.run("getComputedStyle(document.body).backgroundColor") ==
          "rgb(21, 24, 28)")
    section("figure-attention", "report_dark.png")
    for width in 320, 390:
        browser.view(width, 800)
        check_overflow(browser, width)
    smallest = browser.run(SMALLEST)
    check("letters can be read on a phone", smallest >= 9.5, smallest)
    section("figure-sae", "report_phone.png")
    browser.view(760, 1000, media="print", dark=True)
    check("paper is white", browser.run("getComputedStyle(document.body).backgroundColor") ==
          "rgb(255, 255, 255)")
    section("figure-tuning_qkv", "report_print.png")
    paper = base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    check("it prints", paper.startswith(b"%PDF") and 4 < pages < 40, pages)
    browser.view(1200, 900)


def tip(browser):
    return browser.run('document.getElementById("tip").textContent')


def check_values(browser, path):
    browser.open(path)
    # Layer 3 of the density: pointed at, its value is that of the table.
    cell = browser.run('document.getElementById("sae-1").rows[4].cells[1].textContent')
    place = browser.run("""(() => {
        const svg = document.querySelector("[data-table=sae-1]");
        svg.scrollIntoView({block: "center", behavior: "instant"});
        const dot = /M([0-9.]+) ([0-9.]+)h0/g, dots = svg.querySelector(".dots").getAttribute("d");
        const at = [...dots.matchAll(dot)][3], box = svg.getBoundingClientRect();
        const unit = box.width / svg.viewBox.baseVal.width;
        return [box.x + at[1] * unit, box.y + at[2] * unit];
    })()""")
    time.sleep(0.3)
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    seen = tip(browser)
    check("the value under the pointer", seen.split("\n")[0] == "layer 3" and
          seen.split("\n")[1].endswith(": " + cell), (seen, cell))
    shown = browser.run("""(() => { const b = document.getElementById("tip").getBoundingClientRect();
        return b.width > 20 && b.left >= 0 && b.right <= innerWidth && b.bottom <= innerHeight; })()""")
    check("it is shown within the window", shown)

    # A map by the keyboard.
    browser.run('document.querySelector("[data-table=attention-1]").focus()')
    for _ in range(3):
        browser.key("ArrowRight", 39)
    browser.key("ArrowUp", 38)
    wanted = browser.run("""(() => { const row = document.getElementById("attention-1").rows[3];
        return `attention weight ${row.cells[0].textContent}\\nlayer 1: ${row.cells[2].textContent}`;
    })()""")
    check("the value by the arrow keys", tip(browser) == wanted, (tip(browser), wanted))
    browser.key("Escape", 27)
    check("Escape hides it", tip(browser) == "")
    # Curves with an x of their own.
    browser.run('document.querySelector("[data-table=heads-1]").focus()')
    browser.key("ArrowRight", 39)
    wanted = browser.run("""(() => { const row = document.getElementById("heads-1").rows[1];
        return `raw score q.k ${Number(row.cells[1].textContent)}\\nlayer 0: ` +
               Number(row.cells[2].textContent); })()""")
    check("the value of a curve with its own x", tip(browser) == wanted, (tip(browser), wanted))

    # What the Tab key reaches, from the top: the first drawing, its table.
    browser.open(path)
    reached = []
    for _ in range(60):
        browser.key("Tab", 9)
        reached.append(browser.run('document.activeElement.tagName.toLowerCase()'))
        if reached[-1] == "summary":
            break
    check("Tab reaches links, drawings and tables", {"a", "svg", "summary"} <= set(reached), reached)
    browser.key("Enter", 13)
    check("a table opens by the keyboard",
          browser.run("document.activeElement.parentElement.open"),
          browser.run("document.activeElement.outerHTML.slice(0, 200)"))


def check_tables(browser, path, folder):
    browser.open(path)
    browser.run("""document.getElementById("sae-1").closest("details").open = true;
                   new Promise(done => setTimeout(done, 100))""")
    column = """[...document.getElementById("sae-1").tBodies[0].rows].map(r => r.cells[1].textContent)"""
    before = [float(v) for v in browser.run(column) if v]
    for order, wanted in ("ascending", sorted(before)), ("descending", sorted(before)[::-1]):
        browser.run('document.getElementById("sae-1").tHead.rows[0].cells[1].firstChild.click()')
        seen = [float(v) for v in browser.run(column) if v]
        check(f"sorted, {order}", seen == wanted, seen)
        check(f"it says so, {order}", order == browser.run(
            'document.getElementById("sae-1").tHead.rows[0].cells[1].getAttribute("aria-sort")'))
    os.makedirs(folder, exist_ok=True)
    for table in "sae-1", "categories-1":
        browser.call("Browser.setDownloadBehavior", behavior="allow",
                     downloadPath=os.path.abspath(folder))
        browser.run(f"""document.querySelector('[data-csv="{table}"]').click()""")
        name = os.path.join(folder, table + ".csv")
        deadline = time.monotonic() + 20
        while not os.path.exists(name) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not os.path.exists(name):
            check(f"the CSV of {table} comes", False, os.listdir(folder))
            continue
        lines = list(csv.reader(open(name, newline="")))
        wanted = browser.run(f"""[...document.getElementById("{table}").rows].map(r =>
            [...r.cells].map(c => c.textContent))""")
        check(f"the CSV of {table} is the table", lines == wanted and len(lines) > 3, lines[:2])


def check_names(browser, path):
    """What a screen reader is told."""
    browser.open(path)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]

    def names(role):
        return [n.get("name", {}).get("value", "") for n in nodes
                if n.get("role", {}).get("value") == role and not n.get("ignored")]

    for role, least in ("image", 20), ("table", 3), ("link", 10), ("heading", 10), ("region", 3):
        found = names(role)
        if role == "image":
            found = names("image") + names("img")
        check(f"names of {role}", len(found) >= least and all(n.strip() for n in found),
              (len(found), found[:3]))
    check("a main part", names("main") != [])
    check("a page of English", browser.run("document.documentElement.lang") == "en")


def main():
    program, one, two, folder = sys.argv[1:5]
    browser = Browser(program)
    try:
        for path in one, two:
            check_looks(browser, path, folder) if path == one else browser.open(path)
            check_quiet(browser, path)
        check("hostile texts do nothing", browser.run(
            "typeof pwned === 'undefined' && document.querySelectorAll('img, b, i').length === 0 "
            "&& document.scripts.length === 1"))
        for width in 320, 1200:
            browser.view(width, 900)
            check_overflow(browser, width)
        check_values(browser, one)
        check_quiet(browser, one)
        check_tables(browser, one, folder)
        check_quiet(browser, one)
        check_tables(browser, two, os.path.join(folder, "two"))
        check_quiet(browser, two)
        check_names(browser, two)
        check_policy(browser, one)
    finally:
        browser.close()
    print(f"{len(failures)} checks failed")
    return bool(failures)


sys.exit(main())
