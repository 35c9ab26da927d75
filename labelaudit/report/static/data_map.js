// The data map: every sample by variability (across) and confidence (up), as a raster; a brush selects cards.
import { element } from "./card.js";
import { decode, keys } from "./charts.js";

const REGIONS = ["easy", "ambiguous", "hard"];
const MARGIN = { left: 40, right: 10, top: 8, bottom: 36 };

// brushed(box) is called with {x0, x1, y0, y1} in the data's units, or null. points: [x, y] of every card.
// Returns {highlight(indices), clear()}.
export function dataMap(map, points, brushed) {
  const host = document.getElementById("map");
  const colour = document.getElementById("map-colour");
  const cellKeys = decode(map.keys, Uint32Array);
  const counts = decode(map.counts, Uint16Array);
  const canvas = element("canvas", { role: "img" });
  const legend = element("div");
  const told = element("p", { class: "hint", role: "status" });
  const fields = [["x0", "Variability from", 0], ["x1", "Variability to", map.max_x], ["y0", "Confidence from", 0], ["y1", "Confidence to", 1]].map(([id, text, value]) => {
    const input = element("input", { type: "number", min: 0, max: id[0] === "x" ? map.max_x : 1, step: 0.01, value, name: id, id: `map-${id}`, onchange: typed });
    return element("div", {}, element("label", { for: `map-${id}` }, text), input);
  });
  const inputs = fields.map((field) => field.querySelector("input"));
  const form = element("details", {}, element("summary", {}, "Select by numbers"), element("div", { class: "brush" }, ...fields));
  const clearing = element("button", { type: "button", class: "link", onclick: () => select(null) }, "Clear the selection");
  host.append(element("div", { class: "map-box" }, canvas), legend, told, clearing, form);
  const background = document.createElement("canvas");
  let box = null;
  let marked = [];
  let size = { width: 0, height: 0, ratio: 1 };

  const across = (x) => MARGIN.left + (x / map.max_x) * (size.width - MARGIN.left - MARGIN.right);
  const up = (y) => size.height - MARGIN.bottom - y * (size.height - MARGIN.top - MARGIN.bottom);
  const css = (property) => getComputedStyle(document.documentElement).getPropertyValue(property).trim();

  function paintBackground() {
    size = { width: host.clientWidth || 380, height: Math.round((host.clientWidth || 380) * 0.72), ratio: window.devicePixelRatio || 1 };
    for (const sheet of [canvas, background]) {
      sheet.width = Math.round(size.width * size.ratio);
      sheet.height = Math.round(size.height * size.ratio);
    }
    canvas.style.height = `${size.height}px`;
    const pen = background.getContext("2d");
    pen.scale(size.ratio, size.ratio);
    const byRegion = colour.value === "region";
    const colours = byRegion ? REGIONS.map((region) => css(`--${region}`)) : [css("--clean"), css("--flagged")];
    let most = 1;
    for (const count of counts) most = Math.max(most, count);
    const dot = cellKeys.length > 20000 ? 1.4 : 3.2;
    for (const group of byRegion ? [0, 1, 2] : [0, 1]) {
      pen.fillStyle = colours[group];
      for (let i = 0; i < cellKeys.length; i += 1) {
        const key = cellKeys[i];
        if ((byRegion ? (key >> 1) % 3 : key & 1) !== group) continue;
        const cell = Math.floor(key / 6);
        const x = across(((cell % map.width) + 0.5) / map.width * map.max_x);
        const y = up((Math.floor(cell / map.width) + 0.5) / map.height);
        pen.globalAlpha = 0.3 + 0.7 * Math.log1p(counts[i]) / Math.log1p(most);
        pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
      }
    }
    pen.globalAlpha = 1;
    axesOf(pen);
    legend.replaceChildren(byRegion ? keys(...REGIONS.map((region) => [region, region])) : keys(["flagged", "flagged"], ["clean", "not flagged"]));
    paint();
  }

  function axesOf(pen) {
    pen.fillStyle = css("--soft");
    pen.strokeStyle = css("--edge");
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center";
    for (let i = 0; i <= 5; i += 1) pen.fillText(String(i / 10), across(i / 10), size.height - MARGIN.bottom + 15);
    const title = (room, ...texts) => texts.find((text) => pen.measureText(text).width <= room) ?? texts.at(-1);
    const below = title(across(map.max_x) - across(0), "variability: standard deviation of p(given)", "variability: deviation of p(given)", "variability");
    pen.fillText(below, (across(0) + across(map.max_x)) / 2, size.height - 5);
    pen.textAlign = "right";
    for (const y of [0, 0.5, 1]) pen.fillText(String(y), MARGIN.left - 5, up(y) + 4);
    pen.strokeRect(across(0), up(1), across(map.max_x) - across(0), up(0) - up(1));
    pen.save();
    pen.translate(11, (up(0) + up(1)) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(title(up(0) - up(1), "confidence: mean p(given)", "confidence"), 0, 0);
    pen.restore();
  }

  function paint() {
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(background, 0, 0);
    pen.scale(size.ratio, size.ratio);
    pen.strokeStyle = css("--ink");
    pen.lineWidth = 1;
    for (const i of marked) {
      pen.beginPath();
      pen.arc(across(points[i][0]), up(points[i][1]), 4, 0, 2 * Math.PI);
      pen.stroke();
    }
    if (box) {
      const [x, y] = [across(box.x0), up(box.y1)];
      pen.fillStyle = css("--accent");
      pen.globalAlpha = 0.14;
      pen.fillRect(x, y, across(box.x1) - x, up(box.y0) - y);
      pen.globalAlpha = 1;
      pen.lineWidth = 2;
      pen.strokeStyle = css("--accent");
      pen.strokeRect(x, y, across(box.x1) - x, up(box.y0) - y);
    }
  }

  function inside() {
    const [low, high] = [box.x0 / map.max_x * map.width, box.x1 / map.max_x * map.width];
    const [bottom, top] = [box.y0 * map.height, box.y1 * map.height];
    let total = 0;
    cellKeys.forEach((key, i) => {
      const cell = Math.floor(key / 6);
      const [x, y] = [(cell % map.width) + 0.5, Math.floor(cell / map.width) + 0.5];
      if (x >= low && x <= high && y >= bottom && y <= top) total += counts[i];
    });
    return total;
  }

  function select(chosen) {
    tell(chosen);
    brushed(box);
  }

  function tell(chosen) {
    box = chosen;
    clearing.hidden = !box;
    told.textContent = box
      ? `About ${inside().toLocaleString("en")} samples lie in the selection; the cards among them are shown.`
      : "Drag a box over the map to see its samples.";
    if (box) inputs.forEach((input) => { input.value = box[input.name].toFixed(2); });
    else inputs.forEach((input, i) => { input.value = [0, map.max_x, 0, 1][i]; });
    paint();
  }

  function typed() {
    const whole = [0, map.max_x, 0, 1]; // an empty field is no limit
    const [x0, x1, y0, y1] = inputs.map((input, i) => (input.value === "" ? whole[i] : Number(input.value)));
    select({ x0: Math.min(x0, x1), x1: Math.max(x0, x1), y0: Math.min(y0, y1), y1: Math.max(y0, y1) });
  }

  function place(event) {
    const frame = canvas.getBoundingClientRect();
    const x = ((event.clientX - frame.left) * (size.width / frame.width) - MARGIN.left) / (size.width - MARGIN.left - MARGIN.right);
    const y = (size.height - MARGIN.bottom - (event.clientY - frame.top) * (size.height / frame.height)) / (size.height - MARGIN.top - MARGIN.bottom);
    return [Math.min(Math.max(x, 0), 1) * map.max_x, Math.min(Math.max(y, 0), 1)];
  }

  let start = null;
  let before = null; // the selection before this one is drawn
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    [start, before] = [place(event), box];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = place(event);
    box = { x0: Math.min(x, start[0]), x1: Math.max(x, start[0]), y0: Math.min(y, start[1]), y1: Math.max(y, start[1]) };
    paint();
  });
  canvas.addEventListener("pointerup", () => {
    if (!start) return;
    start = null;
    const tiny = !box || across(box.x1) - across(box.x0) < 4 || up(box.y0) - up(box.y1) < 4;
    select(tiny ? null : box);
  });
  canvas.addEventListener("pointercancel", () => { // a finger scrolls the page
    if (start) box = before;
    start = null;
    paint();
  });
  colour.addEventListener("change", paintBackground);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintBackground);
  let seen = 0;
  new ResizeObserver(() => {
    if (Math.abs(host.clientWidth - seen) < 2) return;
    seen = host.clientWidth;
    paintBackground();
  }).observe(host);
  canvas.setAttribute("aria-label", "Data map: confidence against variability of every sample. Use “Select by numbers” below it without a mouse.");
  paintBackground();
  tell(null);
  return {
    clear: () => select(null),
    highlight: (indices) => { marked = indices; paint(); },
  };
}
