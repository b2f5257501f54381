"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const data = JSON.parse(document.getElementById("data").textContent);
const number = text => parseFloat(text.replace("–", "NaN").replace(",", ""));

// Sort a table by a column; what has no number comes last, whichever the direction.
function sort(header) {
  const table = header.closest("table"), column = header.cellIndex;
  const down = header.getAttribute("aria-sort") === "ascending";
  const key = body => {
    const cell = body.rows[0].cells[column];
    return (cell.dataset.v ?? cell.textContent).trim();
  };
  const numeric = header.classList.contains("n");
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (!numeric) return down ? y.localeCompare(x) : x.localeCompare(y);
    const [p, q] = [number(x), number(y)];
    if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
    return down ? q - p : p - q;
  };
  all("th[aria-sort]", table).forEach(other => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.append(...[...table.tBodies].sort(order));
}

// Show the tables and rows that all filters admit.
function filter() {
  const wanted = Object.fromEntries(all("#filters select").map(select => [select.name, select.value]));
  const admits = (element, name) => !wanted[name] || element.dataset[name] === wanted[name];
  for (const section of all("section")) {
    section.hidden = Object.keys(section.dataset).some(name => !admits(section, name));
    for (const body of all("tbody", section)) body.hidden = !admits(body, "family");
  }
}

// Say which of two or three selected entries differ.
function compare(section) {
  const boxes = all("input:checked", section), pairs = data.tables[all("section").indexOf(section)];
  for (const box of all("input[data-pair]", section)) box.disabled = boxes.length > 2 && !box.checked;
  const chosen = boxes.map(box => +box.dataset.pair).sort((a, b) => a - b);
  const lines = chosen.flatMap((a, i) => chosen.slice(i + 1).map(b => {
    const [error, tie] = [pairs.errors[a][b - a - 1], pairs.ties[a][b - a - 1]];
    const names = `${pairs.names[a]} − ${pairs.names[b]}`;
    if (error === null) return `${names}: compared with other retrained models`;
    const difference = pairs.scores[a] - pairs.scores[b], half = 1.96 * error * data.unit;
    const [at, low, high] = [difference, difference - half, difference + half].map(value => value.toFixed(4));
    return `${names}: ${at} [${low}, ${high}], ${+tie ? "a tie" : "they differ"}`;
  }));
  const panel = section.querySelector(".compared");
  panel.replaceChildren(...lines.map(line => Object.assign(document.createElement("p"), { textContent: line })));
  if (boxes.length === 1) panel.textContent = "Select one or two more entries to compare.";
}

for (const button of all("thead button")) button.onclick = () => sort(button.parentElement);
for (const box of all("input[data-pair]")) box.onchange = () => compare(box.closest("section"));
document.getElementById("filters").onchange = filter;
filter();

const theme = document.getElementById("theme");
const dark = on => {
  document.documentElement.dataset.theme = on ? "dark" : "light";
  theme.setAttribute("aria-pressed", on);
};
theme.onclick = () => dark(theme.getAttribute("aria-pressed") !== "true");
dark(matchMedia("(prefers-color-scheme: dark)").matches);

document.getElementById("json").href = URL.createObjectURL(new Blob([JSON.stringify(data)], { type: "application/json" }));
// A circle of the plot leads to its entry, whose details open.
addEventListener("hashchange", () => {
  const details = document.getElementById(location.hash.slice(1))?.querySelector("details");
  if (details) details.open = true;
});
