// What every page must keep to. An object of functions, each returns a list of what is wrong.
({
  // Visible texts whose contrast with their ground (by the formula of WCAG 2) is below 4.5, or 3 where large.
  lowContrast() {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => color.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        if (color[3] > 250) return color;
      }
      return [255, 255, 255, 255];
    };
    const low = [];
    for (const node of document.querySelectorAll("body *")) {
      const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.textContent.trim()).join("");
      const hidden = ["SCRIPT", "STYLE", "OPTION", "NOSCRIPT"].includes(node.tagName) || !node.getClientRects().length;
      if (!text || hidden || node.closest(":disabled")) continue;
      const style = getComputedStyle(node);
      const inks = [luminance(rgba(node.namespaceURI.endsWith("svg") ? style.fill : style.color)), luminance(ground(node))];
      const ratio = (Math.max(...inks) + 0.05) / (Math.min(...inks) + 0.05);
      if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) low.push([text.slice(0, 40), ratio.toFixed(2)]);
    }
    return low;
  },

  // Controls and pictures without a name, ids that occur twice: what a screen reader stumbles over.
  unnamed() {
    const found = [];
    const named = (node) => node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim();
    for (const node of document.querySelectorAll("button, a, input, select, summary, [role=img]")) {
      if (!named(node)) found.push(node.outerHTML.slice(0, 120));
    }
    for (const node of document.querySelectorAll("img:not([alt])")) found.push(node.outerHTML.slice(0, 120));
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    return found.concat(ids.filter((id, i) => ids.indexOf(id) !== i));
  },

  // What makes the page wider than the window.
  overflowing() {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    const wide = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1);
    return wide.map((node) => `${node.tagName}.${node.className}`).slice(0, 10);
  },
})
