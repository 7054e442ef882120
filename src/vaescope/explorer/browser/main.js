// The explorer itself: what is chosen, and what follows from it.

const count = facts.sites;
const chosen = new Uint8Array(count);
const state = {
  model: facts.models[0] ?? null,
  member: -1,
  frame: 0,
  told: 0,
  selected: 0,
  site: -1,
  cursor: [NaN, NaN],
  colour: null,
  x: null,
  y: null,
  plane: null,
};
const LIGHT = "#ffffff", DARK = "#1f2430"; // around marks, by what the image behind them is not
// Numbers of what is chosen, opened.
const held = { place: [], frame: null, colour: null, colours: null, x: null, y: null };
let image = null, latent = null, refreshed = 0, moved = false;

const onFrame = (i) => facts.backdrop.sheet || held.frame[i] === state.frame;
const inImage = (i) => onFrame(i) && Number.isFinite(held.place[0][i]);
const inLatent = (i) =>
  Number.isFinite(held.x[i]) && Number.isFinite(held.y[i])
  && (!control("this-frame").checked || onFrame(i));

/** After another model, member, colour or axis: open its numbers, then draw. */
async function refresh({ fit = false } = {}) {
  const turn = ++refreshed;
  const { model, member } = state;
  const [colour, x, y] = await Promise.all(
    [state.colour, state.x, state.y].map((column) => openColumn(column, model, member)),
  );
  if (turn !== refreshed) return;
  const shade = await windowColumn(model);
  if (turn !== refreshed) return;
  colourBy(shade ? shade.column : state.colour, shade ? shade.values : colour);
  held.x = shownAxis(state.x, x);
  held.y = shownAxis(state.y, y);
  const [first, second] = [state.x, state.y].map((column) =>
    column.group === "Latents" ? Number(column.key.split("_").pop()) - 1 : -1,
  );
  state.plane = findPlane(model, first, second);
  state.told = 0;
  fillTold(state);
  for (const [name, column] of [["x", state.x], ["y", state.y]]) {
    latent.axis(name).axis_label = titled(column);
  }
  if (fit) showRange(latent, [...bulk(held.x, inLatent), ...bulk(held.y, inLatent)], false);
  control("drawn-by").textContent = drawnBy();
  draw();
  generateAt(...state.cursor);
  inspect(state.site, state.model, state.member, state.colour);
  spectraOf();
}

/** The quantity by which all sites are coloured from now on. */
function colourBy(column, values) {
  held.column = column;
  held.colour = values;
  held.colours = paint(column, values);
  drawLegend(control("legend"), column);
}

let recoloured = 0;

/** After a move of the window of energies: only colours change. */
async function recolour() {
  if (!energyWindow.on) return refresh();
  const turn = ++recoloured;
  const shade = await windowColumn(state.model);
  if (turn !== recoloured || !shade) return undefined;
  colourBy(shade.column, shade.values);
  draw();
  return spectraOf();
}

const shownAxis = (column, values) => Float64Array.from(values, (value) => shownValue(column, value));

function drawnBy() {
  if (!state.plane) return "";
  const number = state.model.drawn_by;
  const who = number === null || number === undefined ? "the reference member" : `member ${number}`;
  const latents = state.model.columns.filter((column) => column.group === "Latents").length;
  const others = latents > 2 ? ", other latents at their medians" : "";
  return `Decoded ${state.model.turned ? "at rotation 0 " : ""}by ${who} of the ensemble${others}.`;
}

/** Draw all sites anew: after a selection, a zoom, another frame. */
function draw() {
  const any = state.selected > 0;
  const common = { colours: held.colours, chosen, any };
  const pixels = Math.abs(facts.spacing * onScreen(image).xScale);
  // The window makes an image of its own, so that sites side by side lie without gaps.
  const tiles = facts.grid && held.column.key === "window";
  if (facts.grid) {
    for (const layer of ["rest", "points"]) image.glyph(layer).marker = { value: tiles ? "square" : "circle" };
  }
  const dense = drawSites(image, {
    ...common, xs: held.place[0], ys: held.place[1], shown: inImage,
    size: () => (tiles ? pixels + 1 : facts.backdrop.sheet ? 0.88 * pixels : Math.min(Math.max(0.6 * pixels, 2.5), 18)),
    hollow: !tiles, seamless: tiles,
    outline: facts.backdrop.bright ? DARK : LIGHT,
    splat: Math.min(Math.max(Math.round(0.9 * pixels), 1), 5),
  });
  const denseToo = drawSites(latent, {
    ...common, xs: held.x, ys: held.y, shown: inLatent,
    size: (number) => (number > 6000 ? 3 : number > 1500 ? 4.5 : 6),
    outline: "#1f243070",
    splat: 2,
  });
  control("density-note").hidden = !dense && !denseToo;
  markSite();
  tell();
}

