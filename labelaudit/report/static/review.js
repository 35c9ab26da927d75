// The review: one sample after another, worst first. A decision is on disk before the next sample is shown.
import { element, name, percent, sampleCard, spoken, visible } from "./card.js";
import { ACTIONS, actionButtons, classDialog } from "./review_actions.js";

const root = document.getElementById("review");
// These stay while the rest is drawn anew: a screen reader hears only what changes in what it knows.
const top = element("header", { class: "rv-head" });
const message = element("p", { id: "rv-message", role: "status" });
const columns = element("div", { class: "rv-columns" });
const announced = element("p", { class: "la-hidden", role: "status" });
const token = new URLSearchParams(location.search).get("token") ?? "";
let reviewer = JSON.parse(document.getElementById("start").textContent).reviewer;
let view = null;
let busy = false;
let panel = null; // {kind: "lookalikes" | "disagreements" | "elsewhere", ...}: shown in place of the single sample

class Stale extends Error {} // the reviewer decided in another window since; nothing was written

async function ask(path, body = null) {
  const options = { headers: { "X-Review-Token": token } };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify({ reviewer, ...body });
  }
  const answer = await fetch(path, options);
  const data = await answer.json();
  if (answer.status === 409) throw Object.assign(new Stale(data.error), data, { path });
  if (!answer.ok) throw new Error(data.error);
  return data;
}

function query(values) {
  return new URLSearchParams(values).toString();
}

// Runs one request at a time; keys pressed meanwhile are left out, since they were meant for what is on the screen.
async function once(work) {
  if (busy) return;
  busy = true;
  root.setAttribute("aria-busy", "true");
  try {
    await work();
    say("");
  } catch (problem) {
    if (problem instanceof Stale) showElsewhere(problem);
    const lost = problem instanceof TypeError;
    say(lost ? "The server does not answer. The last key was not saved, all before it were. Start labelaudit review again." : problem.message, true);
  } finally {
    busy = false;
    root.removeAttribute("aria-busy");
  }
}

function say(text, problem = false) {
  message.textContent = text;
  message.className = problem ? "rv-problem" : "";
}

const load = () => once(async () => {
  view = await ask(`/api/view?${query({ reviewer })}`);
  draw();
});

// Says what the page showed of each sample, so that a decision of another window is not replaced unseen.
const decide = (samples, action, label = null) => once(async () => {
  const ranks = samples.map((one) => one.rank);
  view = await ask("/api/decide", { ranks, seen: samples.map((one) => one.step), action, label });
  if (panel?.kind === "elsewhere") panel.found = panel.found.filter(({ sample }) => !ranks.includes(sample.rank));
  await refreshPanel();
  draw();
});

const undo = () => once(async () => {
  if (view.undoes === null) return;
  view = await ask("/api/undo", { seen: view.undoes });
  if (panel?.kind === "elsewhere") panel = null;
  await refreshPanel();
  draw();
});

function showElsewhere({ decided, view: now, path }) {
  view = now;
  panel = !decided.length ? null : { kind: "elsewhere", found: decided, undoing: path === "/api/undo", again: false };
  draw();
}

// Keys decide only from here on: one that was pressed in haste replaces nothing.
function again() {
  if (panel.undoing) return undo();
  panel.again = true;
  draw();
}

async function refreshPanel() {
  if (panel?.kind === "lookalikes") {
    panel.samples = await ask(`/api/lookalikes?${query({ reviewer, given: panel.given, suggested: panel.suggested, kind: panel.kindOf })}`);
    if (!panel.samples.length) panel = null;
  } else if (panel?.kind === "disagreements") {
    panel.found = await ask(`/api/disagreements?${query({ reviewer })}`);
    if (!panel.found.length) panel = null;
  } else if (panel?.kind === "elsewhere" && !panel.found.length) panel = null;
}

const open = (next) => once(async () => {
  panel = next;
  await refreshPanel();
  draw();
});

function close() {
  panel = null;
  draw();
}

function allowed(sample, action) {
  return action !== "accept" || (sample.acceptable ?? sample.suggested !== null);
}

function act(sample, action) {
  if (busy || !allowed(sample, action)) return;
  if (action === "choose") chooseFor([sample]);
  else decide([sample], action);
}

function chooseFor(samples) {
  const { dialog, input } = classDialog(view.labels, samples[0].given, (number) => decide(samples, "choose", number));
  root.append(dialog);
  dialog.showModal();
  input.focus();
}

function withToken(sample) {
  return sample.image ? { ...sample, image: `${sample.image}?${query({ token })}` } : sample;
}

