// What the page holds: facts as JSON, numbers in deflated blocks that are opened when first needed.

const facts = JSON.parse(document.getElementById("explorer-facts").textContent);

const ARRAYS = {
  Float32Array, Float64Array, Int32Array, Int16Array, Uint16Array, Uint8Array, Int8Array,
};
const NO_NUMBER = 65535; // code of a rounded number that is none

const openedBlocks = new Map();
const openedColumns = new Map();

/** Bytes of a block, inflated; each block is opened once. */
function openBlock(number) {
  if (!openedBlocks.has(number)) {
    const letters = atob(document.getElementById(`explorer-block-${number}`).textContent.trim());
    const packed = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    openedBlocks.set(
      number,
      new Response(stream).arrayBuffer().then((buffer) => new Uint8Array(buffer)),
    );
  }
  return openedBlocks.get(number);
}

/** The array at a place: its bytes were sorted by their position in the number. */
async function openArray(place) {
  const bytes = await openBlock(place.block);
  const { start, count, size } = place;
  const out = new Uint8Array(count * size);
  for (let k = 0; k < size; k++) {
    const from = start + k * count;
    for (let i = 0; i < count; i++) out[i * size + k] = bytes[from + i];
  }
  return new ARRAYS[place.type](out.buffer);
}

/** Numbers of a column in the unit of its store; `member` is a position among those with a vote,
 * −1 for the consensus. A quantity that single members do not have is the consensus's. */
function openColumn(column, model, member) {
  const own = member >= 0 ? memberEntry(column, model, member) : undefined;
  const name = own ? `${column.key}#${member}` : column.key;
  if (!openedColumns.has(name)) {
    openedColumns.set(name, own ? openCoded(own) : openArray(column.place));
  }
  return openedColumns.get(name);
}

function memberEntry(column, model, member) {
  const entries = model && model.of_members[member];
  return entries && entries.find((entry) => entry.key === column.key);
}

async function openCoded(entry) {
  const codes = await openArray(entry.place);
  if (!entry.step) return codes;
  return Float32Array.from(codes, (code) =>
    code === NO_NUMBER ? NaN : entry.low + entry.step * code,
  );
}

/** A number of a column as it is shown: in its unit; of an angle, in its period. */
function shownValue(column, value) {
  const scaled = value * column.factor;
  if (!column.period) return scaled;
  const about = scaled - column.centre + column.period / 2;
  return about - Math.floor(about / column.period) * column.period
    - column.period / 2 + column.centre;
}

/** Digits enough for a reader, a true minus sign, no exponent where none is needed. */
function words(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(1).replace(/-/g, "−");
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(decimals, 6)).replace("-", "−");
}

/** A value with as many decimals as two digits of its error, or of its spread, have. */
function rounded(value, error) {
  const decimals = Math.min(Math.max(1 - Math.floor(Math.log10(Math.abs(error) || 1)), 0), 6);
  return value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
}

/** A value with its standard error, which is what ± means everywhere. */
const withError = (value, error) => `${rounded(value, error)} ± ${rounded(error, error)}`;

/** A unit as it stands behind a number. */
const behind = (column) => (/^[°%]?$/.test(column.unit) ? column.unit : ` ${column.unit}`);

/** Name of the kind that a value of a category is; a dash where it is none. */
function kindName(column, value) {
  const index = column.levels.indexOf(value);
  return index < 0 ? "–" : column.names[index];
}

const allColumns = (model) => [...facts.columns, ...(model ? model.columns : [])];
const findColumn = (model, key) => allColumns(model).find((column) => column.key === key);
