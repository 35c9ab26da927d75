// Shows one sample: its image, text or row, its labels, why it is suspicious, and its history.
//
// Used by the report, the review server and the notebook. Everything from data goes in as text nodes or
// attributes, never as markup.
//
// A sample is the object that labelaudit.report.records.sample_records makes:
//   {id, given, suggested, confidence, quality, flagged, reason, region, statistics, image, text, row, curve}
//   id, given, reason, region: strings. suggested: string or null. confidence: 0..1 or null.
//   quality: 0..1, low is suspicious. statistics: [[name, value], ...] strings.
//   image: a URL or data URI, or null. text: string or null. row: [[column, value], ...] or null.
//   curve: {epochs: [numbers], given: [0..1 or null], suggested: [0..1 or null] or null}, or null; with
//   names: [of given, of suggested] where they are no probabilities.
//   none: what to say where nothing is suggested; or absent.
//   scene: for a box: {width, height, given, suggested, others: [boxes]}, what image shows; a box is [x, y, w, h] or null.

const SVG = "http://www.w3.org/2000/svg";
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff]/;
const EMOJI = /[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\u{1f000}-\u{1faff}]/u;
const CURSIVE = /[\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06ea-\u06ef\u06fa-\u06fc\u06ff\u0710-\u074a\u074d-\u077f\u07ca-\u07f5\u0840-\u085b\u0860-\u086a\u0870-\u0887\u0889-\u088e\u08a0-\u08e1\u08e3-\u08ff\u1820-\u18aa\ua840-\ua871]/u;
const BRAHMIC = /[\u0900-\u0963\u0966-\u0dff\u1000-\u109f\u1780-\u17ff\u1a20-\u1bff\ua800-\ua82f\ua880-\uabff]/u;
const VIRAMA = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u1039\u103a\u17d2\u1a60\u1b44\u1baa\u1bab\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed]/u;
// A joiner that does something, and the character before it; as in labelaudit/report/hidden.py.
const JOINED = [
  `${EMOJI.source}\ufe0f?\u200d(?=${EMOJI.source})`,
  `${CURSIVE.source}[\u200c\u200d](?=${CURSIVE.source})`,
  `${VIRAMA.source}\u200d`,
  `${VIRAMA.source}\u200c(?=${BRAHMIC.source})`,
  `${BRAHMIC.source}\u200d(?=${VIRAMA.source})`,
].join("|");
const KEPT_OR_HIDDEN = new RegExp(`(${JOINED})|${HIDDEN.source}`, "gu");

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// An HTML element: element("p", {class: "note", onclick: f}, "text", child). Null attributes and children are left out.
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// The same for SVG.
export function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A name from data with its invisible and direction-changing characters made visible; spaces where there is nothing else.
export function visible(text) {
  const code = (c) => `\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  return String(text).trim() ? String(text).replace(KEPT_OR_HIDDEN, (c, kept) => kept ?? code(c)) : String(text).replace(/./gsu, code);
}

// A name from data, kept from changing the order of the text around it.
export function name(text, kind = "") {
  return element("bdi", { class: kind || null }, visible(text));
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "\u2013";
  const value = share * 100;
  if (value >= 99.5 && value < 100) return "> 99 %";
  return `${value > 0 && value < 1 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function path(values, width, height, pad) {
  const step = values.length > 1 ? (width - 2 * pad) / (values.length - 1) : 0;
  let line = "";
  let pen = false;
  values.forEach((value, i) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = (pad + (values.length > 1 ? i * step : (width - 2 * pad) / 2)).toFixed(1);
    const y = (height - pad - value * (height - 2 * pad)).toFixed(1);
    const alone = values.length === 1 || ((i === 0 || values[i - 1] === null) && (values[i + 1] ?? null) === null);
    line += alone ? `M${x - 6} ${y}h12` : `${pen ? "L" : "M"}${x} ${y}`;
    pen = true;
  });
  return line;
}

function course(values) {
  const seen = values.filter((value) => value !== null);
  return seen.length ? `from ${percent(seen[0])} to ${percent(seen[seen.length - 1])}` : "not recorded";
}

// The probability of the given (solid) and the suggested label (dashed) over the epochs, as a small picture.
export function sparkline(sample, { width = 200, height = 44 } = {}) {
  const { curve } = sample;
  const said = [`${curve.names ? "Score" : "Probability"} over ${curve.epochs.length} points: given label ${visible(sample.given)} ${course(curve.given)}`];
  if (curve.suggested) said.push(`suggested label ${visible(sample.suggested)} ${course(curve.suggested)}`);
  const picture = drawn("svg", {
    class: "la-spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said.join("; "),
    preserveAspectRatio: "none",
  });
  picture.append(drawn("path", { class: "la-spark-frame", d: `M0 ${height - 2}H${width}M0 ${height / 2}H${width}M0 2H${width}` }));
  if (curve.suggested) picture.append(drawn("path", { class: "la-line la-line-suggested", d: path(curve.suggested, width, height, 2) }));
  picture.append(drawn("path", { class: "la-line la-line-given", d: path(curve.given, width, height, 2) }));
  return picture;
}

function outlined(box, kinds) {
  if (!box) return [];
  const [x, y, width, height] = box;
  return kinds.map((kind) => drawn("rect", { class: `bx-box ${kind}`, x, y, width, height }));
}

// A piece of a picture with its boxes: the given one solid, the suggested one dashed.
function scene({ scene: { width, height, given, suggested, others }, image }) {
  const said = [given ? "given box solid" : null, suggested ? "suggested box dashed" : null].filter(Boolean).join(", ");
  const boxes = drawn(
    "svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
    ...others.flatMap((box) => outlined(box, ["bx-other"])),
    ...outlined(given, ["bx-under", "bx-given"]),
    ...outlined(suggested, ["bx-under", "bx-suggested"]),
  );
  const ground = () => drawn("svg", { class: "bx-ground", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const picture = image ? element("img", { src: image, alt: "", loading: "lazy", decoding: "async" }) : ground();
  if (image) {
    picture.addEventListener("load", () => picture.classList.toggle("la-pixels", picture.naturalWidth < 64));
    picture.addEventListener("error", () => picture.replaceWith(ground())); // the boxes keep their places
  }
  return element("div", { class: height > 1.2 * width ? "bx-scene bx-tall" : "bx-scene" }, picture, boxes);
}

// The sample itself: image, text and row, whichever there are.
export function content(sample, { large = false } = {}) {
  const parts = [];
  if (sample.scene) parts.push(scene(sample));
  else if (sample.image) {
    const image = element("img", { class: "la-image", src: sample.image, alt: "", loading: "lazy", decoding: "async" });
    image.addEventListener("load", () => image.classList.toggle("la-pixels", image.naturalWidth < 48));
    image.addEventListener("error", () => image.replaceWith(element("span", { class: "la-empty" }, "image not readable")));
    parts.push(image);
  }
  if (sample.text !== null && sample.text !== undefined) {
    parts.push(element("span", { class: "la-text", dir: "auto" }, sample.text));
  }
  if (sample.row) {
    const shown = large ? sample.row : sample.row.slice(0, 5);
    const lines = shown.map(([column, value]) => element("tr", {}, element("th", { scope: "row" }, name(column)), element("td", {}, name(value))));
    parts.push(element("table", { class: "la-row" }, element("tbody", {}, ...lines)));
  }
  return parts;
}

// "given cat, suggested dog 97 %".
export function labels(sample) {
  const given = element("span", { class: "la-label la-given" }, element("span", { class: "la-key" }, "given"), " ", name(sample.given));
  if (sample.suggested === null) {
    return element("p", { class: "la-labels" }, given, element("span", { class: "la-label la-none" }, sample.none ?? "no likelier label"));
  }
  const suggested = element(
    "span", { class: "la-label la-suggested" },
    element("span", { class: "la-key" }, "suggested"), " ", name(sample.suggested), " ",
    element("span", { class: "la-share" }, percent(sample.confidence)),
  );
  return element("p", { class: "la-labels" }, given, suggested);
}

// One line that names the sample for a screen reader.
export function spoken(sample) {
  const suggestion = sample.suggested === null ? "no likelier label" : `suggested ${visible(sample.suggested)}, ${percent(sample.confidence)}`;
  return `Sample ${visible(sample.id)}: given ${visible(sample.given)}, ${suggestion}`;
}

// A card. open: called with the sample when the card is activated (then its picture is a button).
// large: for one sample at a time: everything in full, with a legend below the history.
export function sampleCard(sample, { open = null, large = false } = {}) {
  const inside = content(sample, { large });
  const kind = inside.length ? "la-media" : "la-media la-bare";
  if (!inside.length) inside.push(element("span", { class: "la-empty" }, name(sample.id)));
  const media = open
    ? element("button", { type: "button", class: kind, "aria-label": `Open. ${spoken(sample)}`, onclick: () => open(sample) }, ...inside)
    : element("div", { class: kind }, ...inside);
  const body = element("div", { class: "la-body" }, sample.scene ? element("span", { class: "bx-kind" }, sample.region) : null, labels(sample));
  if (sample.curve) body.append(sparkline(sample, large ? { width: 480, height: 140 } : {}));
  if (sample.curve && large) {
    const { epochs } = sample.curve;
    body.append(element(
      "p", { class: "la-legend" }, element("span", { class: "la-swatch la-swatch-given" }), `${sample.curve.names?.[0] ?? "p(given)"} `,
      sample.curve.suggested ? element("span", { class: "la-swatch la-swatch-suggested" }) : null,
      sample.curve.suggested ? `${sample.curve.names?.[1] ?? "p(suggested)"} ` : null,
      `from 0 to 1, epochs ${epochs[0]} to ${epochs[epochs.length - 1]}`,
    ));
  }
  if (sample.reason) body.append(element("p", { class: "la-reason", dir: "auto" }, visible(sample.reason)));
  body.append(element(
    "p", { class: "la-id" }, "id ", name(sample.id), ` \u00b7 quality ${sample.quality < 0.001 ? "< 0.001" : sample.quality.toFixed(3)}`,
  ));
  return element("article", { class: large ? "la-card la-large" : "la-card", "aria-label": spoken(sample) }, media, body);
}