function progress() {
  const { n_flagged: all, n_flagged_decided: done, n_decided: decided } = view;
  return element(
    "div", { class: "rv-progress" },
    element("progress", { max: Math.max(all, 1), value: done, "aria-label": "flagged samples decided" }),
    element("span", {}, `${done} of ${all} flagged decided`, decided > done ? ` \u00b7 ${decided - done} beyond the cut` : ""),
  );
}

function outlook() {
  const { precision, precision_interval: range, n_next: n, next_wrong: wrong, next_interval: [low, high] } = view.estimate;
  const lines = [];
  if (precision !== null) lines.push(`Wrong among the flagged: about ${percent(precision)} (${percent(range[0])} to ${percent(range[1])})`);
  const hold = `the next ${n} hold about ${Math.round(wrong)} wrong label${Math.round(wrong) === 1 ? "" : "s"} (${low} to ${high})`;
  const stop = view.estimate.n_wrong + view.estimate.n_right >= 20 && wrong <= 0.05 * n;
  if (n) lines.push(stop ? `You may stop here: ${hold}.` : `${hold[0].toUpperCase()}${hold.slice(1)}.`);
  return element("div", { class: "rv-outlook", id: "rv-outlook" }, ...lines.map((line) => element("p", {}, line)));
}

function head() {
  const field = element("input", { type: "text", id: "rv-name", value: reviewer, maxlength: 60, autocomplete: "off", spellcheck: "false" });
  field.addEventListener("change", () => {
    reviewer = field.value;
    panel = null;
    load();
  });
  return [element("h1", {}, "Label review"), progress(), element("label", { class: "rv-name" }, "Reviewer ", field)];
}

function single() {
  const { sample } = view;
  if (!reviewer.trim()) return element("p", { class: "rv-note" }, "Type your name above; each reviewer's decisions are kept apart.");
  if (!sample) return element("div", { class: "rv-single" }, element("p", { class: "rv-note" }, "Every sample is decided."), element("div", { class: "rv-actions" }, undoButton()));
  const beyond = sample.flagged ? null : element("p", { class: "rv-note" }, "All flagged samples are decided. This one is beyond the cut.");
  return element(
    "div", { class: "rv-single" }, beyond, sampleCard(withToken(sample), { large: true }),
    element("div", { class: "rv-actions", role: "group", "aria-label": "Decision" }, ...actionButtons((action) => allowed(sample, action), (action) => act(sample, action), sample.actions), undoButton()),
  );
}

function undoButton() {
  return element("button", { type: "button", class: "rv-action", "data-action": "undo", "aria-keyshortcuts": "z", disabled: view.undoes === null, onclick: undo }, element("kbd", { "aria-hidden": "true" }, "z"), " Undo");
}

const kindText = (kind) => (kind ? `, ${kind}` : "");

function openPair({ given, suggested, kind }) {
  open({ kind: "lookalikes", given, suggested, kindOf: kind });
}

function lookalikes() {
  const boxes = panel.samples.map((sample) => ({ sample, box: element("input", { type: "checkbox", checked: true, "aria-label": `Decide with the others: ${spoken(sample)}` }) }));
  const chosen = () => boxes.filter(({ box }) => box.checked).map(({ sample }) => sample);
  const all = (action) => {
    const samples = chosen();
    if (!samples.length) say("Tick at least one sample.", true);
    else if (action === "choose") chooseFor(samples);
    else decide(samples, action);
  };
  return element(
    "section", { class: "rv-panel", "aria-label": "Look-alikes" },
    element("h2", {}, "Given ", name(panel.given), ", suggested ", name(panel.suggested), kindText(panel.kindOf)),
    element("p", {}, "One key decides all that are ticked; the others stay open."),
    element("div", { class: "rv-actions", role: "group", "aria-label": "Decision on all that are ticked" }, ...actionButtons(() => true, all, panel.samples[0].actions), undoButton(), backButton()),
    element("ul", { class: "rv-grid" }, ...boxes.map(({ sample, box }) => element("li", {}, element("label", { class: "rv-tick" }, box, " with the others"), sampleCard(withToken(sample))))),
  );
}

function said({ reviewer: who, action, label }) {
  const what = label !== null ? [element("span", {}, action === "add" ? "adds " : "says "), name(label)] : [{ keep: "keeps the label", remove: "in no class", unsure: "unsure", move: "moves the box" }[action]];
  return element("li", {}, name(who), ": ", ...what);
}

