// The course of a search: a slider over its steps, and what was believed after each.

const SEARCH_SIDE = 640; // pixels of the longer side of a panel
const SEARCH_PALE = 0.28; // opacity of candidates that could not be proposed
const SEARCH_LEVELS = 254;
const SEARCH_SECONDS = 0.4;

/** The panels of a search and the slider over its steps, where the page has one. */
async function makeSearch() {
  const root = document.getElementById("search-root");
  const sought = facts.search;
  if (!root || !sought) return;
  const names = Object.keys(sought.arrays);
  const opened = await Promise.all(names.map((name) => openArray(sought.arrays[name])));
  const arrays = Object.fromEntries(names.map((name, k) => [name, opened[k]]));
  const slider = document.getElementById("search-step");
  const panels = ["mean", "sd"].map((name) => searchPanel(sought, arrays, name));
  const steps = sought.kept.length;
  const show = makePlayer(
    slider, document.getElementById("search-play"), steps, SEARCH_SECONDS, (step) => {
      for (const panel of panels) panel.draw(step);
      const words = searchWords(sought, arrays, step);
      document.getElementById("search-words").textContent = words;
      slider.setAttribute("aria-valuetext", words);
    },
  );
  for (const panel of panels) {
    panel.canvas.addEventListener("pointermove", (event) => {
      const nearest = panel.candidate(event);
      document.getElementById("search-place").textContent =
        searchPlace(sought, arrays, Number(slider.value), nearest);
    });
  }
  document.getElementById("search-axes").textContent = searchAxes(sought);
  show(steps - 1);
  root.dataset.ready = "yes";
}

/** What the axes of the panels are, in words; nothing where they are those of an image. */
function searchAxes({ axes, extent, down }) {
  if (down) return ""; // of an image
  const range = (from) => `${words(extent[from])} to ${words(extent[from + 1])}`;
  if (axes.length === 2) return `Across: ${axes[0]}, ${range(0)}; up: ${axes[1]}, ${range(2)}.`;
  if (axes.length === 1) return `Across: ${axes[0]}, ${range(0)}. Up: the value, with a band of two standard deviations; dashed: the truth, where it is known.`;
  return `Across and up: the first two of ${axes.length} latents; where candidates lie on each other, the largest value is on top.`;
}

/** What is known after a step, in words. */
function searchWords(sought, arrays, step) {
  const known = sought.kept[step];
  const values = arrays.value.subarray(0, known).filter(Number.isFinite);
  const best = values.reduce((most, value) => Math.max(most, value), -Infinity);
  return `after ${known} evaluations · largest value so far ${words(best)} ${sought.unit}`.trim();
}

/** What is believed of a candidate after a step, in words. */
function searchPlace(sought, arrays, step, candidate) {
  if (candidate < 0) return "";
  const at = step * sought.candidates + candidate;
  const value = (name, code) => {
    const [low, high] = sought.limits[name === "sd" ? "sd" : "mean"];
    return code > SEARCH_LEVELS ? NaN : low + ((high - low) * code) / SEARCH_LEVELS;
  };
  const along = (k) => arrays[["x", "y"][k] ?? `axis${k}`][candidate];
  const where = sought.axes.map((axis, k) => `${axis} ${words(along(k))}`).join(", ");
  let text = `${where}: predicted ${withError(
    value("mean", arrays.mean[at]), value("sd", arrays.sd[at]))}`;
  const order = arrays.point.subarray(0, sought.kept[step]).indexOf(candidate);
  if (order >= 0) text += ` · evaluation ${order + 1} gave ${words(arrays.value[order])}`;
  else if (arrays.truth && arrays.truth[candidate] <= SEARCH_LEVELS) {
    text += ` · true ${words(value("truth", arrays.truth[candidate]))}`;
  }
  if (!arrays.allowed[candidate]) text += " · could not be proposed";
  return text;
}

