// The report of a detection audit: joins filters and cards.
import { sampleCard, visible } from "./card.js";
import { fillOptions, passing } from "./filters.js";
import { sampleDialog } from "./dialog.js";

const PAGE = innerWidth > 560 ? 48 : 16; // cards shown at a time
const { cards } = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters");
const grid = document.getElementById("grid");
const more = document.getElementById("more");
const cut = document.getElementById("cut");
const open = sampleDialog(cards);
const nFlagged = cards.filter((card) => card.flagged).length; // flagged cards come first
let found = [];

fillOptions(form.given, cards.map((card) => card.given));
fillOptions(form.suggested, cards.map((card) => card.suggested));
if (!nFlagged) form.shown.value = "all";

function addCards() {
  const from = grid.childElementCount;
  const made = found.slice(from, from + PAGE).map((i) => sampleCard(cards[i], { open: () => open(i, found) }));
  grid.append(...made);
  const left = found.length - from - made.length;
  more.hidden = left <= 0;
  more.dataset.left = left.toLocaleString("en"); // what a printed page says in place of the button
  more.textContent = `Show ${Math.min(PAGE, left)} more of ${left.toLocaleString("en")}`;
  return made;
}

// At its right end the cut is the automatic one; elsewhere what has a quality below it counts as flagged.
function pastTheCut(card) {
  const place = Number(cut.value);
  return place > 100 ? card.flagged : card.quality * 100 < place;
}

function update() {
  const state = { n: cards.length, box: null };
  for (const field of ["given", "suggested", "region", "order", "id"]) state[field] = form.elements[field].value;
  const shown = form.shown.value;
  const all = { ...state, shown: "all" };
  found = passing(cards, [], all).filter((i) => state.id.trim() || shown === "all" || pastTheCut(cards[i]) === (shown === "flagged"));
  const automatic = Number(cut.value) > 100;
  document.getElementById("cut-value").textContent = automatic ? "automatic" : `quality < ${(Number(cut.value) / 100).toFixed(2)}`;
  const n = found.length.toLocaleString("en");
  document.getElementById("count").textContent = `${n} of ${cards.length.toLocaleString("en")} boxes${state.region ? `, ${visible(state.region)}` : ""}`;
  grid.replaceChildren();
  addCards();
}

form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => {
  form.reset();
  if (!nFlagged) form.shown.value = "all";
  update();
});
more.addEventListener("click", () => addCards()[0]?.querySelector("button")?.focus());
for (const button of document.querySelectorAll("button[data-kind]")) {
  button.addEventListener("click", () => {
    form.region.value = button.dataset.kind;
    update();
    document.getElementById("samples").scrollIntoView();
  });
}
update();
document.documentElement.dataset.ready = "true";
