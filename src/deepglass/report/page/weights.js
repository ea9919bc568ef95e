// A click on a weight: its part in the sum, its gradient by the chain rule, its next value.

import { bar } from "./charts.js";
import { count, fill, h, percent, section, short, t, table, term } from "./dom.js";

const SHOWN = 8; // terms of a sum

const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** The index of flat place k in an array of a shape. */
export function unravel(k, shape) {
  const found = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    found.unshift(k % shape[axis]);
    k = Math.floor(k / shape[axis]);
  }
  return found;
}

const ravel = (index, shape) => index.reduce((k, i, axis) => k * shape[axis] + i, 0);

/** How the weights of one output are laid out: panels of rows and columns. */
function layout(live, parameter) {
  const [, ...rest] = parameter.shape;
  if (parameter.shape.length === 1) return { panels: 1, rows: Math.ceil(parameter.shape[0] / 32), columns: Math.min(32, parameter.shape[0]), all: true };
  if (rest.length === 3) return { panels: rest[0], rows: rest[1], columns: rest[2] };
  const first = live.shape.length === 3 && rest[0] === product(live.shape);
  if (first) return { panels: live.shape[0], rows: live.shape[1], columns: live.shape[2] };
  const columns = Math.min(32, Math.ceil(Math.sqrt(rest[0])));
  return { panels: 1, rows: Math.ceil(rest[0] / columns), columns };
}

/** Weights as coloured cells: blue above 0, orange below; a click or the arrow keys choose one. */
function map(live, parameter, chosen, choose) {
  const { panels, rows, columns, all } = layout(live, parameter);
  const each = all ? parameter.shape[0] : product(parameter.shape.slice(1));
  const start = all ? 0 : Math.floor(chosen / each) * each;
  const across = Math.min(panels, Math.max(1, Math.floor(40 / columns)));
  const down = Math.ceil(panels / across);
  const gap = panels > 1 ? 1 : 0;
  const wide = across * (columns + gap) - gap, high = down * (rows + gap) - gap;
  const zoom = Math.max(3, Math.min(36, Math.floor(420 / Math.max(wide, high * 1.2))));
  const most = Math.max(...parameter.values.slice(start, start + each).map(Math.abs)) || 1;
  const at = (n) => {
    const [panel, place] = [Math.floor(n / (rows * columns)), n % (rows * columns)];
    return [
      ((panel % across) * (columns + gap) + (place % columns)) * zoom,
      (Math.floor(panel / across) * (rows + gap) + Math.floor(place / columns)) * zoom];
  };
  const canvas = h("canvas", { class: "map", width: wide * zoom, height: high * zoom, tabindex: 0, role: "img",
    "aria-label": t("map", { name: parameter.name }) });
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const [plus, minus, ink] = ["--blue", "--orange", "--ink"].map((name) => style.getPropertyValue(name));
  for (let n = 0; n < each; n++) {
    const value = parameter.values[start + n];
    context.globalAlpha = 0.06 + (0.94 * Math.abs(value)) / most;
    context.fillStyle = value < 0 ? minus : plus;
    context.fillRect(...at(n), zoom - (zoom > 6), zoom - (zoom > 6));
  }
  context.globalAlpha = 1;
  Object.assign(context, { strokeStyle: ink, lineWidth: 2 });
  context.strokeRect(...at(chosen - start).map((v) => v - 0.5), zoom + 1, zoom + 1);
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * canvas.width / zoom;
    const y = ((event.clientY - box.top) / box.height) * canvas.height / zoom;
    const [px, py] = [Math.floor(x / (columns + gap)), Math.floor(y / (rows + gap))];
    const [c, r] = [Math.floor(x % (columns + gap)), Math.floor(y % (rows + gap))];
    const n = (py * across + px) * rows * columns + r * columns + c;
    return c < columns && r < rows && n < each ? start + n : null;
  };
  canvas.addEventListener("click", (event) => { const k = under(event); if (k !== null) choose(k); });
  canvas.addEventListener("pointermove", (event) => {
    const k = under(event);
    canvas.title = k === null ? "" : `${label(parameter, k)} = ${short(parameter.values[k])}`;
  });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const k = chosen + (move ?? 0);
    if (!move || k < start || k >= start + each) return;
    event.preventDefault();
    choose(k, true);
  });
  return canvas;
}

const label = (parameter, k) => `${parameter.name}[${unravel(k, parameter.shape).join(", ")}]`;

/** A sum: its largest terms with bars, what the rest comes to, and the total. */
function sum(head, items, total, own = -1) {
  const order = [...items.keys()].sort((a, b) => Math.abs(items[b].value) - Math.abs(items[a].value));
  const chosen = order.slice(0, SHOWN);
  if (own >= 0 && !chosen.includes(own)) chosen[chosen.length - 1] = own;
  const most = Math.max(...chosen.map((i) => Math.abs(items[i].value))) || 1;
  const rest = items.reduce((s, item, i) => s + (chosen.includes(i) ? 0 : item.value), 0);
  const blank = head.slice(2).map(() => "");
  const rows = chosen.map((i) => ({
    class: i === own ? "own" : "",
    cells: [...items[i].cells, short(items[i].value), bar(items[i].value / most)] }));
  if (items.length > chosen.length)
    rows.push({ class: "rest", cells: [t("more", { n: count(items.length - chosen.length) }), ...blank, short(rest), ""] });
  rows.push({ class: "total", cells: [t("sum"), ...blank, h("b", {}, short(total, 6)), ""] });
  return table([...head, ""], rows);
}

