// Which sites are selected: by shapes in either plot; what is said of them; the table of them.

/** Whether a point lies in what a selection tool drew. */
function within(shape) {
  if (shape.type === "rect") {
    const [x0, x1] = [shape.x0, shape.x1].sort((a, b) => a - b);
    const [y0, y1] = [shape.y0, shape.y1].sort((a, b) => a - b);
    return (x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1;
  }
  const xs = Array.from(shape.x), ys = Array.from(shape.y), n = xs.length;
  return (x, y) => {
    let inside = false; // a ray to the right crosses the outline an odd number of times
    for (let i = 0, j = n - 1; i < n; j = i++) {
      const crosses = ys[i] > y !== ys[j] > y;
      if (crosses && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) inside = !inside;
    }
    return inside;
  };
}

/** Mark the sites in a shape; with `add`, beside those that are marked already. Returns how many. */
function choose(chosen, inside, xs, ys, shown, add) {
  if (!add) chosen.fill(0);
  let count = 0;
  for (let i = 0; i < chosen.length; i++) {
    if (!chosen[i] && shown(i) && inside(xs[i], ys[i])) chosen[i] = 1;
    count += chosen[i];
  }
  return count;
}

/** Mean, standard deviation and range of the selected sites' values, or the shares of kinds. */
function summary(column, values, chosen, any) {
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if ((!any || chosen[i]) && Number.isFinite(values[i])) found.push(values[i]);
  }
  if (!found.length) return `${column.label}: –`;
  if (column.kind === "category") {
    const counts = new Map();
    for (const value of found) counts.set(value, (counts.get(value) ?? 0) + 1);
    const most = [...counts].sort((a, b) => b[1] - a[1]);
    const parts = most.slice(0, 4).map(
      ([value, count]) => `${kindName(column, value)} ${words((100 * count) / found.length)} %`,
    );
    return `${column.label}: ${parts.join(", ")}${most.length > 4 ? ", …" : ""}`;
  }
  const [mean, sd] = column.period ? circular(column, found) : plainMean(column, found);
  const unit = behind(column);
  const range = column.period ? "" : `, ${extremes(column, found, sd)}${unit}`;
  return `${column.label}: mean ${rounded(mean, sd)}${unit}, sd ${rounded(sd, sd)}${unit}${range}`;
}

/** Least and greatest value, to the digits that their spread has. */
function extremes(column, found, sd) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of found) {
    low = Math.min(low, value * column.factor);
    high = Math.max(high, value * column.factor);
  }
  return `${rounded(low, sd)} to ${rounded(high, sd)}`;
}

function plainMean(column, found) {
  let sum = 0;
  for (const value of found) sum += value * column.factor;
  const mean = sum / found.length;
  let squares = 0;
  for (const value of found) squares += (value * column.factor - mean) ** 2;
  return [mean, Math.sqrt(squares / found.length)];
}

/** Mean and standard deviation of angles that repeat after their period (Mardia). */
function circular(column, found) {
  let c = 0, s = 0;
  const turn = (2 * Math.PI) / column.period;
  for (const value of found) {
    c += Math.cos(value * column.factor * turn);
    s += Math.sin(value * column.factor * turn);
  }
  const length = Math.min(Math.hypot(c, s) / found.length, 1);
  const mean = shownValue({ ...column, factor: 1 }, Math.atan2(s, c) / turn);
  return [mean, Math.sqrt(-2 * Math.log(Math.max(length, 1e-12))) / turn];
}

/** All columns of the selected sites as CSV: sites, truth, strain, consensus of every model, and the
 * member that is shown, if one is. */
async function selectedTable(chosen, model, member) {
  const columns = [
    ...facts.columns.map((column) => ({ column, header: column.header, values: openColumn(column) })),
  ];
  for (const one of facts.models) {
    for (const column of one.columns) {
      columns.push({ column, header: column.header, values: openColumn(column, one, -1) });
    }
  }
  if (model && member >= 0) {
    for (const entry of model.of_members[member]) {
      const column = model.columns.find((found) => found.key === entry.key);
      const header = `${model.name}_member_${model.members[member]}_${column.member_header}`;
      columns.push({ column, header, values: openColumn(column, model, member) });
    }
  }
  const values = await Promise.all(columns.map((one) => one.values));
  const lines = [columns.map((one) => quoted(one.header)).join(",")];
  for (let i = 0; i < chosen.length; i++) {
    if (!chosen[i]) continue;
    lines.push(columns.map((one, k) => cell(one.column, values[k][i])).join(","));
  }
  return `${lines.join("\n")}\n`;
}

function quoted(text) {
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** A number as the tables beside the stores have it: whole ones whole, others to seven digits. */
function cell(column, value) {
  if (!Number.isFinite(value)) return "";
  if (column.truth_value) return value ? "True" : "False";
  if (column.words.length) return quoted(column.words[value]);
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
}

/** Hand a file to the person who asked for it. */
function offerFile(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
