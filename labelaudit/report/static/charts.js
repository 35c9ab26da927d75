// Small charts as SVG, each with its numbers as a table for who cannot see it.
import { drawn, element } from "./card.js";

const WIDTH = 400;

// A typed array from base64 of its little-endian bytes.
export function decode(text, Kind) {
  const raw = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Kind(raw.buffer);
}

// Axes from (left, top) to (right, bottom) and functions from shares 0..1 to places.
export function axes({ height, xTicks, yTicks, xTitle, yTitle, label }) {
  const box = { left: 60, right: WIDTH - 8, top: 10, bottom: height - 38 };
  const x = (share) => box.left + share * (box.right - box.left);
  const y = (share) => box.bottom - share * (box.bottom - box.top);
  const picture = drawn("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  for (const [share, text] of yTicks) {
    picture.append(
      drawn("path", { class: "rule", d: `M${box.left} ${y(share)}H${box.right}` }),
      drawn("text", { x: box.left - 6, y: y(share) + 4, "text-anchor": "end" }, text),
    );
  }
  for (const [share, text] of xTicks) {
    picture.append(drawn("text", { x: x(share), y: box.bottom + 16, "text-anchor": "middle" }, text));
  }
  picture.append(
    drawn("path", { class: "axis", d: `M${box.left} ${box.bottom}H${box.right}` }),
    drawn("text", { x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" }, xTitle),
    drawn("text", { transform: `translate(11 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yTitle),
  );
  return { picture, x, y, box };
}

export function numbers(heads, rows, summary = "The numbers") {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, String(cell)))));
  const table = element("table", { class: "numbers" }, element("thead", {}, head), element("tbody", {}, ...body));
  return element("details", {}, element("summary", {}, summary), element("div", { class: "numbers-box", tabindex: "0", role: "region", "aria-label": summary }, table));
}

export function keys(...names) {
  return element("ul", { class: "keys" }, ...names.map(([kind, text]) => element("li", { class: `key-${kind}` }, text)));
}

export function quarters() {
  return [[0, "0"], [0.5, "0.5"], [1, "1"]];
}

// Mean probability of the given label by epoch: flagged samples against all others.
export function learningCurves(host, { epochs, flagged, clean }) {
  const last = epochs.length - 1;
  const at = (i) => (last ? i / last : 0.5);
  const steps = [...new Set([0, Math.round(last / 2), last])];
  const said = (values) => values.filter((v) => v !== null).map((v) => v.toFixed(2));
  const ends = (values) => (said(values).length ? `from ${said(values)[0]} to ${said(values).at(-1)}` : "none");
  const { picture, x, y } = axes({
    height: 210, xTicks: steps.map((i) => [at(i), String(epochs[i])]), yTicks: quarters(), xTitle: "epoch", yTitle: "mean p(given)",
    label: `Mean probability of the given label by epoch. Flagged samples: ${ends(flagged)}. Others: ${ends(clean)}.`,
  });
  for (const [kind, values] of [["clean", clean], ["flagged", flagged]]) {
    let line = "";
    values.forEach((value, i) => {
      if (value !== null) line += `${line && values[i - 1] !== null ? "L" : "M"}${x(at(i)).toFixed(1)} ${y(value).toFixed(1)}${last ? "" : "m-12 0h24"}`;
    });
    picture.append(drawn("path", { class: `line-${kind}`, d: line }));
  }
  const cell = (value) => (value === null ? "\u2013" : value.toFixed(3));
  const rows = epochs.map((epoch, i) => [epoch, cell(flagged[i]), cell(clean[i])]);
  host.append(picture, keys(["flagged", "flagged (dashed)"], ["clean", "not flagged"]), numbers(["epoch", "flagged", "not flagged"], rows));
}

// How often samples were forgotten, as shares of the flagged and of the others.
export function forgettingHistogram(host, { labels, flagged, clean }) {
  const shares = (counts) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => (total ? count / total : 0));
  };
  const [f, c] = [shares(flagged), shares(clean)];
  const top = Math.max(...f, ...c, 0.01);
  const { picture, x, y, box } = axes({
    height: 210, xTicks: labels.map((text, i) => [(i + 0.5) / labels.length, text]),
    yTicks: [[0, "0"], [0.5, `${(top * 50).toFixed(0)} %`], [1, `${(top * 100).toFixed(0)} %`]],
    xTitle: "forgetting events", yTitle: "share of samples",
    label: `Forgetting events. Never forgotten: ${(f[0] * 100).toFixed(0)} % of the flagged samples, ${(c[0] * 100).toFixed(0)} % of the others.`,
  });
  const slot = (box.right - box.left) / labels.length;
  const wide = Math.min(slot * 0.38, 26);
  labels.forEach((_, i) => {
    const middle = x((i + 0.5) / labels.length);
    for (const [kind, share, from] of [["flagged", f[i], middle - wide], ["clean", c[i], middle]]) {
      picture.append(drawn("rect", { class: `bar-${kind}`, x: from + 0.5, y: y(share / top), width: wide - 1, height: box.bottom - y(share / top) }));
    }
  });
  const rows = labels.map((text, i) => [text, flagged[i], clean[i]]);
  host.append(picture, keys(["flagged", "flagged"], ["clean", "not flagged"]), numbers(["events", "flagged", "not flagged"], rows));
}
