// What a user does: draw, choose a weight, a cell and a language. Elements are found by what they
// are for.
const $ = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const words = (selector) => $(selector).textContent;
const at = (element, x, y) => {
  const box = element.getBoundingClientRect();
  const [clientX, clientY] = [box.left + x * box.width, box.top + y * box.height];
  return { clientX, clientY, bubbles: true, buttons: 1 };
};

const pad = $(".pad");
for (const [kind, x, y] of [["down", 0.5, 0.2], ["move", 0.5, 0.5], ["move", 0.5, 0.8], ["up", 0.5, 0.8]])
  pad.dispatchEvent(new PointerEvent(`pointer${kind}`, at(pad, x, y)));
await new Promise((done) => setTimeout(done, 200));
const drawn = {
  answer: words("#trial .big"),
  chances: all("#trial .probabilities .number").map((e) => parseFloat(e.textContent)),
};

const map = $("#weight_view canvas");
map.dispatchEvent(new MouseEvent("click", at(map, 3.5 / 8, 2.5 / 8)));
const weight = {
  label: words("#weight_view .big"),
  steps: all("#weight_view .step").length,
  total: words("#weight_view .step:last-child tr.total td:nth-child(3)"),
};
$("#weight_view canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
const moved = words("#weight_view .big small");

$("#confusion button.right:not(:disabled)").click();
const cell = { text: words("#confusion .samples .wide"), images: all("#confusion .sample img").length };
$("#curves h3 .term").dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
const tip = words("#tip");
const before = words("#curves h2");
$("#language").click();
const chinese = { title: words("#curves h2"), lang: document.documentElement.lang };
$("#theme").click();

const named = (e) => e.textContent || e.alt || e.querySelector("[alt]") || e.getAttribute("aria-label") || e.closest("label");
const rows = (picture) => picture.map((row) => Float64Array.from(row));
result = {
  drawn, weight, moved, cell, tip, before, chinese,
  theme: document.documentElement.dataset.theme,
  hostile: all("img[src='x'], b[data-evil]").length + (window.evil ?? 0),
  row: words("#confusion tbody th"),
  sections: all("main > section").map((section) => section.id),
  unnamed: all("button, input, select, canvas, img").filter((e) => !named(e)).length,
  fitted: drawings.map((picture) =>
    ["digits", "mnist"].map((form) => Array.from(fitDigit(rows(picture), form)))),
  empty: fitDigit(rows([[0, 0], [0, 0]]), "mnist"),
};
