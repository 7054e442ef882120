// Spectra of sites: measured, predicted with their band, reconstructed; and the mean of a selection.

const CURVES = {
  spectrum: "#1f2430", predicted: "#0072B2", reconstruction: "#D55E00", selection: "#009E73",
};
const rowOfCurve = new Map(); // site -> position among the packed curves
let curveAxis = null, curveSites = [];
const CURVE_MARGIN = 4; // pixels beside a drawn spectrum

async function openCurves() {
  const held = facts.curves;
  document.getElementById("explorer-curves").hidden = !held;
  if (!held) return;
  curveSites = await openArray(held.sites);
  curveSites.forEach((site, k) => rowOfCurve.set(site, k));
  curveAxis = await openArray(held.energy);
}

/** One site's curve of a kind (`spectrum`, `MODEL/predicted` …); null where the page holds none. */
async function openCurve(kind, site) {
  const held = facts.curves && facts.curves.kinds[kind];
  const row = rowOfCurve.get(site);
  if (!held || row === undefined) return null;
  const { chunk, channels } = facts.curves;
  const place = held.chunks[Math.floor(row / chunk)];
  const [bytes, low, step] = await Promise.all(
    [openBlock(place.block), openArrayOnce(held.low), openArrayOnce(held.step)],
  );
  const start = place.start + (row % chunk) * channels;
  return Float32Array.from(
    bytes.subarray(start, start + channels), (code) => low[row] + step[row] * code,
  );
}

const openedOnce = new Map();

function openArrayOnce(place) {
  const name = `${place.block}/${place.start}`;
  if (!openedOnce.has(name)) openedOnce.set(name, openArray(place));
  return openedOnce.get(name);
}

/** Mean measured spectrum of the chosen sites that are on the page; null without any. */
async function meanCurve(chosen) {
  if (!facts.curves) return null;
  const mean = new Float64Array(facts.curves.channels);
  let number = 0;
  for (const site of rowOfCurve.keys()) {
    if (!chosen[site]) continue;
    const curve = await openCurve("spectrum", site);
    for (let k = 0; k < mean.length; k++) mean[k] += curve[k];
    number += 1;
  }
  return number ? Float32Array.from(mean, (value) => value / number) : null;
}

/** Curves of a site as they are drawn: name, values, and the band about what is predicted. */
async function curvesOf(site, model) {
  const own = (kind) => (model ? openCurve(`${model.name}/${kind}`, site) : null);
  const [spectrum, predicted, low, high, reconstruction] = await Promise.all([
    openCurve("spectrum", site), own("predicted"), own("predicted_low"), own("predicted_high"),
    own("reconstruction"),
  ]);
  const lines = [];
  if (spectrum) lines.push({ name: "spectrum", label: "measured", values: spectrum });
  if (predicted) lines.push({ name: "predicted", label: "predicted", values: predicted });
  else if (reconstruction) {
    lines.push({ name: "reconstruction", label: "reconstruction", values: reconstruction });
  }
  return { lines, band: low && high ? [low, high] : null };
}

/** Draw lines and a band on a common scale, with the ends of both axes in numbers. */
function drawCurves(canvas, lines, band, axis, numbers = true, shaded = null) {
  const scale = Math.max(window.devicePixelRatio || 1, 1);
  const wide = canvas.clientWidth || 260, high = numbers ? 150 : Math.round(0.6 * wide);
  canvas.width = Math.round(wide * scale);
  canvas.height = Math.round(high * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true }); // small: no GPU needed
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, wide, high);
  canvas.dataset.empty = lines.length ? "" : "yes";
  if (!lines.length) return;
  let [least, most] = [Infinity, -Infinity];
  for (const values of [...lines.map((line) => line.values), ...(band ?? [])]) {
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  if (!(most > least)) most = least + 1;
  const [left, right, top, bottom] = [CURVE_MARGIN, wide - CURVE_MARGIN, 14, high - 16];
  const count = lines[0].values.length;
  const x = (k) => left + ((right - left) * k) / Math.max(count - 1, 1);
  const y = (value) => bottom - ((bottom - top) * (value - least)) / (most - least);
  if (shaded) {
    const [from, to] = [x(shaded[0] - 0.5), x(shaded[1] - 0.5)];
    context.fillStyle = "#E69F0055";
    context.fillRect(from, top - 4, Math.max(to - from, 2), bottom - top + 8);
  }
  if (band) {
    context.fillStyle = "#56B4E955";
    context.beginPath();
    band[0].forEach((value, k) => (k ? context.lineTo(x(k), y(value)) : context.moveTo(x(k), y(value))));
    for (let k = count - 1; k >= 0; k--) context.lineTo(x(k), y(band[1][k]));
    context.fill();
  }
  for (const { name, values } of lines) {
    context.strokeStyle = CURVES[name];
    context.lineWidth = name === "spectrum" ? 1 : 1.6;
    context.beginPath();
    values.forEach((value, k) => (k ? context.lineTo(x(k), y(value)) : context.moveTo(x(k), y(value))));
    context.stroke();
  }
  if (!numbers) return;
  context.fillStyle = "#4b5563";
  context.font = "10px sans-serif";
  context.textAlign = "left";
  context.fillText(words(most), left, 10);
  if (!axis) return;
  context.fillText(words(axis[0], 4), left, high - 4);
  context.textAlign = "right";
  context.fillText(words(axis[axis.length - 1], 4), right, high - 4);
}

let curveTurn = 0;

/** Show the spectra of a site, and the mean of the selection if there is one. */
async function showCurves(site, model, chosen, selected) {
  if (!facts.curves) return;
  const turn = ++curveTurn;
  const { lines, band } = site < 0 ? { lines: [], band: null } : await curvesOf(site, model);
  const mean = selected ? await meanCurve(chosen) : null;
  if (turn !== curveTurn) return;
  if (mean) lines.push({ name: "selection", label: "mean of the selection", values: mean });
  drawCurves(document.getElementById("explorer-spectrum"), lines, band, curveAxis, true, energyWindow.on ? windowEnds() : null);
  const legend = lines.map(({ name, label }) => {
    const item = document.createElement("li"), mark = document.createElement("span");
    mark.style.background = CURVES[name];
    item.append(mark, label);
    return item;
  });
  if (band) {
    const item = document.createElement("li"), mark = document.createElement("span");
    mark.style.background = "#56B4E988";
    item.append(mark, "68 % band");
    legend.push(item);
  }
  document.getElementById("explorer-curve-legend").replaceChildren(...legend);
  document.getElementById("explorer-curve-words").textContent =
    lines.length ? `${facts.curves.signal} against ${facts.curves.axis}` : "No spectrum of this site is on the page.";
}
