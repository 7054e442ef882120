// Finding and sorting on the index of all datasets.
"use strict";
(() => {
  const list = document.getElementById("cards");
  const tools = document.querySelector(".tools");
  if (!list || !tools) return;
  const shown = document.getElementById("shown");
  const find = document.getElementById("find");
  const recipe = document.getElementById("recipe");
  const sort = document.getElementById("sort");
  const turn = document.getElementById("turn");
  const states = ["failed", "incomplete", "waiting", "finished"];
  const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const cards = [...list.children].map((card, place) => ({
    card,
    place,
    name: card.dataset.name,
    state: states.indexOf(card.dataset.state),
    recipe: card.dataset.recipe,
    when: card.dataset.when,
    care: Number(card.dataset.care),
    numbers: JSON.parse(card.dataset.numbers),
    text: plain(card.textContent),
  }));

  const filter = () => {
    const words = plain(find.value).split(/\s+/).filter(Boolean);
    const state = document.querySelector('input[name="show"]:checked')?.value ?? "";
    let count = 0;
    for (const one of cards) {
      const wanted = (!recipe?.value || one.recipe === recipe.value)
        && (!state || states[one.state] === state)
        && words.every((word) => one.text.includes(word));
      one.card.hidden = !wanted;
      count += wanted;
    }
    shown.textContent = count === cards.length
      ? "" : `${count} of ${cards.length} datasets shown`;
    shown.hidden = count === cards.length;
  };

  // What a card does not know comes last, whichever way the order goes.
  const order = () => {
    const way = turn.getAttribute("aria-pressed") === "true" ? -1 : 1;
    const label = sort.selectedOptions[0].dataset.number;
    const value = {
      sheet: (one) => one.place,
      name: (one) => one.name,
      state: (one) => one.state,
      when: (one) => one.when || null,
      care: (one) => -one.care,
      number: (one) => one.numbers[label] ?? null,
    }[sort.value];
    // The newest first, as people ask for it.
    const sign = way * (sort.value === "when" ? -1 : 1);
    const sorted = [...cards].sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      if (one === null || other === null) return (one === null) - (other === null);
      const by = typeof one === "string" ? names.compare(one, other) : one - other;
      return sign * by || names.compare(a.name, b.name);
    });
    list.append(...sorted.map((one) => one.card));
  };

  tools.hidden = false;
  find.addEventListener("input", filter);
  recipe?.addEventListener("change", filter);
  document.querySelectorAll('input[name="show"]').forEach((one) =>
    one.addEventListener("change", filter));
  sort.addEventListener("change", order);
  turn.addEventListener("click", () => {
    turn.setAttribute("aria-pressed", String(turn.getAttribute("aria-pressed") !== "true"));
    order();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input[type=search], select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && event.target === find) {
      find.value = "";
      filter();
    }
  });
  // Browsers keep what was typed when a page is opened again.
  filter();
  if (sort.value !== "sheet") order();
})();