function backButton(text = "Back") {
  return element("button", { type: "button", class: "rv-action", "aria-keyshortcuts": "Escape", onclick: close }, element("kbd", { "aria-hidden": "true" }, "Esc"), ` ${text}`);
}

// A sample with what was said of it, and buttons to say something else.
function decidedCard({ sample, words }, open) {
  const buttons = open ? actionButtons((action) => allowed(sample, action), (action) => act(sample, action), sample.actions) : null;
  return element(
    "li", {}, sampleCard(withToken(sample)), element("ul", { class: "rv-words" }, ...words.map(said)),
    buttons && element("div", { class: "rv-actions", role: "group", "aria-label": "Your decision" }, ...buttons),
  );
}

function disagreements() {
  const cards = panel.found.map((one) => decidedCard(one, true));
  return element(
    "section", { class: "rv-panel", "aria-label": "Disagreements" },
    element("h2", {}, "Reviewers disagree"), element("p", {}, `You are ${visible(reviewer)}. Your decision here replaces your earlier one.`),
    backButton(), element("ul", { class: "rv-grid" }, ...cards),
  );
}

// What another window decided, in place of what this one was about to.
function elsewhere() {
  const text = panel.undoing ? "Take it back" : "Decide again";
  return element(
    "section", { class: "rv-panel", "aria-label": "Decided in another window" },
    element("h2", {}, "Decided in another window"),
    element("div", { class: "rv-actions" }, backButton("Leave it so"), panel.again ? null : element("button", { type: "button", class: "rv-action", "aria-keyshortcuts": "r", onclick: again }, element("kbd", { "aria-hidden": "true" }, "r"), ` ${text}`)),
    element("ul", { class: "rv-grid" }, ...panel.found.map((one) => decidedCard(one, panel.again))),
  );
}

function aside() {
  const pairs = view.pairs.map((pair, i) => element("li", {}, element("button", { type: "button", "data-pair": i, onclick: () => openPair(pair) }, name(pair.given), " \u2192 ", name(pair.suggested), `${kindText(pair.kind)} (${pair.n})`)));
  const people = Object.entries(view.reviewers).map(([who, n]) => element("li", {}, name(who), `: ${n}`));
  const exports = ["csv", "parquet", "json"].map((kind) => element("a", { href: `/api/export?${query({ kind, token })}`, download: `decisions.${kind}` }, kind.toUpperCase()));
  return element(
    "aside", { class: "rv-aside", "aria-label": "Overview" }, outlook(),
    ...(pairs.length ? [element("h2", {}, "Look-alikes at once ", element("kbd", { "aria-hidden": "true" }, "l")), element("ul", {}, ...pairs)] : []),
    ...(people.length ? [element("h2", {}, "Reviewers"), element("ul", {}, ...people)] : []),
    view.n_disputed ? element("button", { type: "button", "data-disputed": "", onclick: () => open({ kind: "disagreements" }) }, element("kbd", { "aria-hidden": "true" }, "d"), ` ${view.n_disputed} disagreement${view.n_disputed > 1 ? "s" : ""}`) : null,
    element("h2", {}, "Decisions"), element("p", { class: "rv-exports" }, ...exports),
  );
}

function draw() {
  const typing = document.activeElement?.id === "rv-name";
  const body = panel ? { lookalikes, disagreements, elsewhere }[panel.kind] : single;
  const main = element("main", { class: "rv-main", tabindex: -1 }, body());
  top.replaceChildren(...head());
  columns.replaceChildren(main, aside());
  say("");
  for (const url of view.coming) new Image().src = `${url}?${query({ token })}`; // ahead of time
  announced.textContent = !panel && view.sample ? spoken(view.sample) : "";
  if (!typing || reviewer.trim()) main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !view) return;
  const { target } = event;
  if (target.closest("dialog") || target.matches("input[type='text'], input[type='search'], select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = ACTIONS.find(([one]) => one === key)?.[1];
  if (key === "Escape" && panel) close();
  else if (panel?.kind === "elsewhere" && !panel.again) {
    if (key !== "r") return;
    again();
  } else if (key === "z") undo();
  else if (key === "l" && view.pairs.length) openPair(view.pairs[0]);
  else if (key === "d" && view.n_disputed) open({ kind: "disagreements" });
  else if (action && panel) root.querySelector(`.rv-panel [data-action="${action}"]`).click(); // of several cards: the first
  else if (action && !panel && view.sample && reviewer.trim()) act(view.sample, action);
  else return;
  event.preventDefault();
});

root.append(top, message, columns, announced);
load();
