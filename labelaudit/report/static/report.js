// The report: reads the data in the page and joins charts, filters and cards.
import { element, sampleCard, visible } from "./card.js";
import { forgettingHistogram, learningCurves } from "./charts.js";
import { movableCut } from "./cut.js";
import { dataMap } from "./data_map.js";
import { embeddingMap } from "./embedding_map.js";
import { noiseMatrix } from "./matrix.js";
import { counted, fillOptions, passing } from "./filters.js";
import { otherSamples } from "./others.js";
import { sampleDialog } from "./dialog.js";

const PAGE = innerWidth > 560 ? 48 : 16; // cards shown at a time
const data = JSON.parse(document.getElementById("data").textContent);
const { cards } = data;
for (const card of cards) if (card.curve) card.curve.epochs = data.learning.epochs;
const points = cards.map((_, i) => [data.card_x[i] ?? 0, data.card_y[i] ?? 0]);
const form = document.getElementById("filters");
const grid = document.getElementById("grid");
const otherGrid = document.getElementById("others");
const main = document.getElementById("samples");
const jump = document.getElementById("jump");
const more = document.getElementById("more");
const state = { n: 0, shown: "flagged", given: "", suggested: "", region: "", id: "", order: "quality", box: null, picked: null };
let found = [];

const others = otherSamples(data.others);
const total = { samples: data.total, searchable: Boolean(data.others) };
const open = sampleDialog(cards);
fillOptions(form.given, cards.map((card) => card.given));
fillOptions(form.suggested, cards.map((card) => card.suggested));
const press = noiseMatrix(data.matrix, (given, truth) => { choosePair(given, truth === given ? "" : truth); reveal(); });
state.n = movableCut({ ...data, moved: (n) => { state.n = n; update(); } });
if (!state.n) form.shown.value = "all";
const map = dataMap(data.map, points, (box) => { state.box = box; update(); reveal(); });
const embedding = embeddingMap(data.embedding, (picked) => {
  if (picked) form.shown.value = "all"; // what is picked is shown, flagged or not
  else if (state.picked && state.n) form.shown.value = "flagged";
  state.picked = picked;
  update();
  reveal();
});
if (data.learning) learningCurves(document.getElementById("learning"), data.learning);
forgettingHistogram(document.getElementById("forgetting"), data.forgetting);

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

function update() {
  for (const field of ["shown", "given", "suggested", "region", "order", "id"]) state[field] = form.elements[field].value;
  found = passing(cards, points, state);
  const narrow = state.given || state.suggested || state.region || state.box || state.picked;
  const further = state.picked ? others.among(state.picked.others, state) : narrow ? [] : others.search(state.id.trim().toLowerCase());
  document.getElementById("count").textContent = counted(found, further, cards, state, total);
  grid.replaceChildren();
  addCards();
  showOthers(others.first(further));
  jump.hidden = !narrow;
  jump.textContent = `See the ${found.length.toLocaleString("en")} selected`;
  map.highlight(narrow || state.id ? found : []);
  embedding.highlight(narrow || state.id ? found : []);
  press(state.given, state.suggested);
}

// A choice made in the charts beside the cards shows the first of them; below the cards there is a link instead.
function reveal() {
  if (matchMedia("(min-width: 1081px)").matches && main.getBoundingClientRect().top < 0) main.scrollIntoView();
}

// Samples without a card of their own come last, or first where one has exactly the id that is searched.
function showOthers(samples) {
  otherGrid.replaceChildren(...samples.map((sample) => sampleCard(sample)));
  if (samples.length && samples[0].id.toLowerCase() === state.id.trim().toLowerCase()) grid.before(otherGrid);
  else more.parentElement.after(otherGrid);
}

// Show the samples of one pair of labels. A name that no card has still filters, to nothing.
function choosePair(given, suggested) {
  const again = state.given === given && state.suggested === suggested;
  for (const [field, value] of [["given", again ? "" : given], ["suggested", again ? "" : suggested]]) {
    const select = form.elements[field];
    if (value && ![...select.options].some((option) => option.value === value)) select.append(element("option", { value }, visible(value)));
    select.value = value;
  }
  update();
}

form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => {
  form.reset();
  if (!state.n) form.shown.value = "all";
  embedding.clear();
  map.clear(); // and update
});
more.addEventListener("click", () => addCards()[0]?.querySelector("button")?.focus());
for (const button of document.querySelectorAll("button[data-given]")) {
  button.addEventListener("click", () => {
    choosePair(button.dataset.given, button.dataset.suggested ?? "");
    main.scrollIntoView();
  });
}
update();
document.documentElement.dataset.ready = "true";
