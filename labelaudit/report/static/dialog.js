// One sample in full, with the next and the previous.
import { element, sampleCard, visible } from "./card.js";

// Returns open(index, order): shows cards[index], one of the indices in order.
export function sampleDialog(cards) {
  const dialog = document.getElementById("dialog");
  const host = document.getElementById("one");
  const place = document.getElementById("place");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  let order = [];
  let at = 0;

  function show() {
    const sample = cards[order[at]];
    const rows = sample.statistics.map(([term, value]) => element("tr", {}, element("th", { scope: "row" }, term), element("td", {}, visible(value))));
    const caption = element("caption", { class: "la-hidden" }, "Statistics of this sample");
    host.replaceChildren(
      sampleCard(sample, { large: true }),
      element("div", {}, element("table", { class: "plain" }, caption, element("tbody", {}, ...rows))),
    );
    place.textContent = `${(at + 1).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
    previous.disabled = at === 0;
    next.disabled = at === order.length - 1;
  }
  function step(by) {
    at = Math.min(Math.max(at + by, 0), order.length - 1);
    show();
  }
  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  return (index, indices) => {
    order = indices;
    at = Math.max(order.indexOf(index), 0);
    show();
    dialog.showModal();
  };
}
