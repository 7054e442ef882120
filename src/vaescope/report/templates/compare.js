// Two datasets, or two versions of one, side by side: data, recipe, numbers, findings, figures.
"use strict";
(() => {
  const holder = document.getElementById("facts");
  if (!holder || !window.DecompressionStream) return;
  const at = (id) => document.getElementById(id);
  const panel = at("compare");
  const sides = { left: [at("left-set"), at("left-version")],
                  right: [at("right-set"), at("right-version")] };
  let known = null;

  const read = async () => {
    if (known) return;
    const packed = Uint8Array.from(atob(holder.textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    known = await new Response(stream).json();
    for (const [sets] of Object.values(sides)) {
      sets.replaceChildren(...known.datasets.map((one, k) => new Option(one.name, k)));
    }
  };

  const make = (tag, text = "", look = "") => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (look) made.className = look;
    return made;
  };

  const versionsOf = (side) => known.datasets[Number(sides[side][0].value)].versions;
  const chosen = (side) => versionsOf(side)[Number(sides[side][1].value)];

  const fill = (side, wanted = 0) => {
    const options = versionsOf(side).map((one, k) => new Option(
      one.id + (one.latest ? " (latest)" : "") + (one.drawn ? ` · ${one.drawn}` : ""), k));
    sides[side][1].replaceChildren(...options);
    sides[side][1].value = String(Math.min(wanted, options.length - 1));
  };

  const table = (title, heads, rows, empty) => {
    const part = make("section");
    part.append(make("h3", title));
    if (!rows.length) {
      part.append(make("p", empty, "about"));
      return part;
    }
    const scroll = make("div", "", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    const [whole, head, body] = [make("table"), make("thead"), make("tbody")];
    const line = make("tr");
    for (const text of heads) {
      const cell = make("th", text);
      cell.scope = "col";
      line.append(cell);
    }
    head.append(line);
    for (const { cells, changed } of rows) {
      const row = make("tr", "", changed ? "changed" : "");
      const first = make("th", cells[0]);
      first.scope = "row";
      row.append(first, ...cells.slice(1).map((text) => make("td", text)));
      body.append(row);
    }
    whole.append(head, body);
    scroll.append(whole);
    part.append(scroll);
    return part;
  };

  // Rows of two maps; those that are the same only if they are asked for.
  const rowsOf = (one, other, all) => [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .map((key) => ({ cells: [key, one[key] ?? "–", other[key] ?? "–"],
                     changed: one[key] !== other[key] }))
    .filter((row) => all || row.changed);

  const texts = (data) => Object.fromEntries(Object.entries(data).map(([key, value]) => [
    key.replaceAll("_", " ").replace(/ px$/, " (px)"),
    Array.isArray(value) ? value.join(", ") : value === null ? "–" : String(value)]));

  const difference = (one, other) => {
    if (one === undefined || other === undefined || one === other) return "";
    const apart = other - one;
    const share = one ? ` (${apart > 0 ? "+" : "−"}${Math.abs(100 * apart / one).toPrecision(2) * 1} %)` : "";
    return `${apart > 0 ? "+" : "−"}${Math.abs(apart).toPrecision(3) * 1}${share}`;
  };

  const numbersOf = (one, other, all) => {
    const named = (version) => new Map((version.numbers ?? []).map(
      ([about, label, words, value]) => [`${about}: ${label}`, { words, value }]));
    const [a, b] = [named(one), named(other)];
    return [...new Set([...a.keys(), ...b.keys()])].map((key) => ({
      cells: [key, a.get(key)?.words ?? "–", b.get(key)?.words ?? "–",
              difference(a.get(key)?.value, b.get(key)?.value)],
      changed: a.get(key)?.value !== b.get(key)?.value,
    })).filter((row) => all || row.changed);
  };

  const findingsOf = (one, other, all) => {
    const said = (version) => new Map((version.findings ?? []).map(
      ([severity, about, words]) => [`${about}: ${words}`, severity]));
    const [a, b] = [said(one), said(other)];
    return [...new Set([...a.keys(), ...b.keys()])].map((key) => ({
      cells: [key, a.get(key) ?? "–", b.get(key) ?? "–"],
      changed: a.has(key) !== b.has(key),
    })).filter((row) => all || row.changed);
  };

  const picture = (side, file) => {
    const paper = make("div", "", "paper");
    const lost = (text) => paper.replaceChildren(make("p", text, "lost"));
    if (!file) {
      lost("This version lacks the figure.");
      return paper;
    }
    const folder = known.datasets[Number(sides[side][0].value)].folder;
    const address = `${folder}/figures/${encodeURIComponent(chosen(side).id)}/${encodeURIComponent(file)}`;
    const link = make("a");
    link.href = address;
    const image = make("img");
    image.loading = "lazy";
    image.alt = `${file}, ${side}`;
    image.addEventListener("error", () => lost(`${address} does not lie beside this page.`));
    image.src = address;
    link.append(image);
    paper.append(link);
    return paper;
  };

  const figuresOf = (one, other) => {
    const listed = (version) => new Map((known.figures[version.figures] ?? []).map(
      ([title, model, file]) => [file.replace(/\.\w+$/, ""), { title, model, file }]));
    const [a, b] = [listed(one), listed(other)];
    const part = make("section", "", "pairs");
    part.append(make("h3", "Figures"));
    for (const key of new Set([...a.keys(), ...b.keys()])) {
      const { title, model } = a.get(key) ?? b.get(key);
      const figure = make("figure");
      figure.append(make("figcaption", model ? `${model}: ${title}` : title),
                    picture("left", a.get(key)?.file), picture("right", b.get(key)?.file));
      part.append(figure);
    }
    return part;
  };

  const name = (side) => `${known.datasets[Number(sides[side][0].value)].name} · ${chosen(side).id}`;

  const draw = () => {
    const [one, other] = [chosen("left"), chosen("right")];
    const all = at("compare-all").checked;
    const heads = [name("left"), name("right")];
    const made = [];
    const same = sides.left[0].value === sides.right[0].value;
    if (one === other) made.push(make("p", "Both sides are the same version.", "about"));
    const missing = [one, other].filter((version) => version.recipe === undefined);
    if (missing.length) {
      made.push(make("p", `${missing.map((version) => version.id).join(" and ")}: drawn before facts`
        + " were kept with figures; only the figures can be compared.", "note"));
    } else {
      const settings = [known.recipes[one.recipe], known.recipes[other.recipe]];
      const count = Object.keys(settings[1]).length;
      made.push(
        table("Data", ["", ...heads], rowsOf(texts(one.data), texts(other.data), all),
              "The data are the same, byte for byte."),
        table("Recipe", ["setting", ...heads], rowsOf(...settings, all),
              `All ${count} settings are the same.`),
        table("Software", ["", ...heads], rowsOf({ vaescope: one.code, ...one.packages },
              { vaescope: other.code, ...other.packages }, all), "The software is the same."),
        table("Numbers", ["", ...heads, "right − left"], numbersOf(one, other, all),
              "All numbers are the same."),
        table("Findings", ["", ...heads], findingsOf(one, other, all),
              "The findings are the same on both sides."));
    }
    made.push(figuresOf(one, other));
    at("compared").replaceChildren(...made);
    at("compare-title").textContent = same
      ? `Compare versions of ${known.datasets[Number(sides.left[0].value)].name}` : "Compare";
    const address = ["left", "right"].map((side) =>
      encodeURIComponent(known.datasets[Number(sides[side][0].value)].name) + "@"
      + encodeURIComponent(chosen(side).id)).join(",");
    history.replaceState(null, "", `#compare=${address}`);
  };

  // `#compare=SET@VERSION,SET@VERSION`; of one dataset alone, its newest version and the one before.
  const open = async (wanted) => {
    await read();
    const parts = wanted.split(",").map((part) => part.split("@").map(decodeURIComponent));
    const place = (set) => known.datasets.findIndex((one) => one.name === set);
    const sets = parts.map(([set]) => place(set));
    if (sets[0] < 0) return;
    const single = parts.length === 1 || sets[1] < 0;
    const right = single ? sets[0] : sets[1];
    sides.left[0].value = String(sets[0]);
    sides.right[0].value = String(right);
    const version = (set, id, otherwise) => {
      const found = known.datasets[set].versions.findIndex((one) => one.id === id);
      return found < 0 ? otherwise : found;
    };
    fill("left", version(sets[0], parts[0][1], single ? 1 : 0));
    fill("right", version(right, single ? "" : parts[1][1], 0));
    panel.hidden = false;
    draw();
    panel.scrollIntoView();
    panel.focus({ preventScroll: true });
  };

  const asked = () => {
    const found = /^#compare=(.+)$/.exec(location.hash);
    if (found) open(found[1]);
  };

  for (const button of document.querySelectorAll("button[data-compare]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const name = button.dataset.compare;
      // A panel that is open keeps its left side, so that a second click chooses the right one.
      if (!panel.hidden && known) {
        const set = known.datasets.findIndex((one) => one.name === name);
        if (set >= 0) {
          sides.right[0].value = String(set);
          fill("right");
          draw();
          panel.scrollIntoView();
          panel.focus({ preventScroll: true });
        }
      } else {
        await open(encodeURIComponent(name));
      }
    });
  }
  for (const [side, [sets, ids]] of Object.entries(sides)) {
    sets.addEventListener("change", () => { fill(side); draw(); });
    ids.addEventListener("change", draw);
  }
  at("compare-all").addEventListener("change", draw);
  at("compare-swap").addEventListener("click", () => {
    const [left, right] = ["left", "right"].map((side) =>
      [sides[side][0].value, Number(sides[side][1].value)]);
    sides.left[0].value = right[0];
    fill("left", right[1]);
    sides.right[0].value = left[0];
    fill("right", left[1]);
    draw();
  });
  at("compare-close").addEventListener("click", () => {
    panel.hidden = true;
    at("compared").replaceChildren();
    history.replaceState(null, "", location.pathname + location.search);
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") at("compare-close").click();
  });
  window.addEventListener("hashchange", asked);
  asked();
})();
