// Samples without a card of their own, found by id.
import { decode } from "./charts.js";

const NO_CLASS = 65535;
const STEPS = 10000;
const MOST = 24;

// Returns search(part): samples whose id contains part (lower case), the exact one first, at most MOST.
export function otherSamples(others) {
  if (!others) return () => [];
  const [given, suggested, quality, confidence] = ["given", "suggested", "quality", "confidence"].map((column) => decode(others[column], Uint16Array));
  const sample = (i) => ({
    id: others.ids[i], given: others.names[given[i]],
    suggested: suggested[i] === NO_CLASS ? null : others.names[suggested[i]],
    confidence: confidence[i] / STEPS, quality: quality[i] / STEPS,
    flagged: false, reason: "", region: "", statistics: [], image: null, text: null, row: null, curve: null,
  });
  return (part) => {
    if (!part) return [];
    const found = [];
    const exact = [];
    others.ids.forEach((id, i) => {
      const lower = id.toLowerCase();
      if (lower === part) exact.push(i);
      else if (found.length < MOST && lower.includes(part)) found.push(i);
    });
    return [...exact, ...found].slice(0, MOST).map(sample);
  };
}
