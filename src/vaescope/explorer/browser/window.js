// A window of the spectra: their mean in it colours the sites. It is chosen by sliders, or by pointing
// at the spectrum that is drawn.

const energyWindow = { on: false, middle: 0, width: 1, shown: "spectrum" };
const SHOWN = {
  spectrum: "measured", predicted: "predicted", difference: "predicted − measured",
};

/** First channel of the window and the one after its last. */
function windowEnds() {
  const { channels } = facts.curves;
  const start = Math.max(0, energyWindow.middle - Math.floor((energyWindow.width - 1) / 2));
  return [start, Math.min(channels, energyWindow.middle + Math.ceil((energyWindow.width + 1) / 2))];
}

const axisWords = (value) => (Number.isInteger(value) ? String(value).replace("-", "−") : words(value, 4));

/** Whether energies occur twice on the axis, as in a loop: then a window says which way it goes. */
const axisTurns = () => curveAxis.some((value, k) =>
  k > 1 && (value - curveAxis[k - 1]) * (curveAxis[1] - curveAxis[0]) < 0);

/** The window in words, in the unit of the axis. */
function windowWords() {
  const [start, stop] = windowEnds();
  const [first, last] = [curveAxis[start], curveAxis[stop - 1]];
  const { axis_name: name, unit } = facts.curves;
  const range = stop - start > 1 ? `${axisWords(first)} to ${axisWords(last)}` : axisWords(first);
  const way = axisTurns() ? `, ${last >= first ? "rising" : "falling"}` : "";
  return (unit ? `${range} ${unit}` : `${name} ${range}`) + way;
}

/** Mean in the window of one kind of curves (`spectrum`, `MODEL/predicted`) at every site; NaN where
 * the page holds none. */
async function windowMeans(kind) {
  const held = facts.curves.kinds[kind], { chunk, channels } = facts.curves;
  const [low, step] = await Promise.all([openArrayOnce(held.low), openArrayOnce(held.step)]);
  const [start, stop] = windowEnds();
  const means = new Float64Array(count).fill(NaN);
  for (const [number, place] of held.chunks.entries()) {
    const bytes = await openBlock(place.block);
    const last = Math.min((number + 1) * chunk, curveSites.length);
    for (let row = number * chunk; row < last; row++) {
      const from = place.start + (row % chunk) * channels;
      let sum = 0;
      for (let k = from + start; k < from + stop; k++) sum += bytes[k];
      means[curveSites[row]] = low[row] + (step[row] * sum) / (stop - start);
    }
  }
  return means;
}

/** The quantity by which the window colours the sites, with its values; null while it is off. */
async function windowColumn(model) {
  if (!energyWindow.on || !facts.curves) return null;
  const predicted = model && `${model.name}/predicted`;
  const known = Boolean(predicted && facts.curves.kinds[predicted]);
  const shown = known ? energyWindow.shown : "spectrum";
  let values = await windowMeans(shown === "predicted" ? predicted : "spectrum");
  if (shown === "difference") {
    const measured = values, said = await windowMeans(predicted);
    values = said.map((value, i) => value - measured[i]);
  }
  const sorted = values.filter((value) => Number.isFinite(value)).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  let [low, high] = [at(0.01), at(0.99)];
  if (shown === "difference") [low, high] = [-1, 1].map((sign) => sign * Math.max(-low, high, 1e-30));
  if (!(high > low)) high = low + (Math.abs(low) || 1) * 1e-6;
  const column = {
    key: "window", label: `${SHOWN[shown]} ${facts.curves.signal}, mean of ${windowWords()}`,
    group: "", unit: "", kind: "number", factor: 1, period: 0, centre: 0, levels: [], names: [],
    error: "", low, high,
    cmap: facts.curves.cmaps[shown === "difference" ? 1 : 0],
  };
  return { column, values };
}

/** Connect the sliders; `changed` is called after each move. */
function makeWindow(model, changed) {
  if (!facts.curves) return;
  control("window").hidden = false;
  const { channels, window: first } = facts.curves;
  const [middle, width, shown, on] = ["middle", "width", "shown", "on"].map((name) => control(`window-${name}`));
  middle.max = String(channels - 1);
  width.max = String(Math.max(1, Math.floor(channels / 2)));
  energyWindow.middle = Math.floor((first[0] + first[1] - 1) / 2);
  energyWindow.width = Math.max(1, first[1] - first[0]);
  const say = () => {
    middle.value = String(energyWindow.middle);
    width.value = String(energyWindow.width);
    on.checked = energyWindow.on;
    control("window-words").textContent = windowWords();
    middle.setAttribute("aria-valuetext", windowWords());
    width.setAttribute("aria-valuetext", `${energyWindow.width} channels, ${windowWords()}`);
  };
  const choose = (part) => {
    Object.assign(energyWindow, { on: true }, part);
    say();
    changed();
  };
  middle.addEventListener("input", () => choose({ middle: Number(middle.value) }));
  width.addEventListener("input", () => choose({ width: Number(width.value) }));
  shown.addEventListener("change", () => choose({ shown: shown.value }));
  on.addEventListener("change", () => choose({ on: on.checked }));
  const point = (event) => {
    if (!event.buttons) return;
    const { left, width: wide } = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - left - CURVE_MARGIN) / Math.max(wide - 2 * CURVE_MARGIN, 1);
    choose({ middle: Math.round(Math.min(Math.max(share, 0), 1) * (channels - 1)) });
  };
  for (const name of ["pointerdown", "pointermove"]) control("spectrum").addEventListener(name, point);
  energyWindow.say = say;
  offerShown(model);
  say();
}

/** What can be shown of a model: the measured spectra, and its predictions if it has any. */
function offerShown(model) {
  if (!facts.curves) return;
  const known = model && facts.curves.kinds[`${model.name}/predicted`];
  const names = known ? Object.keys(SHOWN) : ["spectrum"];
  if (!names.includes(energyWindow.shown)) energyWindow.shown = "spectrum";
  fill(control("window-shown"), names.map((value) => ({ value, label: SHOWN[value] })), energyWindow.shown);
  control("window-shown").closest("label").hidden = names.length < 2;
}

/** Another quantity was chosen: the window no longer colours the sites. */
function leaveWindow() {
  if (!facts.curves || !energyWindow.on) return;
  energyWindow.on = false;
  energyWindow.say();
}
