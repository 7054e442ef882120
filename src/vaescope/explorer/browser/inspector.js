// The quantities of one site, and the decoded picture at a point of the latent plane.

const inspector = {
  site: document.getElementById("explorer-site-title"),
  patch: document.getElementById("explorer-patch"),
  rebuilt: document.getElementById("explorer-rebuilt"),
  predicted: document.getElementById("explorer-predicted"),
  numbers: document.getElementById("explorer-numbers"),
  note: document.getElementById("explorer-site-note"),
  drawn: document.getElementById("explorer-generated"),
  where: document.getElementById("explorer-generated-words"),
};

let inspected = 0; // counts requests, so that a slow answer never overwrites a later one

/** Show patch, reconstruction and numbers of a site; −1: of none. */
async function inspect(site, model, member, colour) {
  const turn = ++inspected;
  if (site < 0) return;
  const [patch, predicted, rebuilt] = await Promise.all([
    openPicture("patch", site),
    model ? openPicture(`${model.name}/predicted_patch`, site) : null,
    model ? openPicture(`${model.name}/reconstruction`, site) : null,
  ]);
  const rows = await siteRows(site, model, member, colour);
  if (turn !== inspected) return;
  drawPicture(inspector.patch, patch);
  drawPicture(inspector.rebuilt, rebuilt);
  drawPicture(inspector.predicted, predicted);
  inspector.predicted.parentElement.hidden = !predicted;
  inspector.rebuilt.parentElement.hidden = !rebuilt && Boolean(predicted || facts.curves);
  inspector.note.textContent = patch || !facts.small ? "" : "No patch of this site is on the page.";
  inspector.site.textContent = `Site ${rows.name}`;
  inspector.numbers.replaceChildren(
    ...rows.lines.map(([label, text]) => {
      const line = document.createElement("tr");
      const head = document.createElement("th"), value = document.createElement("td");
      head.scope = "row";
      head.textContent = label;
      value.textContent = text;
      line.append(head, value);
      return line;
    }),
  );
}

/** The coloured quantity first, then position, latents, pose, class and how well it is explained. */
async function siteRows(site, model, member, colour) {
  const told = [...(model ? model.columns : []), ...facts.columns];
  const errors = new Set(told.map((column) => column.error).filter(Boolean));
  const wanted = told.filter((column) => column !== colour && isTold(column, errors));
  const lines = await Promise.all(
    [colour, ...wanted].map(async (column) => [column.label, await valueWords(column, site, model, member)]),
  );
  const numbers = await openColumn(findColumn(null, "site"));
  return { name: numbers[site], lines: lines.filter(([, text]) => text !== "–") };
}

function isTold(column, errors) {
  if (errors.has(column.key) || column.key === "site") return false;
  if (column.key === "frame" && facts.backdrop.picture_of.length < 2) return false;
  if (/class_probability_|_physical$/.test(column.key)) return false;
  return column.group !== "Strain of the lattice" || /_neighbours(_|$)/.test(column.key);
}

async function valueWords(column, site, model, member) {
  const value = (await openColumn(column, model, member))[site];
  if (!Number.isFinite(value)) return "–";
  if (column.kind === "category") return kindName(column, value);
  const shown = shownValue(column, value);
  const unit = behind(column);
  if (Number.isInteger(shown) && !column.error) return `${String(shown).replace("-", "−")}${unit}`;
  const beside = column.error && findColumn(model, column.error);
  const error = beside ? (await openColumn(beside, model, member))[site] * beside.factor : NaN;
  if (!Number.isFinite(error)) return `${words(shown, 4)}${unit}`;
  return `${withError(shown, error)}${unit}`;
}

let drawnTurn = 0;

/** Draw what the model makes of a place in the latent plane and tell where it is. */
async function showGenerated(found, x, y, told, xColumn, yColumn, near, site) {
  const turn = ++drawnTurn;
  if (!found) {
    drawPicture(inspector.drawn, null);
    inspector.where.textContent = "Nothing is decoded for these two axes; choose two latents.";
    return;
  }
  if (!Number.isFinite(x)) {
    drawPicture(inspector.drawn, null);
    inspector.where.textContent = "Move over the latent plane to see what the model decodes there.";
    return;
  }
  const picture = await generate(found, x, y, told);
  const curve = ofSpectra(found.plane);
  const patch = curve && site >= 0 ? await openPicture("patch", site) : null;
  if (turn !== drawnTurn) return;
  inspector.drawn.hidden = curve && !patch;
  drawPicture(inspector.drawn, curve ? patch : picture);
  const place = [[xColumn, x], [yColumn, y]]
    .filter(([column]) => /^latent /.test(column.label))
    .map(([column, value]) => `${column.label} = ${words(value)}`)
    .join(", ");
  const edge = picture.beyond ? "; beyond what was decoded, its edge is shown" : "";
  inspector.where.textContent = `${place}${near ? `; ${near}` : ""}${edge}`
    + (patch ? "; patch of the nearest site" : "");
}