const spectraOf = () => showCurves(state.site, state.model, chosen, state.selected);

function markSite() {
  const i = state.site;
  setMark(image, "ring", i >= 0 && inImage(i) ? held.place[0][i] : NaN, i >= 0 ? held.place[1][i] : NaN);
  setMark(latent, "ring", i >= 0 && inLatent(i) ? held.x[i] : NaN, i >= 0 ? held.y[i] : NaN);
}

/** How many are selected, and what the coloured quantity is among them. */
function tell() {
  const any = state.selected > 0;
  const words = any ? `${state.selected} of ${count} sites selected` : `${count} sites, none selected`;
  control("status").textContent = words;
  control("summary").textContent = summary(held.column, held.colour, chosen, any);
  for (const name of ["clear", "export"]) control(name).disabled = !any;
}

function select(inside, xs, ys, shown, add) {
  state.selected = choose(chosen, inside, xs, ys, shown, add);
  draw();
  spectraOf();
}

function selectSite(site, add) {
  const only = site < 0 ? () => false : (i) => i === site;
  if (add && site >= 0 && chosen[site]) {
    chosen[site] = 0;
    state.selected -= 1;
    draw();
    spectraOf();
    return;
  }
  select(() => true, held.place[0], held.place[1], only, add);
  if (site >= 0) point(site);
}

function clearSelection() {
  if (state.selected) select(() => false, held.place[0], held.place[1], () => false, false);
}

/** A site under the cursor: mark it in both plots and tell what is known of it. */
function point(site) {
  if (site === state.site || site < 0) return;
  state.site = site;
  const numbers = held.numbers;
  if (numbers) control("site").value = String(numbers[site]);
  markSite();
  inspect(site, state.model, state.member, state.colour);
  spectraOf();
}

/** A place in the latent plane: the model draws what lies there. */
function generateAt(x, y) {
  state.cursor = [x, y];
  setMark(latent, "cross", state.plane ? x : NaN, y);
  const site = Number.isFinite(x) ? nearest(latent, x, y, held.x, held.y, inLatent, Infinity) : -1;
  showGenerated(state.plane, x, y, state.told, state.x, state.y, kindNear(site), site);
  showSpectrumThere(state.plane, x, y, state.told, site);
}

/** Class of the site nearest to a place, if the model has classes. */
function kindNear(site) {
  if (site < 0 || !held.classes) return "";
  return `nearest site: ${kindName(held.classColumn, held.classes[site])}`;
}

async function openClasses() {
  const column = state.model && state.model.columns.find((one) => /\/class$/.test(one.key));
  held.classColumn = column;
  held.classes = column ? await openColumn(column, state.model, state.member) : null;
}

/** `work`, at most once a picture of the screen, with what came last. */
const latest = (work) => {
  let waiting = null;
  return (...given) => {
    if (!waiting) requestAnimationFrame(() => { const now = waiting; waiting = null; work(...now); });
    waiting = given;
  };
};

function connect() {
  const redraw = latest(draw);
  listen(image, {
    move: latest((x, y) => point(nearest(image, x, y, ...held.place, inImage))),
    leave: () => {},
    tap: (x, y, add) => selectSite(nearest(image, x, y, ...held.place, inImage), add),
    select: (shape) => select(within(shape), ...held.place, inImage, moved),
    zoom: redraw,
  });
  listen(latent, {
    move: latest((x, y) => {
      generateAt(x, y);
      point(nearest(latent, x, y, held.x, held.y, inLatent));
    }),
    leave: () => {},
    tap: (x, y, add) => {
      generateAt(x, y);
      selectSite(nearest(latent, x, y, held.x, held.y, inLatent), add);
    },
    select: (shape) => select(within(shape), held.x, held.y, inLatent, moved),
    zoom: redraw,
  });
  // Whether Shift was held when a shape was begun: it adds to the selection.
  const root = control("root");
  root.addEventListener("pointerdown", (event) => { moved = event.shiftKey; }, true);
  root.addEventListener("keydown", (event) => { if (event.key === "Escape") clearSelection(); });
  connectKeys();
  connectControls();
}

