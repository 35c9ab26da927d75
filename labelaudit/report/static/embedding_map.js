// The picture of the embeddings: one point per sample, coloured by a column; a lasso selects samples.
import { element, visible } from "./card.js";
import { decode } from "./charts.js";
import { colouring } from "./colours.js";

const PAD = 10;
const RINGS = 60; // selected points up to here get a ring
const NEAR = 8; // pixels within which a click means a point

// data: what labelaudit.report.embedding_map makes. selected({cards, others}) is called with the indices of cards and
// of other samples, or with null. Returns {highlight(cards), clear()}.
export function embeddingMap(data, selected) {
  if (!data) return { highlight() {}, clear() {} };
  const host = document.getElementById("embedding");
  const choice = document.getElementById("embedding-colour");
  const [xs, ys] = [data.x, data.y].map((text) => decode(text, Uint16Array));
  const place = decode(data.place, Int32Array);
  const pointOfCard = new Map();
  place.forEach((at, i) => { if (at >= 0) pointOfCard.set(at, i); });
  const canvas = element("canvas", { role: "img", class: "lasso" });
  const background = document.createElement("canvas");
  const legend = element("div");
  const told = element("p", { class: "hint", role: "status" });
  const clearing = element("button", { type: "button", class: "link", onclick: () => choose(null) }, "Clear the selection");
  host.append(element("div", { class: "map-box" }, canvas), legend, told, clearing);
  choice.append(...data.columns.map((column, i) => element("option", { value: i }, column.title)));
  let size = { width: 0, height: 0, ratio: 1 };
  let colourOf = []; // of each point
  let dot = 3;
  let chosen = null; // indices of points
  let line = []; // the lasso while it is drawn
  let marked = [];

  const across = (i) => PAD + xs[i] / 65534 * (size.width - 2 * PAD);
  const down = (i) => size.height - PAD - ys[i] / 65534 * (size.height - 2 * PAD);

  function paintBackground() {
    const width = host.clientWidth || 380;
    size = { width, height: Math.round(width * 0.85), ratio: window.devicePixelRatio || 1 };
    for (const sheet of [canvas, background]) {
      sheet.width = Math.round(size.width * size.ratio);
      sheet.height = Math.round(size.height * size.ratio);
    }
    canvas.style.height = `${size.height}px`;
    const colours = colouring(data.columns[Number(choice.value)], pick);
    const pen = background.getContext("2d");
    pen.scale(size.ratio, size.ratio);
    dot = (xs.length > 20000 ? 1.6 : xs.length > 4000 ? 2.4 : 3.6) * Math.min(size.width / 380, 1.6);
    pen.globalAlpha = xs.length > 4000 ? 0.75 : 0.9;
    colourOf = new Array(xs.length);
    for (const { colour, points } of colours.groups) {
      for (const i of points) colourOf[i] = colour;
      dots(pen, points);
    }
    legend.replaceChildren(...colours.legend);
    paint();
  }

  function dots(pen, points) {
    for (const i of points) {
      if (pen.fillStyle !== colourOf[i]) pen.fillStyle = colourOf[i];
      pen.fillRect(across(i) - dot / 2, down(i) - dot / 2, dot, dot);
    }
  }

  function paint() {
    const css = (property) => getComputedStyle(document.documentElement).getPropertyValue(property).trim();
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (chosen) pen.globalAlpha = 0.25;
    pen.drawImage(background, 0, 0);
    pen.globalAlpha = 1;
    pen.scale(size.ratio, size.ratio);
    if (chosen) dots(pen, chosen);
    pen.lineWidth = 1;
    pen.strokeStyle = css("--ink");
    for (const i of chosen && chosen.length > RINGS ? [] : chosen ?? marked) ring(pen, i, dot + 1);
    if (line.length > 1) {
      pen.beginPath();
      line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.fillStyle = css("--accent");
      pen.globalAlpha = 0.14;
      pen.fill();
      pen.globalAlpha = 1;
      pen.lineWidth = 2;
      pen.strokeStyle = css("--accent");
      pen.stroke();
    }
  }

  function ring(pen, i, radius) {
    pen.beginPath();
    pen.arc(across(i), down(i), radius, 0, 2 * Math.PI);
    pen.stroke();
  }

  // All points of a category, from the legend.
  function pick(points, text) {
    choose(points, ` of ${text}`);
  }

  function choose(points, of = "") {
    tell(points, of);
    if (!chosen) return selected(null);
    const places = chosen.map((i) => place[i]);
    return selected({ cards: new Set(places.filter((at) => at >= 0)), others: places.filter((at) => at < 0).map((at) => -1 - at) });
  }

  function tell(points, of = "") {
    chosen = points && points.length ? points : null;
    line = [];
    clearing.hidden = !chosen;
    const many = chosen ? chosen.length.toLocaleString("en") : "";
    told.textContent = chosen
      ? `${many} ${chosen.length === 1 ? "sample is" : "samples are"} selected${of}.`
      : "Draw a line around points to see their samples, or click on one.";
    paint();
  }

  function at(event) {
    const frame = canvas.getBoundingClientRect();
    return [(event.clientX - frame.left) * (size.width / frame.width), (event.clientY - frame.top) * (size.height / frame.height)];
  }

  function nearest([x, y]) {
    let best = -1;
    let least = NEAR * NEAR;
    for (let i = 0; i < xs.length; i += 1) {
      const far = (across(i) - x) ** 2 + (down(i) - y) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drawing = true;
    line = [at(event)];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    line.push(at(event));
    paint();
  });
  canvas.addEventListener("pointerup", () => {
    if (!drawing) return;
    drawing = false;
    const wide = Math.max(...line.map(([x]) => x)) - Math.min(...line.map(([x]) => x));
    const tall = Math.max(...line.map(([, y]) => y)) - Math.min(...line.map(([, y]) => y));
    if (Math.max(wide, tall) < 4) {
      const one = nearest(line[0]);
      choose(one < 0 ? null : [one]);
    } else {
      const polygon = line;
      choose(Array.from(xs.keys()).filter((i) => inside(across(i), down(i), polygon)));
    }
  });
  canvas.addEventListener("pointercancel", () => { drawing = false; choose(null); });
  choice.addEventListener("change", paintBackground);
  document.getElementById("embedding-wide").addEventListener("click", (event) => {
    const wide = document.querySelector(".columns").classList.toggle("wide");
    event.target.setAttribute("aria-pressed", String(wide));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintBackground);
  let seen = 0;
  new ResizeObserver(() => {
    if (Math.abs(host.clientWidth - seen) < 2) return;
    seen = host.clientWidth;
    paintBackground();
  }).observe(host);
  canvas.setAttribute("aria-label", `Embeddings of ${xs.length.toLocaleString("en")} samples (${visible(data.method)}). Without a mouse, choose a group in the legend below it.`);
  if (data.left_out) host.append(element("p", { class: "hint" }, `${data.left_out.toLocaleString("en")} of the less suspicious samples are not drawn.`));
  paintBackground();
  tell(null);
  return {
    clear: () => { if (chosen) choose(null); },
    highlight: (cards) => { marked = cards.map((card) => pointOfCard.get(card)).filter((i) => i !== undefined); paint(); },
  };
}

// Whether a point lies within a polygon, by the number of edges to its right.
export function inside(x, y, polygon) {
  let within = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
    if ((yi > y) !== (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) within = !within;
  }
  return within;
}
