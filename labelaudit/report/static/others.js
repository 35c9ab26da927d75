// Samples without a card of their own, found by id or picked in the embeddings.
import { decode } from "./charts.js";

const NO_CLASS = 65535;
const STEPS = 10000;
const MOST = 24;

// Returns {search(part), among(indices, state), first(indices)}: the indices of samples whose id contains part (lower
// case), the exact one first, at most MOST; those of some indices that pass the filters; and the samples of the first MOST.
export function otherSamples(others) {
  if (!others) return { search: () => [], among: () => [], first: () => [] };
  const [given, suggested, quality, confidence] = ["given", "suggested", "quality", "confidence"].map((column) => decode(others[column], Uint16Array));
  const sample = (i) => ({
    id: others.ids[i], given: others.names[given[i]],
    suggested: suggested[i] === NO_CLASS ? null : others.names[suggested[i]],
    confidence: confidence[i] / STEPS, quality: quality[i] / STEPS,
    flagged: false, reason: "", region: "", statistics: [], image: null, text: null, row: null, curve: null,
  });
  function search(part) {
    if (!part) return [];
    const found = [];
    const exact = [];
    others.ids.forEach((id, i) => {
      const lower = id.toLowerCase();
      if (lower === part) exact.push(i);
      else if (found.length < MOST && lower.includes(part)) found.push(i);
    });
    return [...exact, ...found].slice(0, MOST);
  }
  function among(indices, state) {
    const part = state.id.trim().toLowerCase();
    if (state.region || state.box || (state.shown === "flagged" && !part)) return []; // known of samples with a card only
    return indices.filter((i) => (!state.given || others.names[given[i]] === state.given)
      && (!state.suggested || others.names[suggested[i]] === state.suggested)
      && (!part || others.ids[i].toLowerCase().includes(part)));
  }
  return { search, among, first: (indices) => indices.slice(0, MOST).map(sample) };
}
