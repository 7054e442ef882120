// Sites in a plot: marks where there are few, their density where there are many.

const MOST_MARKS = 20000; // above, marks lie on each other and take too long to draw
const HOLLOW = 9; // pixels from which marks on the image are rings, or they would hide what they mark
const OUTLINED = 3000; // marks with an outline, which tells neighbours apart and costs time
const FAINT = 75; // opacity, of 255, of sites outside the selection or without a value

/** Draw the sites of a plot.
 *
 * `xs`, `ys`: places of all sites. `shown(i)`: whether a site belongs there at all. `colours`: a
 * pixel for each site. `chosen`: 1 for each selected site; `any`: whether there are some.
 * `size(count)`: side of a mark for so many. `hollow`: large marks are rings.
 * `seamless`: marks have no outline.
 * `outline`: colour around small marks, apart from what is behind them.
 * `splat`: pixels along each side that a site covers where their density is drawn. Returns whether their density is drawn.
 */
function drawSites(plot, { xs, ys, shown, colours, chosen, any, size, hollow, seamless, splat, outline }) {
  const inside = visible(plot, xs, ys, shown);
  const dense = inside.length > MOST_MARKS;
  if (dense) {
    setMarks(plot, "rest", []);
    setMarks(plot, "points", []);
    const { start: x0, end: x1 } = plot.xRange, { start: y0, end: y1 } = plot.yRange;
    const picture = density(plot, inside, xs, ys, colours, chosen, any, splat);
    setPicture(plot, "density", picture, [x0, x1, y0, y1]);
  } else {
    setPicture(plot, "density", null);
    const side = size(inside.length);
    // Before the others lie those that are selected, or else those of which there is a value.
    const ahead = any ? (i) => chosen[i] : (i) => colours[i] !== MISSING;
    const rest = inside.filter((i) => !ahead(i)), points = inside.filter(ahead);
    const ring = Boolean(hollow) && side >= HOLLOW;
    setMarks(plot, "rest", rest, xs, ys, colours, { side: ring ? side : 0.8 * side, ring, outline, alpha: FAINT });
    setMarks(plot, "points", points, xs, ys, colours, { side, ring, outline: seamless ? null : outline, alpha: 255 });
  }
  return dense;
}

/** Sites in the range of a plot and a little beyond. */
function visible(plot, xs, ys, shown) {
  const [x0, x1] = [plot.xRange.start, plot.xRange.end].sort((a, b) => a - b);
  const [y0, y1] = [plot.yRange.start, plot.yRange.end].sort((a, b) => a - b);
  const dx = (x1 - x0) * 0.02, dy = (y1 - y0) * 0.02;
  const found = [];
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i], y = ys[i];
    if (x >= x0 - dx && x <= x1 + dx && y >= y0 - dy && y <= y1 + dy && shown(i)) found.push(i);
  }
  return found;
}

function setMarks(plot, layer, rows, xs, ys, colours, look = { alpha: 255 }) {
  const { side, ring, alpha } = look;
  if (layer === "points") {
    plot.renderer("casing").visible = Boolean(ring);
    if (ring) plot.glyph("casing").size = { value: side };
  }
  const source = plot.source(layer), count = rows.length;
  if (!count && !source.get_length()) return;
  const x = new Float64Array(count), y = new Float64Array(count);
  const bytes = new Uint8Array(4 * count), pixels = new Uint32Array(bytes.buffer);
  for (let k = 0; k < count; k++) {
    x[k] = xs[rows[k]];
    y[k] = ys[rows[k]];
    pixels[k] = colours[rows[k]];
    bytes[4 * k + 3] = alpha;
  }
  if (side) {
    const outline = alpha === 255 && count < OUTLINED ? look.outline : null;
    plot.glyph(layer).setv({
      size: { value: side },
      fill_color: ring ? { value: null } : { field: "colour" },
      line_color: ring ? { field: "colour" } : { value: outline },
      line_width: { value: ring ? 2.2 : 0.7 },
    });
  }
  source.data = { x, y, colour: ndarray(bytes, { dtype: "uint8", shape: [count, 4] }) };
}

/** A picture of the plot's frame, rows from the least y: where sites lie, each pixel in the mean colour of its sites and
 * the more opaque the more there are. Selected sites lie before all others. */
function density(plot, rows, xs, ys, colours, chosen, any, splat) {
  const at = onScreen(plot);
  const width = Math.max(1, Math.round(at.wide)), height = Math.max(1, Math.round(at.high));
  const count = new Uint32Array(width * height), front = new Uint32Array(width * height);
  const red = new Float32Array(width * height), green = new Float32Array(width * height);
  const blue = new Float32Array(width * height);
  const parts = new Uint8Array(colours.buffer, colours.byteOffset, colours.byteLength);
  const least = Math.min(plot.yRange.start, plot.yRange.end), scaleY = Math.abs(at.yScale);
  let most = 1;
  const add = (cell, i) => {
    if (any && chosen[i] && !front[cell]) {
      count[cell] = red[cell] = green[cell] = blue[cell] = 0;
      front[cell] = 1;
    } else if (front[cell] && !chosen[i]) return;
    count[cell] += 1;
    red[cell] += parts[4 * i];
    green[cell] += parts[4 * i + 1];
    blue[cell] += parts[4 * i + 2];
    most = Math.max(most, count[cell]);
  };
  const half = (splat - 1) / 2;
  for (const i of rows) {
    const left = Math.floor(at.x(xs[i]) - half), low = Math.floor((ys[i] - least) * scaleY - half);
    for (let row = Math.max(low, 0); row < Math.min(low + splat, height); row++) {
      for (let column = Math.max(left, 0); column < Math.min(left + splat, width); column++) {
        add(row * width + column, i);
      }
    }
  }
  const pixels = new Uint32Array(width * height), bytes = new Uint8Array(pixels.buffer);
  const scale = 155 / Math.log1p(most);
  for (let cell = 0; cell < count.length; cell++) {
    const n = count[cell];
    if (!n) continue;
    const opaque = 100 + scale * Math.log1p(n);
    bytes[4 * cell] = red[cell] / n;
    bytes[4 * cell + 1] = green[cell] / n;
    bytes[4 * cell + 2] = blue[cell] / n;
    bytes[4 * cell + 3] = front[cell] ? 255 : any ? opaque * 0.2 : opaque;
  }
  return { pixels, width, height };
}

/** The site nearest to a point of a plot, at most `reach` pixels away; −1 if there is none. */
function nearest(plot, x, y, xs, ys, shown, reach = 12) {
  const { xScale, yScale } = onScreen(plot);
  let best = -1, least = reach * reach;
  for (let i = 0; i < xs.length; i++) {
    const dx = (xs[i] - x) * xScale, dy = (ys[i] - y) * yScale;
    const distance = dx * dx + dy * dy;
    if (distance < least && shown(i)) {
      best = i;
      least = distance;
    }
  }
  return best;
}

/** Mark one place of a plot; NaN takes the mark away. */
function setMark(plot, layer, x, y) {
  const data = Number.isFinite(x) && Number.isFinite(y) ? { x: [x], y: [y] } : { x: [], y: [] };
  for (const width of [4, 2]) plot.source(`${layer}-${width}`).data = data;
}
