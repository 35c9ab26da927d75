// Which cards are shown, and in which order.
import { element, visible } from "./card.js";

// A select's options from the names that occur, the most frequent first.
export function fillOptions(select, names) {
  const counts = new Map();
  for (const text of names) if (text !== null) counts.set(text, (counts.get(text) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  select.append(...sorted.map(([text, count]) => element("option", { value: text }, `${visible(text)} (${count})`)));
}

// Indices of the cards that pass. state: {n, shown, given, suggested, region, id, order, box, picked}; card i is
// flagged if i < n.
export function passing(cards, points, state) {
  const part = state.id.trim().toLowerCase();
  const found = [];
  cards.forEach((card, i) => {
    const flagged = i < state.n;
    if (part) {
      if (!card.id.toLowerCase().includes(part)) return;
    } else if ((state.shown === "flagged" && !flagged) || (state.shown === "rest" && flagged)) return;
    if (state.given && card.given !== state.given) return;
    if (state.suggested && card.suggested !== state.suggested) return;
    if (state.region && card.region !== state.region) return;
    if (state.picked && !state.picked.cards.has(i)) return;
    if (state.box) {
      const [x, y] = points[i];
      if (x < state.box.x0 || x > state.box.x1 || y < state.box.y0 || y > state.box.y1) return;
    }
    found.push(i);
  });
  if (state.order === "confidence") found.sort((a, b) => (cards[b].confidence ?? -1) - (cards[a].confidence ?? -1) || a - b);
  if (state.order === "id") found.sort((a, b) => cards[a].id.localeCompare(cards[b].id, "en", { numeric: true }));
  if (part) found.sort((a, b) => (cards[b].id.toLowerCase() === part) - (cards[a].id.toLowerCase() === part));
  return found;
}

// What the count says of a selection: found cards, others without one. total: {samples, searchable}.
export function counted(found, others, cards, state, total) {
  const many = (number) => number.toLocaleString("en");
  const beyond = state.n > cards.length && !state.id.trim() && state.shown !== "rest"
    ? ` ${many(state.n)} samples are past the cut; cards exist for the ${many(cards.length)} worst.` : "";
  const few = others.length ? ` ${many(others.length)} of them ${others.length === 1 ? "is" : "are"} not among the ${many(cards.length)} most suspicious: only ${others.length > 24 ? "the labels of the first 24" : "their labels"} are here.` : "";
  const shown = found.length + others.length;
  if (shown) return `${many(shown)} ${shown === 1 ? "sample" : "samples"}.${few}${beyond}`;
  if (state.id.trim() && cards.length < total.samples) return `No sample has this id${total.searchable ? "" : ` among the ${many(cards.length)} most suspicious`}.`;
  return `No sample passes these filters.${beyond}`;
}
