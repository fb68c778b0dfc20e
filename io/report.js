// What moves in the page of laminar report: values under the pointer or the arrow keys, tables that
// sort, and their CSV. All values are read from the tables. Without it the page is whole but still.
"use strict";
(() => {
    const tip = document.getElementById("tip");
    const svgName = "http://www.w3.org/2000/svg";
    const number = text => (text === "" ? NaN : Number(text));

    // A table's headings, and its rows as numbers in their first order.
    function read(table) {
        const heads = [...table.tHead.rows[0].cells];
        const rows = [...table.tBodies[0].rows].map(row =>
            [...row.cells].map(cell => number(cell.textContent)));
        rows.sort((a, b) => a[0] - b[0]);
        return {
            names: heads.map(head => head.textContent),
            bound: heads.map(head => head.hasAttribute("data-bound")),
            rows,
        };
    }

    const scale = text => {
        const [low, high, from, to, log] = text.split(" ").map(Number);
        const f = log ? value => Math.log10(Math.max(value, low)) : value => value;
        return value => from + ((to - from) * (f(value) - f(low))) / (f(high) - f(low));
    };

    // The series of points of a panel of curves, at their places in the drawing.
    function series(svg, table) {
        const data = read(table), x = scale(svg.dataset.x), y = scale(svg.dataset.y);
        const pairs = table.hasAttribute("data-pairs"), all = [];
        for (let c = pairs ? 2 : 1; c < data.names.length; c += pairs ? 2 : 1) {
            if (data.bound[c]) continue;
            const points = data.rows
                .map(row => ({ x: row[pairs ? c - 1 : 0], y: row[c] }))
                .filter(point => !isNaN(point.x) && !isNaN(point.y))
                .map(point => ({ ...point, at: [x(point.x), y(point.y)] }));
            if (points.length) all.push({ name: data.names[c], points });
        }
        return { all, label: data.names[pairs ? 1 : 0].split(",")[0] };
    }

    // The columns of cells of a map.
    function cells(svg, table) {
        const data = read(table);
        const [, , left, right] = svg.dataset.x.split(" ").map(Number);
        const [, , bottom, top] = svg.dataset.y.split(" ").map(Number);
        const columns = data.rows.length, rows = data.names.length - 1;
        const width = (right - left) / columns, height = (bottom - top) / rows;
        const all = data.names.slice(1).map((name, r) => ({
            name,
            points: data.rows.map((row, c) => ({
                x: row[0],
                y: row[r + 1],
                at: [left + width * (c + 0.5), bottom - height * (r + 0.5)],
            })),
        }));
        return { all, label: data.names[0] };
    }

    const panels = new WeakMap();
    function panelOf(svg) {
        if (!panels.has(svg)) {
            const table = document.getElementById(svg.dataset.table);
            const made = (svg.dataset.kind === "map" ? cells : series)(svg, table);
            const mark = document.createElementNS(svgName, "circle");
            mark.setAttribute("class", "mark");
            mark.setAttribute("r", "5");
            panels.set(svg, { ...made, mark, s: 0, i: -1 });
        }
        return panels.get(svg);
    }

    let shown = null; // the drawing that the tip belongs to
    const say = value => (isNaN(value) ? "missing" : String(value));

    function show(svg, panel) {
        const own = panel.all[panel.s], point = own.points[panel.i];
        svg.append(panel.mark);
        panel.mark.setAttribute("cx", point.at[0]);
        panel.mark.setAttribute("cy", point.at[1]);
        const lines = [`${panel.label} ${point.x}`];
        const few = svg.dataset.kind !== "map" && panel.all.length <= 9;
        for (const other of few ? panel.all : [own]) {
            const there = other === own ? point : other.points.find(p => p.x === point.x);
            if (there) lines.push(`${other.name}: ${say(there.y)}`);
        }
        tip.textContent = lines.join("\n");
        shown = svg;
        put();
    }

    // Beside the point, within the window.
    function put() {
        const panel = panels.get(shown), point = panel.all[panel.s].points[panel.i];
        const box = shown.getBoundingClientRect(), unit = box.width / shown.viewBox.baseVal.width;
        const x = box.left + point.at[0] * unit + 14, y = box.top + point.at[1] * unit + 14;
        const left = Math.min(x, document.documentElement.clientWidth - tip.offsetWidth - 4);
        tip.style.left = `${Math.max(0, left)}px`;
        tip.style.top = `${Math.min(y, innerHeight - tip.offsetHeight - 4)}px`;
    }

    function hide(svg) {
        if (shown === svg) {
            tip.textContent = "";
            shown = null;
        }
        if (panels.has(svg)) panels.get(svg).mark.remove();
    }

    function point(event) {
        const svg = event.currentTarget, panel = panelOf(svg);
        const box = svg.getBoundingClientRect(), unit = box.width / svg.viewBox.baseVal.width;
        const x = (event.clientX - box.left) / unit, y = (event.clientY - box.top) / unit;
        let best = Infinity;
        panel.all.forEach((one, s) => one.points.forEach((p, i) => {
            const distance = Math.hypot(p.at[0] - x, p.at[1] - y);
            if (distance < best) [best, panel.s, panel.i] = [distance, s, i];
        }));
        if (best < Infinity) show(svg, panel);
    }

    function key(event) {
        const svg = event.currentTarget;
        const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
        if (event.key === "Escape") hide(svg);
        const move = step[event.key], panel = panelOf(svg);
        if (!move || !panel.all.length || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
        panel.s = within(panel.s + move[0], panel.all.length);
        panel.i = within(panel.i + move[1], panel.all[panel.s].points.length);
        show(svg, panel);
    }

    for (const svg of document.querySelectorAll("svg[data-table]")) {
        svg.addEventListener("pointermove", point);
        svg.addEventListener("pointerdown", point);
        svg.addEventListener("pointerleave", () => hide(svg));
        svg.addEventListener("blur", () => hide(svg));
        svg.addEventListener("keydown", key);
    }
    addEventListener("scroll", () => { if (shown) put(); }, { passive: true });

    function sort(table, column, head) {
        const down = head.getAttribute("aria-sort") === "ascending", rows = [...table.tBodies[0].rows];
        const value = row => number(row.cells[column].textContent);
        rows.sort((a, b) => {
            const [x, y] = [value(a), value(b)];
            return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : down ? y - x : x - y;
        });
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        table.tBodies[0].append(...rows);
    }

    // A spreadsheet would take a text that begins like this for a formula.
    const field = text => {
        const plain = /^[=+\-@\t]/.test(text) && isNaN(Number(text)) ? "'" + text : text;
        return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
    };

    function download(button) {
        const table = document.getElementById(button.dataset.csv);
        const lines = [...table.rows].map(row =>
            [...row.cells].map(cell => field(cell.textContent)).join(","));
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
        link.download = `${button.dataset.csv}.csv`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }

    // A table gets its buttons when it is first opened: there are many.
    document.addEventListener("toggle", event => {
        const table = event.target.open && event.target.querySelector("table.values");
        if (!table || table.dataset.ready) return;
        table.dataset.ready = "yes";
        [...table.tHead.rows[0].cells].forEach((head, column) => {
            const button = document.createElement("button");
            button.type = "button";
            button.append(...head.childNodes);
            head.append(button);
            button.addEventListener("click", () => sort(table, column, head));
        });
    }, true);
    for (const button of document.querySelectorAll("button[data-csv]")) {
        button.hidden = false;
        button.addEventListener("click", () => download(button));
    }
})();