/** One canvas: a quantity of all candidates after a step, and the candidates evaluated until then. */
function searchPanel(sought, arrays, name) {
  const canvas = document.getElementById(`search-${name}`);
  const [left, right, low, high] = sought.extent;
  const aspect = sought.down ? (high - low) / (right - left) : 1;
  canvas.width = Math.round(aspect > 1 ? SEARCH_SIDE / aspect : SEARCH_SIDE);
  canvas.height = Math.round(aspect > 1 ? SEARCH_SIDE : SEARCH_SIDE * aspect);
  const context = canvas.getContext("2d");
  const palette = facts.palettes[sought.cmaps[name]];
  const shade = (code, alpha) =>
    pixel(palette[Math.round((code * (palette.length - 1)) / SEARCH_LEVELS)], alpha);
  const toX = (x) => ((x - left) / (right - left)) * canvas.width;
  const toY = (y) => {
    const share = (y - low) / (high - low);
    return (sought.down ? share : 1 - share) * canvas.height;
  };
  const hex = (code) => {
    const colour = palette[Math.round((code * (palette.length - 1)) / SEARCH_LEVELS)];
    return `#${colour.toString(16).padStart(6, "0")}`;
  };
  const single = sought.axes.length === 1; // a graph over the only axis
  const [least, most] = sought.limits[name];
  const toShare = (value) => Math.min(Math.max((value - least) / (most - least || 1), 0), 1);
  const up = (share) => canvas.height * (0.96 - 0.92 * share);
  const alphaOf = (k) => (arrays.allowed[k] ? 255 : Math.round(255 * SEARCH_PALE));
  drawLegend(document.getElementById(`search-${name}-legend`), {
    label: name === "sd" ? "standard deviation" : "predicted",
    unit: sought.unit, cmap: sought.cmaps[name], low: sought.limits[name][0], high: sought.limits[name][1],
  });

  function drawCells(codes) {
    const { rows, columns, edges } = sought.cells;
    const small = document.createElement("canvas");
    small.width = columns;
    small.height = rows;
    const inner = small.getContext("2d");
    const image = inner.createImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let k = 0; k < sought.candidates; k++) {
      const row = Math.floor(arrays.cell[k] / columns), column = arrays.cell[k] % columns;
      const place = (sought.down ? row : rows - 1 - row) * columns + column;
      if (codes[k] <= SEARCH_LEVELS) pixels[place] = shade(codes[k], alphaOf(k));
    }
    inner.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    const x0 = toX(edges[0]), x1 = toX(edges[1]), ends = [toY(edges[2]), toY(edges[3])];
    context.drawImage(small, x0, Math.min(...ends), x1 - x0, Math.abs(ends[1] - ends[0]));
  }

  function drawMarks(codes) {
    const radius = Math.max(2, 0.45 * Math.sqrt((canvas.width * canvas.height) / sought.candidates));
    for (const k of [...codes.keys()].sort((a, b) => codes[a] - codes[b])) {
      if (codes[k] > SEARCH_LEVELS) continue;
      context.fillStyle = hex(codes[k]);
      context.globalAlpha = alphaOf(k) / 255;
      disc(toX(arrays.x[k]), toY(arrays.y[k]), radius);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  /** Belief along the only axis, in its colours, with the band and the truth. */
  function drawGraph(codes, spread) {
    const order = [...codes.keys()].sort((a, b) => arrays.x[a] - arrays.x[b]);
    const band = (k, sign) => {
      const [low, high] = sought.limits.sd;
      const sd = low + ((high - low) * spread[k]) / SEARCH_LEVELS;
      return up(codes[k] / SEARCH_LEVELS + (sign * 2 * sd) / (most - least || 1));
    };
    if (name === "mean") {
      context.beginPath();
      for (const k of order) context.lineTo(toX(arrays.x[k]), band(k, 1));
      for (const k of [...order].reverse()) context.lineTo(toX(arrays.x[k]), band(k, -1));
      context.fillStyle = "#0072b226";
      context.fill();
    }
    context.lineWidth = 3;
    for (let n = 1; n < order.length; n++) {
      const [a, b] = [order[n - 1], order[n]];
      context.globalAlpha = alphaOf(b) / 255;
      context.strokeStyle = hex(codes[b]);
      context.beginPath();
      context.moveTo(toX(arrays.x[a]), up(codes[a] / SEARCH_LEVELS));
      context.lineTo(toX(arrays.x[b]), up(codes[b] / SEARCH_LEVELS));
      context.stroke();
    }
    context.globalAlpha = 1;
    if (name !== "mean" || !arrays.truth) return;
    context.beginPath();
    for (const k of order) {
      if (arrays.truth[k] <= SEARCH_LEVELS) {
        context.lineTo(toX(arrays.x[k]), up(arrays.truth[k] / SEARCH_LEVELS));
      }
    }
    context.setLineDash([6, 5]);
    context.lineWidth = 1.5;
    context.strokeStyle = "#1f2430";
    context.stroke();
    context.setLineDash([]);
  }

  /** How far down the k-th evaluation lies. */
  function heightOf(k, codes) {
    const candidate = arrays.point[k];
    if (!single) return toY(arrays.y[candidate]);
    const seen = name === "mean" && Number.isFinite(arrays.value[k]);
    return up(seen ? toShare(arrays.value[k]) : codes[candidate] / SEARCH_LEVELS);
  }

  function disc(x, y, radius) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }

  function draw(step) {
    const from = step * sought.candidates;
    const codes = arrays[name].subarray(from, from + sought.candidates);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (single) drawGraph(codes, arrays.sd.subarray(from, from + sought.candidates));
    else if (sought.cells) drawCells(codes);
    else drawMarks(codes);
    const known = sought.kept[step], before = step ? sought.kept[step - 1] : 0;
    let best = -1;
    for (let k = 0; k < known; k++) {
      const candidate = arrays.point[k];
      if (Number.isFinite(arrays.value[k]) && (best < 0 || arrays.value[k] > arrays.value[best])) {
        best = k;
      }
      disc(toX(arrays.x[candidate]), heightOf(k, codes), k >= before ? 6 : 4);
      context.fillStyle = k >= before ? "#ffffff" : "transparent";
      context.fill();
      for (const [width, colour] of [[3.5, "#ffffffb0"], [1.5, "#1f2430"]]) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.stroke();
      }
    }
    if (best >= 0) star(toX(arrays.x[arrays.point[best]]), heightOf(best, codes), 13);
  }

  function star(x, y, radius) {
    context.beginPath();
    for (let k = 0; k < 10; k++) {
      const turn = (k * Math.PI) / 5 - Math.PI / 2, reach = k % 2 ? 0.42 * radius : radius;
      context.lineTo(x + reach * Math.cos(turn), y + reach * Math.sin(turn));
    }
    context.closePath();
    context.fillStyle = "#D55E00";
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = "#ffffff";
    context.stroke();
  }

  /** The candidate nearest to a pointer. */
  function candidate(event) {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * canvas.width;
    const y = ((event.clientY - box.top) / box.height) * canvas.height;
    let nearest = -1, least = Infinity;
    for (let k = 0; k < sought.candidates; k++) {
      const far = (toX(arrays.x[k]) - x) ** 2 + (single ? 0 : (toY(arrays.y[k]) - y) ** 2);
      if (far < least) [nearest, least] = [k, far];
    }
    return nearest;
  }

  return { canvas, draw, candidate };
}
