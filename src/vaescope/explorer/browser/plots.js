// The two plots: making them, their ranges, and what the mouse does in them.

const ndarray = Bokeh.require("core/util/ndarray").ndarray;

// A hand that rests before it draws, or a browser that is busy, is not a long press, nor are clicks on
// two sites one after the other a double one: both do nothing here and would swallow what was meant.
Object.assign(Bokeh.require("core/ui_gestures").UIGestures, {
  press_threshold: 60000, // milliseconds
  doubletap_threshold: 0,
});
Bokeh.require("core/logging").logger.set_level("warn");

/** A plot of the page with its sources by name and a few handles. */
async function embedPlot(item) {
  const views = await Bokeh.embed.embed_item(item);
  const view = [...views].find((found) => found.model.id === item.root_id);
  const model = view.model;
  const renderers = new Map(model.renderers.map((renderer) => [renderer.name, renderer]));
  return {
    host: document.getElementById(item.target_id),
    model,
    view,
    xRange: model.x_range,
    yRange: model.y_range,
    axis: (name) => [...model.below, ...model.left].find((axis) => axis.name === name),
    source: (name) => renderers.get(name).data_source,
    glyph: (name) => renderers.get(name).glyph,
    renderer: (name) => renderers.get(name),
    size: () => [view.frame.bbox.width, view.frame.bbox.height],
  };
}

/** Show a rectangle; with `square`, as much more as keeps lengths along x and y alike. */
function showRange(plot, box, square) {
  let [x0, x1, y0, y1] = box;
  if (square) {
    const [wide, high] = plot.size();
    const scale = Math.max(Math.abs(x1 - x0) / Math.max(wide, 1), Math.abs(y1 - y0) / Math.max(high, 1));
    const x = (x0 + x1) / 2, y = (y0 + y1) / 2, way = Math.sign(y1 - y0);
    [x0, x1] = [x - (scale * wide) / 2, x + (scale * wide) / 2];
    [y0, y1] = [y - (way * scale * high) / 2, y + (way * scale * high) / 2];
  }
  plot.xRange.setv({ start: x0, end: x1, reset_start: x0, reset_end: x1 });
  plot.yRange.setv({ start: y0, end: y1, reset_start: y0, reset_end: y1 });
}

/** The bulk of some numbers with a margin: one that lies far out must not squeeze the others. */
function bulk(values, shown) {
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if (shown(i) && Number.isFinite(values[i])) found.push(values[i]);
  }
  if (!found.length) return [0, 1];
  const sorted = Float64Array.from(found).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const low = at(0.001), high = at(0.999);
  const margin = Math.max((high - low) * 0.08, Math.abs(high) * 1e-6, 1e-9);
  return [low - margin, high + margin];
}

/** Put a picture of pixels over a rectangle of a plot, its first row at the least y; null takes it
 * away. */
function setPicture(plot, layer, picture, box) {
  const source = plot.source(layer);
  if (!picture) {
    if (source.data.image && source.data.image.length) {
      source.data = { image: [], x: [], y: [], dw: [], dh: [] };
    }
    return;
  }
  const image = ndarray(picture.pixels, { dtype: "uint32", shape: [picture.height, picture.width] });
  const [x0, x1] = [box[0], box[1]].sort((a, b) => a - b);
  const [y0, y1] = [box[2], box[3]].sort((a, b) => a - b);
  source.data = { image: [image], x: [x0], y: [y0], dw: [x1 - x0], dh: [y1 - y0] };
}

/** Coordinates of a plot in its own pixels, from the left and the top. */
function onScreen(plot) {
  const [wide, high] = plot.size();
  const { start: x0, end: x1 } = plot.xRange, { start: y0, end: y1 } = plot.yRange;
  const xScale = wide / (x1 - x0), yScale = high / (y1 - y0);
  return {
    wide, high, xScale, yScale,
    x: (value) => (value - x0) * xScale,
    y: (value) => high - (value - y0) * yScale,
  };
}

/** Call back for each way in which people point and select; shapes come in data coordinates. */
function listen(plot, { move, leave, tap, select, zoom }) {
  plot.model.on_event("mousemove", (event) => move(event.x, event.y));
  plot.model.on_event("mouseleave", () => leave());
  plot.model.on_event("tap", (event) => tap(event.x, event.y, event.modifiers.shift));
  plot.model.on_event("selectiongeometry", (event) => {
    if (event.final) select(event.geometry);
  });
  const changed = [plot.xRange, plot.yRange].flatMap((range) => [
    range.properties.start.change, range.properties.end.change,
  ]);
  for (const signal of changed) signal.connect(zoom);
  new ResizeObserver(zoom).observe(plot.host);
}
