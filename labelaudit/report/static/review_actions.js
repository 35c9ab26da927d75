// What a reviewer can do with a sample: keys, buttons, and the panel for choosing another class.
import { element, name } from "./card.js";

// key, action, what the button says. "accept" is there only with a suggestion.
export const ACTIONS = [
  ["a", "accept", "Accept suggestion"],
  ["k", "keep", "Keep label"],
  ["c", "choose", "Choose class"],
  ["x", "remove", "In no class"],
  ["u", "unsure", "Unsure"],
];

// texts: {action: text} where a sample has its own.
export function actionButtons(allowed, act, texts = {}) {
  return ACTIONS.map(([key, action, text]) => element(
    "button",
    { type: "button", class: `rv-action rv-${action}`, "data-action": action, "aria-keyshortcuts": key, disabled: !allowed(action), onclick: () => act(action) },
    element("kbd", { "aria-hidden": "true" }, key), ` ${texts[action] ?? text}`,
  ));
}

// A dialog that lists the classes; typing narrows them, then Enter takes the first; a click takes any, Escape none.
export function classDialog(labels, given, choose) {
  const found = element("ul", { class: "rv-classes" });
  const input = element("input", { type: "search", class: "rv-filter", "aria-label": "Class, type to narrow", autocomplete: "off" });
  const dialog = element("dialog", { class: "rv-dialog", "aria-label": "Choose the right class" });
  const pick = (number) => {
    dialog.close();
    choose(number);
  };
  const matches = () => {
    const wanted = input.value.trim().toLowerCase();
    const numbers = labels.map((_, number) => number).filter((number) => labels[number].toLowerCase().includes(wanted));
    const exact = numbers.filter((number) => labels[number].toLowerCase() === wanted);
    return [...exact, ...numbers.filter((number) => !exact.includes(number))];
  };
  const show = () => {
    const numbers = matches();
    found.replaceChildren(...numbers.slice(0, 60).map((number) => element(
      "li", {},
      element("button", { type: "button", onclick: () => pick(number) }, name(labels[number]), labels[number] === given ? " (as it is)" : null),
    )));
    if (numbers.length > 60) found.append(element("li", {}, `and ${numbers.length - 60} more: type to narrow`));
    if (!numbers.length) found.append(element("li", {}, "No class of that name"));
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault(); // a browser would empty the field, and leave the dialog open
    dialog.close();
  });
  dialog.append(element(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const first = matches()[0];
        if (first !== undefined && input.value.trim()) pick(first); // nothing typed is no choice
      },
    },
    element("h2", {}, "Choose the right class"), input, found,
    element("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
  ));
  dialog.addEventListener("close", () => dialog.remove());
  show();
  return { dialog, input };
}
