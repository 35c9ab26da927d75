// The histogram of label_quality with a cut that can be moved, by drag or by slider.
import { drawn, element, percent } from "./card.js";
import { axes, keys, numbers, quarters } from "./charts.js";

// cuts: parallel lists as labelaudit.report.cuts.cut_table makes them. moved(n) is called with the number flagged.
export function movableCut({ histogram, cuts, total, moved }) {
  const host = document.getElementById("histogram");
  const slider = document.getElementById("cut");
  const tallest = Math.max(...histogram, 1);
  const tall = (count) => Math.log1p(count) / Math.log1p(tallest);
  const decades = [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((count) => count <= tallest && (tallest < 1e4 || count !== 10));
  const { picture, x, y, box } = axes({
    height: 220, xTicks: quarters(), yTicks: decades.map((count) => [tall(count), count.toLocaleString("en")]),
    xTitle: "label quality (low is suspicious)", yTitle: "samples (log)",
    label: `Histogram of label quality over ${total.toLocaleString("en")} samples.`,
  });
  const bars = histogram.map((count, i) => {
    const left = x(i / histogram.length);
    return drawn("rect", { x: left + 0.5, y: y(tall(count)), width: x((i + 1) / histogram.length) - left - 1, height: box.bottom - y(tall(count)) });
  });
  const line = drawn("path", { class: "cut-line" });
  const grip = drawn("circle", { class: "cut-grip", cy: box.top, r: 6 });
  picture.append(...bars, line, grip);
  picture.classList.add("draggable");
  host.append(picture, keys(["flagged", "flagged"], ["clean", "not flagged"]));
  const rows = cuts.n.map((n, i) => [cuts.quality[i].toFixed(3), n.toLocaleString("en"), percent(cuts.precision[i]), percent(cuts.recall[i])]);
  host.append(numbers(["cut", "flagged", "est. precision", "est. share found"], rows, "Every place of the cut"));

  let place = cuts.automatic;
  const figures = document.getElementById("cut-figures");
  function show() {
    const [n, quality] = [cuts.n[place], Math.min(cuts.quality[place], 1)];
    bars.forEach((bar, i) => bar.setAttribute("class", (i + 0.5) / bars.length < quality ? "bar-flagged" : "bar-clean"));
    line.setAttribute("d", `M${x(quality)} ${box.top}V${box.bottom}`);
    grip.setAttribute("cx", x(quality));
    const facts = [
      ["Flagged", n.toLocaleString("en")],
      ["Quality below", quality.toFixed(3)],
      ["Estimated precision", n ? percent(cuts.precision[place]) : "\u2013"],
      ["Wrong labels found (est.)", percent(cuts.recall[place])],
    ];
    if (cuts.measured_precision) {
      facts.push(["Precision (planted)", n ? percent(cuts.measured_precision[place]) : "\u2013"], ["Recall (planted)", percent(cuts.measured_recall[place])]);
    }
    figures.replaceChildren(...facts.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
    slider.value = String(place);
    slider.setAttribute("aria-valuetext", `${n.toLocaleString("en")} flagged, quality below ${quality.toFixed(3)}, estimated precision ${percent(cuts.precision[place])}`);
  }
  function move(to) {
    if (to === place) return;
    place = to;
    show();
    moved(cuts.n[place]);
  }
  function nearest(event) {
    const frame = picture.getBoundingClientRect();
    const share = ((event.clientX - frame.left) / frame.width * 400 - box.left) / (box.right - box.left);
    let best = 0;
    cuts.quality.forEach((quality, i) => {
      if (Math.abs(quality - share) < Math.abs(cuts.quality[best] - share)) best = i;
    });
    return best;
  }
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    move(nearest(event));
  });
  picture.addEventListener("pointermove", (event) => {
    if (picture.hasPointerCapture(event.pointerId)) move(nearest(event));
  });
  slider.max = String(cuts.n.length - 1);
  slider.addEventListener("input", () => move(Number(slider.value)));
  document.getElementById("cut-reset").addEventListener("click", () => move(cuts.automatic));
  show();
  return cuts.n[place];
}