/** All three steps for the weight chosen. */
function explanation(report, live, parameter, k, sample) {
  const found = live.explain(parameter.name, k, sample);
  const outShape = parameter.layer.shape;
  const place = (p, shape = outShape) => `[${unravel(p, shape).join(", ")}]`;
  const terms = found.terms.map((term) => ({
    value: term.value * term.input,
    cells: [h("code", {}, label({ name: term.name, shape: parameter.layer.arrays[term.name].shape }, term.k)), short(term.value), short(term.input)] }));
  const own = found.terms.findIndex((term) => term.name === parameter.own && term.k === k);
  const samples = found.bySample.map((value, s) => {
    const uses = found.uses[s];
    const parts = uses.length === 1 ? [short(uses[0].delta), short(uses[0].factor)] : [t("places", { n: uses.length }), ""];
    return { value, cells: [t("sample", { n: s }), ...parts] };
  });
  const step = (number, title, ...children) =>
    h("div", { class: "step" }, h("h3", {}, h("span", { class: "badge" }, String(number)), title), ...children);
  return [
    h("p", { class: "big weight" }, h("small", {}, label(parameter, k)), short(found.weight, 6)),
    step(1, t("forward"),
      h("p", {}, t("forward.line", { layer: parameter.layer.path || "·", p: place(found.position), n: sample })),
      sum([t("term"), term("weight"), term("input"), t("product")], terms, found.output, own)),
    step(2, t("backward"),
      h("p", {}, t("backward.line", { loss: short(live.spec.loss) })),
      sum([t("sample.head"), term("delta"), term("input"), t("product")], samples, found.gradient, sample),
      h("p", {}, t("delta.line", { p: place(found.position), n: sample, value: short(found.delta) })),
      paths(live, found)),
    step(3, t("update"),
      h("p", {}, t("update.line", { kind: live.spec.optimizer.kind, settings: settingsOf(live.spec.optimizer) })),
      table(["", t("rule"), t("value")], [
        ["g", t("gradient.above"), short(found.gradient, 6)],
        ...(found.clipping === 1 ? [] : [["g", t("clipped", { factor: short(found.clipping) }), short(found.gradient * found.clipping, 6)]]),
        ...found.lines.map((line, i) => ({
          class: i === found.lines.length - 1 ? "total" : "",
          cells: [h("i", {}, line.name), h("span", { class: "rule" }, line.rule), short(line.value, 6)] })),
      ], 2)),
  ];
}

const settingsOf = ({ settings }) =>
  Object.entries(settings).filter(([, v]) => typeof v !== "boolean" && v !== 0)
    .map(([name, v]) => `${name} ${Array.isArray(v) ? v.join(", ") : v}`).join(" · ");

/** Where the delta of the output comes from. */
function paths(live, { paths: found, delta }) {
  if (found.loss) {
    if (found.probability === null) return h("p", { class: "quiet" }, t("from_loss"));
    return h("p", {}, t("softmax.line", { p: percent(found.probability, 4), truth: found.truth, n: live.count, value: short(delta, 6) }));
  }
  const next = live.network.layers.find((layer) => layer.path === found.layer);
  const items = [];
  found.slopes.forEach((slope, p) => {
    if (slope) items.push({
      value: slope * found.deltas[p],
      cells: [h("code", {}, `${found.layer}[${unravel(p, next.shape).join(", ")}]`), short(found.deltas[p]), short(slope)] });
  });
  if (!items.length) return h("p", { class: "quiet" }, t("silent"));
  return sum([t("through"), term("delta"), term("slope"), t("product")], items, delta);
}

/** The section; `state` holds the weight and the sample chosen. */
export function weights(report, live, state) {
  if (!live) return null;
  const parameters = live.parameters();
  const place = h("div", { class: "explained", "aria-live": "polite" });
  const picture = h("div", { class: "picker" });
  const byName = (name) => parameters.find((p) => p.name === name);
  if (!byName(state.name)) {
    state.name = parameters[0].name;
    const { shape } = parameters[0];
    state.k = Math.floor(product(shape.slice(1)) * 0.52);
  }
  const show = (focus) => {
    const parameter = byName(state.name);
    const { shape } = parameter;
    const select = h("select", { onchange: (event) => { state.name = event.target.value; state.k = 0; show(); } },
      parameters.map((p) => h("option", { value: p.name, selected: p.name === state.name }, `${p.name} (${p.shape.join(" × ")})`)));
    const index = h("input", {
      value: unravel(state.k, shape).join(", "), size: 10, "aria-label": t("index"),
      onchange: (event) => {
        const typed = event.target.value.split(",").map(Number);
        const fits = typed.length === shape.length && typed.every((i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis]);
        if (fits) { state.k = ravel(typed, shape); show(); } else event.target.value = unravel(state.k, shape).join(", ");
      } });
    const each = product(shape.slice(1));
    const turn = (by) => h("button", {
      class: "plain", "aria-label": t(by < 0 ? "previous" : "next"),
      onclick: () => { state.k = (state.k + by * each + product(shape)) % product(shape); show(); } }, by < 0 ? "‹" : "›");
    const canvas = map(live, parameter, state.k, (k, keyboard) => { state.k = k; show(keyboard); });
    fill(picture,
      h("label", { class: "field" }, t("parameter"), select),
      h("div", { class: "turn" }, shape.length > 1 ? turn(-1) : null, h("label", { class: "field" }, t("index"), index), shape.length > 1 ? turn(1) : null),
      canvas,
      h("p", { class: "quiet" }, h("i", { class: "key blue" }), t("positive"), " ", h("i", { class: "key orange" }), t("negative")));
    fill(place, explanation(report, live, parameter, state.k, state.sample));
    if (focus) canvas.focus();
  };
  const found = section("weight_view", h("div", { class: "columns" }, picture, place));
  state.changed = () => show();
  state.changed();
  return found;
}
