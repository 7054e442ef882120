// Sites in a plot: marks where there are few, their density where there are many.

const MOST_MARKS = 20000; // above, marks lie on each other and take too long to draw
const OUTLINED = 3000; // marks with an outline, which tells neighbours apart and costs time
const FAINT = 60; // opacity of sites outside the selection, of 255

/** Draw the sites of a plot.
 *
 * `xs`, `ys`: places of all sites. `shown(i)`: whether a site belongs there at all. `colours`: a
 * pixel for each site. `chosen`: 1 for each selected site; `any`: whether there are some.
 * `size(count)`: side of a mark for so many. Returns whether their density is drawn.
 */
function drawSites(plot, { xs, ys, shown, colours, chosen, any, size }) {
  const inside = visible(plot, xs, ys, shown);
  const dense = inside.length > MOST_MARKS;
  if (dense) {
    setMarks(plot, "rest", []);
    setMarks(plot, "points", []);
    const { start: x0, end: x1 } = plot.xRange, { start: y0, end: y1 } = plot.yRange;
    setPicture(plot, "density", density(plot, inside, xs, ys, colours, chosen, any), [x0, x1, y0, y1]);
  } else {
    setPicture(plot, "density", null);
    const side = size(inside.length);
    const rest = any ? inside.filter((i) => !chosen[i]) : [];
    const points = any ? inside.filter((i) => chosen[i]) : inside;
    setMarks(plot, "rest", rest, xs, ys, colours, side * 0.8, FAINT);
    setMarks(plot, "points", points, xs, ys, colours, side, 255);
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

function setMarks(plot, layer, rows, xs, ys, colours, side, alpha) {
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
  if (side) plot.glyph(layer).size = { value: side };
  plot.glyph(layer).line_color = { value: alpha === 255 && count < OUTLINED ? "#ffffff" : null };
  source.data = { x, y, colour: ndarray(bytes, { dtype: "uint8", shape: [count, 4] }) };
}

/** A picture of the plot's frame, rows from the least y: where sites lie, each pixel in the mean colour of its sites and
 * the more opaque the more there are. Selected sites lie before all others. */
function density(plot, rows, xs, ys, colours, chosen, any) {
  const at = onScreen(plot);
  const width = Math.max(1, Math.round(at.wide)), height = Math.max(1, Math.round(at.high));
  const count = new Uint32Array(width * height), front = new Uint32Array(width * height);
  const red = new Float32Array(width * height), green = new Float32Array(width * height);
  const blue = new Float32Array(width * height);
  const parts = new Uint8Array(colours.buffer, colours.byteOffset, colours.byteLength);
  const least = Math.min(plot.yRange.start, plot.yRange.end), scaleY = Math.abs(at.yScale);
  let most = 1;
  for (const i of rows) {
    const column = Math.floor(at.x(xs[i])), row = Math.floor((ys[i] - least) * scaleY);
    if (column < 0 || column >= width || row < 0 || row >= height) continue;
    const cell = row * width + column;
    if (any && chosen[i] && !front[cell]) count[cell] = red[cell] = green[cell] = blue[cell] = 0;
    if (any && chosen[i]) front[cell] = 1;
    else if (front[cell]) continue;
    count[cell] += 1;
    red[cell] += parts[4 * i];
    green[cell] += parts[4 * i + 1];
    blue[cell] += parts[4 * i + 2];
    most = Math.max(most, count[cell]);
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
