// Small pictures: patches and reconstructions of sites, and decoded ones with those in between.

const rowOfSite = new Map(); // site -> position among the packed pictures

async function openSmall() {
  document.querySelector(".explorer-pictures").hidden = !facts.small;
  if (!facts.small) return;
  const rows = await openArray(facts.small.rows);
  rows.forEach((site, k) => rowOfSite.set(site, k));
}

/** Grey levels of one site's picture of a kind (`patch`, `MODEL/reconstruction`), with its facts;
 * null where the page holds none. */
async function openPicture(kind, site) {
  const held = facts.small && facts.small.kinds[kind];
  const row = rowOfSite.get(site);
  if (!held || row === undefined) return null;
  const chunk = held.chunks[Math.floor(row / held.chunk)];
  const length = held.channels * held.height * held.width;
  const bytes = await openBlock(chunk.block);
  const start = chunk.start + (row % held.chunk) * length;
  return { levels: bytes.subarray(start, start + length), facts: held };
}

/** Draw levels (channel, height, width): in colour if they are red, green and blue, else in grey,
 * channels beside each other. */
function drawPicture(canvas, picture) {
  const context = canvas.getContext("2d", { willReadFrequently: true }); // small: no GPU needed
  if (!picture) {
    canvas.width = canvas.height = 1;
    context.clearRect(0, 0, 1, 1);
    canvas.dataset.empty = "yes";
    return;
  }
  delete canvas.dataset.empty;
  if (picture.facts.height === 1 && picture.facts.width > 1) {
    const line = picture.levels.subarray(0, picture.facts.width);
    drawCurves(canvas, [{ name: "predicted", values: line }], null, null, false);
    return;
  }
  const { channels, height, width, colour } = picture.facts;
  const scale = 255 / (picture.facts.levels - 1), size = height * width;
  const across = colour ? 1 : channels;
  canvas.width = across * width;
  canvas.height = height;
  const image = context.createImageData(across * width, height);
  for (let c = 0; c < across; c++) {
    for (let k = 0; k < size; k++) {
      const to = 4 * (Math.floor(k / width) * across * width + c * width + (k % width));
      for (let part = 0; part < 3; part++) {
        const from = colour ? part * size + k : c * size + k;
        image.data[to + part] = picture.levels[from] * scale;
      }
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** The decoded plane that a model has for two latents, turned so that they lie along x and y. */
function findPlane(model, first, second) {
  for (const plane of model ? model.planes : []) {
    const [a, b] = plane.latents;
    if (a === first && (b === second || b < 0)) return { plane, turned: false };
    if (b === first && b >= 0 && a === second) return { plane, turned: true };
    if (b < 0 && a === second) return { plane, turned: true };
  }
  return null;
}

/** What the model draws at a place between decoded pictures: levels of the four around it, weighed
 * bilinearly. Beyond the plane its edge stands, and `beyond` is true. */
async function generate(found, x, y, told) {
  const { plane, turned } = found;
  const at = turned ? [y, x] : [x, y];
  const across = position(plane.x, at[0]), down = position(plane.y, at[1]);
  const pictures = await openArray(plane.pictures[told]);
  const length = plane.channels * plane.height * plane.width;
  const levels = new Float32Array(length);
  for (const [row, rowWeight] of down.corners) {
    for (const [column, columnWeight] of across.corners) {
      const weight = rowWeight * columnWeight;
      if (!weight) continue;
      const start = (row * plane.x.length + column) * length;
      for (let k = 0; k < length; k++) levels[k] += weight * pictures[start + k];
    }
  }
  return { levels, facts: plane, beyond: across.beyond || down.beyond };
}

/** Between which of the rising, evenly spaced values a number lies, with the weight of each. */
function position(values, number) {
  const last = values.length - 1;
  if (!last) return { corners: [[0, 1]], beyond: false };
  const exact = ((number - values[0]) / (values[last] - values[0])) * last;
  const held = Math.min(Math.max(exact, 0), last);
  const low = Math.min(Math.floor(held), last - 1), share = held - low;
  return { corners: [[low, 1 - share], [low + 1, share]], beyond: exact < -0.02 || exact > last + 0.02 };
}
