// The network to try: draw a digit, type a row, or take a recorded sample.

import { track } from "./charts.js";
import { fitDigit } from "./drawing.js";
import { count, fill, h, percent, section, short, t } from "./dom.js";
import { softmax } from "./network.js";
import { isPlane, plane } from "./plane.js";

const PAD = 280, PEN = 20;

/** What the network says, as bars or as a number. */
function answer(report, place, outputs) {
  if (!outputs) return fill(place, h("p", { class: "quiet" }, t("nothing_yet")));
  if (!report.classes.length) {
    const { name, mean, std, log } = report.live.target;
    const value = outputs[0] * std + mean;
    return fill(place, h("p", { class: "big" }, h("small", {}, name), short(log ? Math.expm1(value) : value, 5)));
  }
  const chances = softmax(outputs);
  const top = chances.indexOf(Math.max(...chances));
  const order = [...chances.keys()];
  if (chances.length > 12) order.sort((a, b) => chances[b] - chances[a]).splice(12);
  return fill(place,
    h("p", { class: "big" }, h("small", {}, t("answer")), report.classes[top]),
    h("ul", { class: "probabilities" }, order.map((c) =>
      h("li", { class: c === top ? "top" : "" },
        h("span", {}, report.classes[c]),
        track(chances[c]),
        h("span", { class: "number" }, percent(chances[c]))))));
}

/** A canvas that shows what the network reads. */
function pixels(values, [channels, height, width], most) {
  const canvas = h("canvas", { width, height, class: "pixels", role: "img", "aria-label": t("fed") });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const area = height * width;
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 4; c++)
      image.data[4 * i + c] = c === 3 ? 255 : (255 * values[(channels === 3 ? c * area : 0) + i]) / most;
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A pad to draw on; `changed(values)` hears of every stroke: pixels, or null when empty. */
function pad(form, changed) {
  const canvas = h("canvas", { class: "pad", width: PAD, height: PAD, tabindex: 0, "aria-label": t("pad") });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const clear = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, PAD, PAD);
    changed(null);
  };
  const read = () => {
    const { data } = context.getImageData(0, 0, PAD, PAD);
    const gray = Array.from({ length: PAD }, (_, y) =>
      Float64Array.from({ length: PAD }, (_, x) => data[4 * (y * PAD + x)]));
    changed(fitDigit(gray, form));
  };
  let last = null, waiting = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * PAD, ((event.clientY - box.top) / box.height) * PAD];
  };
  const draw = (event) => {
    const to = at(event);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    last = to;
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => { waiting = false; read(); });
    }
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
    last = null;
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (last && event.buttons) draw(event); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
  clear();
  return h("div", { class: "padding" }, canvas,
    h("button", { class: "plain", onclick: clear }, t("clear")));
}

/** Fields for a row of a table, with what they come to as the network reads it. */
function fields(columns, start, changed) {
  const values = Object.fromEntries(start);
  const encode = () => columns.flatMap((column) => {
    const typed = values[column.name];
    if (column.kind === "category") {
      const at = column.categories.indexOf(typed);
      const places = column.categories.length + Number(column.other);
      const place = at < 0 && column.other ? places - 1 : at;
      return Array.from({ length: places }, (_, i) => Number(i === place));
    }
    const missing = typed === "" || !Number.isFinite(Number(typed));
    const value = missing ? column.median : Number(typed);
    const scaled = ((column.log ? Math.log1p(value) : value) - column.mean) / column.std;
    return column.indicator ? [scaled, Number(missing)] : [scaled];
  }).map(Math.fround);
  const update = (name, value) => { values[name] = value; changed(encode()); };
  const inputs = columns.map((column) => {
    const oninput = (event) => update(column.name, event.target.value);
    const field = column.kind === "category"
      ? h("select", { oninput }, column.categories.map((c) =>
        h("option", { value: c, selected: c === values[column.name] }, c || "–")))
      : h("input", { type: "number", step: "any", value: values[column.name], oninput });
    return h("label", { class: "field" }, column.name, field);
  });
  changed(encode());
  return h("div", { class: "fields" }, inputs);
}

/** `state.sample` is the recorded sample chosen; `state.changed()` tells the other sections. */
export function trial(report, live, state) {
  if (!live) return null;
  const { spec } = live;
  const shown = h("div", { class: "answer", "aria-live": "polite" });
  const fed = h("div", { class: "fed" });
  const most = spec.inputs.type === "u8" ? 255 : 1;
  const images = live.shape.length === 3;
  const run = (raw) => {
    fill(fed, h("small", {}, t("fed")), pixelsOf(raw));
    answer(report, shown, raw && live.outputs(live.prepared(raw)));
  };
  const pixelsOf = (raw) => (images ? pixels(raw ?? new Float64Array(live.raw[0].length), live.shape, most) : null);
  const strip = h("div", { class: "strip", role: "listbox", "aria-label": t("recorded") });
  const choose = (s) => {
    state.sample = s;
    [...strip.children].forEach((child, i) => child.setAttribute("aria-selected", String(i === s)));
    if (spec.columns) enter(spec.shown[s]);
    else run(live.raw[s]);
    state.changed();
  };
  const entry = h("div");
  const enter = (row) => fill(entry, fields(spec.columns, row, (raw) => { fed.hidden = true; answer(report, shown, live.outputs(live.prepared(raw))); }));
  strip.append(...spec.shown.map((item, s) =>
    h("button", { role: "option", "aria-selected": "false", "data-tip": t("sample", { n: s }), onclick: () => choose(s) },
      images ? h("img", { src: item, alt: t("sample", { n: s }) }) : String(s))));
  state.choose = choose;
  const found = section("trial",
    h("div", { class: "trial" },
      spec.drawing ? pad(spec.drawing, run) : null,
      isPlane(live) ? plane(live, enter) : null,
      spec.columns ? entry : null,
      fed, shown),
    h("p", { class: "quiet" }, t("recorded.about", { n: count(live.count) })),
    strip);
  choose(state.sample);
  return found;
}
