// The noise matrix as a grid of buttons: arrow keys move in it, a cell filters the samples.
import { element, name, percent, visible } from "./card.js";

// choose(given, true) is called when a cell is chosen. Returns mark(given, suggested), which presses the cell in use.
export function noiseMatrix({ names, values, left_out }, choose) {
  const host = document.getElementById("matrix");
  const kind = ["matrix", names.some((text) => text.length > 3) && "long", names.length < 7 && "few"].filter(Boolean).join(" ");
  const heading = (scope, text) => element("th", { scope, title: visible(text) }, name(scope === "col" && text.length > 15 ? `${text.slice(0, 14)}\u2026` : text));
  const cells = [];
  const most = Math.max(...values.flatMap((row, r) => row.filter((_, c) => c !== r)), 1e-9);
  const rows = names.map((truth, r) => {
    const row = names.map((given, c) => {
      const share = values[r][c];
      const cell = element("button", {
        type: "button", class: r === c ? "same" : null, tabindex: r + c === 0 ? "0" : "-1", "aria-pressed": "false",
        "aria-label": `True ${visible(truth)}, given ${visible(given)}: ${percent(share)}`,
        title: `true ${visible(truth)}, given ${visible(given)}: ${percent(share)}`,
        onclick: () => choose(given, truth),
      }, share < 0.0005 ? "\u00b7" : (share * 100).toFixed(share < 0.0995 ? 1 : 0));
      if (r !== c) cell.style.setProperty("--share", `${(50 * Math.sqrt(share / most)).toFixed(0)}%`);
      cells.push(cell);
      return element("td", {}, cell);
    });
    return element("tr", {}, heading("row", truth), ...row);
  });
  const head = element("tr", {}, element("td", {}), ...names.map((given) => heading("col", given)));
  host.append(element("table", { class: kind, "aria-labelledby": "matrix-title" }, element("thead", {}, head), element("tbody", {}, ...rows)));
  if (left_out) host.append(element("p", { class: "hint" }, `The ${names.length} classes with the most mistakes; ${left_out.toLocaleString("en")} are left out.`));

  host.addEventListener("keydown", (event) => {
    const at = cells.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: names.length, ArrowUp: -names.length }[event.key];
    const sideways = Math.abs(step) === 1 && Math.floor((at + step) / names.length) !== Math.floor(at / names.length);
    if (at < 0 || !step || !cells[at + step] || sideways) return;
    event.preventDefault();
    cells[at].tabIndex = -1;
    cells[at + step].tabIndex = 0;
    cells[at + step].focus();
  });
  return (given, truth) => {
    cells.forEach((cell, i) => {
      const pressed = names[i % names.length] === given && names[Math.floor(i / names.length)] === (truth || given);
      cell.setAttribute("aria-pressed", String(pressed && given !== ""));
    });
  };
}
