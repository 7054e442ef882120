// The controls beside the plots: what is chosen in them, and the words beneath.

const control = (name) => document.getElementById(`explorer-${name}`);

/** Fill a list of choices, in groups where they have some; keeps the choice if it is still there. */
function fill(select, choices, chosen) {
  const groups = new Map();
  select.replaceChildren();
  for (const { value, label, group } of choices) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = label;
    if (!group) {
      select.append(option);
      continue;
    }
    if (!groups.has(group)) {
      const made = document.createElement("optgroup");
      made.label = group;
      groups.set(group, made);
      select.append(made);
    }
    groups.get(group).append(option);
  }
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  select.disabled = choices.length < 2;
  select.closest("label").hidden = choices.length < 1;
}

const choice = (column) => ({ value: column.key, label: column.label, group: column.group });

/** Columns by which sites can be coloured: those of the model first. */
const colourable = (model) =>
  [...(model ? model.columns : []), ...facts.columns].filter(
    (column) => column.key !== "site" && (column.key !== "frame" || facts.backdrop.picture_of.length > 1),
  );

/** Columns that can be an axis of the plane: latents first, then every other scale. */
function axisColumns(model) {
  const numbers = colourable(model).filter((column) => column.kind !== "category");
  const latents = numbers.filter((column) => column.group === "Latents");
  return [...latents, ...numbers.filter((column) => column.group !== "Latents")];
}

/** What stands beside the first latent: the second, or else what tells most of a site. */
function secondAxis(axes) {
  const latent = axes.find((column) => /\/latent_[2-9]$/.test(column.key));
  const telling = ["angle", "residual", "fit_quality", "amplitude"];
  const other = telling.map((name) => axes.find((column) => column.key.split("/").pop() === name));
  return latent ?? other.find(Boolean) ?? axes[axes.length - 1];
}

/** The same quantity of another model, or the first that `columns` offers. */
function alike(columns, key) {
  const own = key && key.includes("/") ? key.slice(key.indexOf("/")) : null;
  return (
    columns.find((column) => column.key === key)
    ?? (own && columns.find((column) => column.key.endsWith(own)))
    ?? columns[0]
  );
}

/** By what sites are coloured first: classes, or an angle, or the first latent, or what there is. */
function firstColour(model) {
  const columns = colourable(model);
  return (
    columns.find((column) => /\/class$/.test(column.key))
    ?? columns.find((column) => /\/latent_1$/.test(column.key))
    ?? columns.find((column) => column.key === "fit_quality")
    ?? columns[0]
  );
}

function fillModels(state) {
  fill(control("model"), facts.models.map((model, k) => ({ value: String(k), label: model.name })), "0");
  fillMembers(state);
}

function fillMembers(state) {
  const members = state.model ? state.model.members : [];
  const all = { value: "-1", label: members.length ? `consensus of ${members.length}` : "consensus" };
  const each = members.map((number, k) => ({ value: String(k), label: `member ${number}` }));
  fill(control("member"), state.model ? [all, ...each] : [], String(state.member));
}

function fillColumns(state) {
  fill(control("colour"), colourable(state.model).map(choice), state.colour.key);
  const axes = axisColumns(state.model).map(choice);
  fill(control("x"), axes, state.x.key);
  fill(control("y"), axes, state.y.key);
}

function fillTold(state) {
  const plane = state.plane && state.plane.plane;
  const names = plane ? plane.told : [];
  control("told-name").textContent = plane && plane.told_name ? `Drawn for ${plane.told_name}` : "";
  fill(control("told"), names.map((name, k) => ({ value: String(k), label: name })), String(state.told));
}