/** Arrow keys in the plots: from site to site in the image, over the plane in the other. */
function connectKeys() {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  image.host.addEventListener("keydown", (event) => {
    const way = ways[event.key];
    if (event.key === "Enter" && state.site >= 0) selectSite(state.site, event.shiftKey);
    if (!way) return;
    event.preventDefault();
    const step = way[0] - way[1];
    for (let k = 1; k <= count; k++) {
      const i = (((state.site + step * k) % count) + count) % count;
      if (inImage(i)) return void point(i);
    }
  });
  latent.host.addEventListener("keydown", (event) => {
    const way = ways[event.key];
    const [x, y] = state.cursor;
    if (event.key === "Enter" && Number.isFinite(x)) {
      selectSite(nearest(latent, x, y, held.x, held.y, inLatent, Infinity), event.shiftKey);
    }
    if (!way) return;
    event.preventDefault();
    const wide = latent.xRange.end - latent.xRange.start, high = latent.yRange.end - latent.yRange.start;
    const from = Number.isFinite(x)
      ? [x, y] : [latent.xRange.start + wide / 2, latent.yRange.start + high / 2];
    generateAt(from[0] + (way[0] * wide) / 40, from[1] + (way[1] * high) / 40);
    point(nearest(latent, ...state.cursor, held.x, held.y, inLatent, Infinity));
  });
}

function connectControls() {
  control("model").addEventListener("change", async () => {
    state.model = facts.models[Number(control("model").value)];
    state.member = -1;
    offerShown(state.model);
    chooseColumns();
    fillMembers(state);
    await openClasses();
    refresh({ fit: true });
  });
  control("member").addEventListener("change", async () => {
    state.member = Number(control("member").value);
    await openClasses();
    refresh();
  });
  for (const name of ["colour", "x", "y"]) {
    control(name).addEventListener("change", () => {
      state[name] = findColumn(state.model, control(name).value);
      if (name === "colour") leaveWindow();
      if (name !== "colour") state.cursor = [NaN, NaN];
      refresh({ fit: name !== "colour" });
    });
  }
  control("told").addEventListener("change", () => {
    state.told = Number(control("told").value);
    generateAt(...state.cursor);
  });
  control("this-frame").addEventListener("change", draw);
  control("clear").addEventListener("click", clearSelection);
  control("export").addEventListener("click", async () => {
    const text = await selectedTable(chosen, state.model, state.member);
    offerFile(`${facts.dataset.replace(/[^A-Za-z0-9._-]/g, "_")}-selection.csv`, text);
  });
  control("site").addEventListener("change", () => {
    const site = held.numbers.indexOf(Number(control("site").value));
    if (site >= 0) point(site);
  });
}

/** Colour and axes of the model: those chosen before, if it has them too. */
function chooseColumns() {
  const { model } = state;
  const axes = axisColumns(model);
  state.colour = state.colour ? alike(colourable(model), state.colour.key) : firstColour(model);
  state.x = alike(axes, state.x && state.x.key);
  state.y = state.y ? alike(axes, state.y.key) : secondAxis(axes);
  if (state.y === state.x) state.y = secondAxis(axes.filter((column) => column !== state.x));
  state.cursor = [NaN, NaN];
  fillColumns(state);
}

async function showFrame(frame) {
  state.frame = frame;
  const picture = await openFrame(frame);
  if (frame !== state.frame) return;
  const [wide, high] = facts.backdrop.covers;
  setPicture(image, "picture", picture, [0, wide, 0, high]);
  control("no-picture").hidden = picture !== null;
  draw();
}

async function start() {
  [image, latent] = await Promise.all(facts.plots.map(embedPlot));
  const [x, y] = await Promise.all(facts.place.map(openArray));
  held.place = [x, y];
  held.frame = await openArray(facts.frame);
  held.numbers = await openColumn(findColumn(null, "site"));
  const { width, height, unit, sheet } = facts.backdrop;
  image.axis("x").axis_label = unit ? `x (${unit})` : "";
  image.axis("y").axis_label = unit ? `y (${unit})` : "";
  if (facts.backdrop.bright) image.glyph("casing").line_color = { value: DARK };
  if (sheet) {
    for (const name of ["x", "y"]) image.axis(name).visible = false;
    for (const layer of ["rest", "points", "casing"]) image.glyph(layer).marker = { value: "square" };
  }
  showRange(image, [0, width, height, 0], true);
  fillModels(state);
  chooseColumns();
  await openClasses();
  await refresh({ fit: true });
  connect();
  makeClock(showFrame);
  await Promise.all([showFrame(0), openSmall(), openCurves()]);
  makeWindow(state.model, latest(recolour));
  await makeSearch();
  point(held.numbers.findIndex((_, i) => (rowOfSite.has(i) || rowOfCurve.has(i)) && inImage(i)));
  control("root").dataset.ready = String(Math.round(performance.now())); // milliseconds
}

start().catch((error) => {
  control("status").textContent = `The explorer cannot start in this browser: ${error.message}`;
  throw error;
});
