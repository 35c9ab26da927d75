// Colours of points by a column: groups of names, or numbers on a scale; and the legend of either.
import { element, name } from "./card.js";
import { decode } from "./charts.js";

const NONE = 65535;
const NAMED = ["#4477dd", "#ee7733", "#228833", "#cc3377", "#8855cc", "#aa8800", "#11a0b0", "#dd5555", "#77990f", "#aa6644"];
const SCALE = [[205, 45, 45], [236, 135, 60], [190, 165, 75], [70, 155, 150], [60, 110, 200]]; // low to high
const SHADES = 32;
const LISTED = 24;

// Returns {groups: [{colour, points}] in the order of drawing, legend: [elements]}. pick(points, text) is called when a
// group is chosen in the legend.
export function colouring(column, pick) {
  return column.names ? byName(column, pick) : byNumber(column, pick);
}

function css(property) {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

function ofName(column, code) {
  if (code === NONE) return css("--edge");
  if (column.name === "is_label_issue") return css(code ? "--flagged" : "--clean");
  if (code < NAMED.length) return NAMED[code];
  return `hsl(${(code * 137.5) % 360} 55% 52%)`;
}

function grouped(codes) {
  const points = new Map();
  codes.forEach((code, i) => {
    if (!points.has(code)) points.set(code, []);
    points.get(code).push(i);
  });
  return points;
}

function byName(column, pick) {
  const found = [...grouped(decode(column.codes, Uint16Array))].sort((a, b) => a[0] - b[0]);
  const text = (code) => (code === NONE ? "none" : column.names[code]);
  const drawn = [...found].sort((a, b) => (b[0] === NONE) - (a[0] === NONE) || b[1].length - a[1].length); // small groups on top
  const entries = found.slice(0, LISTED).map(([code, points]) => {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = ofName(column, code);
    const label = element("button", { type: "button", class: "link", onclick: () => pick(points, text(code)) }, name(text(code)), ` (${points.length.toLocaleString("en")})`);
    return element("li", {}, swatch, label);
  });
  const rest = found.length - entries.length;
  const list = element("ul", { class: "groups" }, ...entries, rest > 0 ? element("li", {}, `and ${rest.toLocaleString("en")} more`) : null);
  return { groups: drawn.map(([code, points]) => ({ colour: ofName(column, code), points })), legend: [list] };
}

function shade(share) {
  const at = share * (SCALE.length - 1);
  const low = Math.min(Math.floor(at), SCALE.length - 2);
  const mixed = SCALE[low].map((part, i) => Math.round(part + (SCALE[low + 1][i] - part) * (at - low)));
  return `rgb(${mixed.join(" ")})`;
}

function byNumber(column, pick) {
  const values = decode(column.values, Uint16Array);
  const shades = grouped(Array.from(values, (value) => (value === NONE ? NONE : Math.min(Math.floor(value / 65535 * SHADES), SHADES - 1))));
  const groups = [...shades].sort((a, b) => (b[0] === NONE) - (a[0] === NONE) || b[0] - a[0]) // low numbers on top
    .map(([of, points]) => ({ colour: of === NONE ? css("--edge") : shade((of + 0.5) / SHADES), points }));
  const said = (number) => Number(number.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
  const bar = element("span", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${SCALE.map((_, i) => shade(i / (SCALE.length - 1))).join(", ")})`;
  const half = (low) => () => pick(Array.from(values.keys()).filter((i) => values[i] !== NONE && (values[i] < 32767) === low), low ? "the lower half of the scale" : "the upper half of the scale");
  const end = (number, low) => element("button", { type: "button", class: "link", "aria-label": low ? "Select the lower half of the scale" : "Select the upper half of the scale", onclick: half(low) }, said(number));
  return { groups, legend: [element("p", { class: "scale-line" }, end(column.low, true), bar, end(column.high, false))] };
}
