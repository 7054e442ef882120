// Colours of the sites, and the legend that explains them.

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** A pixel as canvases hold it, from 0xRRGGBB. */
function pixel(colour, alpha = 255) {
  const red = (colour >> 16) & 255, green = (colour >> 8) & 255, blue = colour & 255;
  return littleEndian
    ? ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | alpha) >>> 0;
}

const hex = (text) => parseInt(text.slice(1), 16);
const MISSING = pixel(hex(facts.missing));

/** One pixel for each site: the colour of its value. */
function paint(column, values) {
  const out = new Uint32Array(values.length);
  if (column.kind === "category") {
    const shades = new Map(column.levels.map((level, k) => [level, pixel(hex(column.colours[k]))]));
    for (let i = 0; i < out.length; i++) out[i] = shades.get(values[i]) ?? MISSING;
    return out;
  }
  const palette = Uint32Array.from(facts.palettes[column.cmap], (colour) => pixel(colour));
  const last = palette.length - 1, scale = last / (column.high - column.low);
  for (let i = 0; i < out.length; i++) {
    const value = shownValue(column, values[i]);
    const index = Math.round((value - column.low) * scale);
    out[i] = Number.isFinite(value) ? palette[Math.min(Math.max(index, 0), last)] : MISSING;
  }
  return out;
}

/** A colour bar with its ends, or a list of kinds. */
function drawLegend(host, column) {
  host.replaceChildren();
  const title = document.createElement("span");
  title.className = "legend-title";
  title.textContent = titled(column);
  host.append(title);
  if (column.kind === "category") {
    const list = document.createElement("ul");
    column.names.slice(0, 16).forEach((name, k) => {
      const item = document.createElement("li");
      item.append(swatch(column.colours[k]), name);
      list.append(item);
    });
    const rest = document.createElement("li");
    rest.append(swatch(facts.missing), column.names.length > 16 ? "none, and others" : "none");
    list.append(rest);
    host.append(list);
    return;
  }
  const bar = document.createElement("canvas");
  const palette = facts.palettes[column.cmap];
  bar.width = palette.length;
  bar.height = 1;
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `colours from ${words(column.low)} to ${words(column.high)}`);
  const context = bar.getContext("2d");
  const row = context.createImageData(palette.length, 1);
  new Uint32Array(row.data.buffer).set(palette.map((colour) => pixel(colour)));
  context.putImageData(row, 0, 0);
  const low = document.createElement("span"), high = document.createElement("span");
  low.textContent = words(column.low);
  high.textContent = words(column.high);
  host.append(low, bar, high);
}

/** A quantity with its unit, unless its name tells it already. */
function titled(column) {
  return column.unit && !column.label.includes(`${column.unit})`)
    ? `${column.label} (${column.unit})` : column.label;
}

function swatch(colour) {
  const mark = document.createElement("i");
  mark.className = "swatch";
  mark.style.background = colour;
  return mark;
}
