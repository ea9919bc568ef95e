// Small charts in SVG.

import { fill, h, plain, short } from "./dom.js";

const WIDTH = 640, HEIGHT = 260, LEFT = 56, RIGHT = 14, TOP = 14, BOTTOM = 34;

/** Round numbers between two ends, about `wanted` of them. */
export function ticks(low, high, wanted = 5) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
}

const decades = (low, high) => {
  const found = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const n of [1, 2, 5]) {
      const value = n * 10 ** p;
      if (value >= low * 0.999 && value <= high * 1.001) found.push(Number(value.toPrecision(3)));
    }
  return found.length > 7 ? found.filter((v) => Number.isInteger(Math.round(Math.log10(v) * 1e6) / 1e6)) : found;
};

function scale(low, high, from, to, log) {
  const f = log ? Math.log10 : (v) => v;
  const [a, b] = [f(low), f(high)];
  const span = b - a || 1;
  return (v) => from + ((f(v) - a) / span) * (to - from);
}

const path = (points) => points
  .map(([x, y], i) => (Number.isFinite(y) ? `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}` : ""))
  .join("").replace(/^L/, "M");

/** Grid and axes. */
function frame(x, y, xTicks, yTicks, xLabel, mark) {
  return [
    ...yTicks.flatMap((v) => [
      h("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v) }),
      h("text", { class: "tick", x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, mark(v)),
    ]),
    ...xTicks.map((v) =>
      h("text", { class: "tick", x: x(v), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, String(v))),
    h("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 2, "text-anchor": "end" }, xLabel),
  ];
}

/**
 * Lines over a common axis; hovering or arrow keys show the numbers.
 *   xs: numbers; lines: [{name, color, values}]; options: {log, xLabel, label}, `write` for
 * the numbers of a place and `mark` for those along the axis
 */
export function lineChart(xs, lines, { log = false, xLabel = "", label = "", write = short, mark = String } = {}) {
  const values = lines.flatMap((line) => line.values).filter((v) => Number.isFinite(v) && (!log || v > 0));
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!log) { const room = (high - low || Math.abs(high) || 1) * 0.06; low -= room; high += room; }
  else if (low === high) { low /= 2; high *= 2; }
  const ends = xs.length > 1 ? [xs[0], xs.at(-1)] : [xs[0] - 0.5, xs[0] + 0.5];
  const x = scale(...ends, LEFT, WIDTH - RIGHT);
  const y = scale(low, high, HEIGHT - BOTTOM, TOP, log);
  const yTicks = log ? decades(low, high) : ticks(low, high);
  const xTicks = ticks(...ends, 8).filter(Number.isInteger);
  const cursor = h("g", { class: "cursor" });
  const readout = h("div", { class: "readout", "aria-live": "polite" });
  let at = xs.length - 1;

  const show = (i) => {
    at = Math.min(Math.max(i, 0), xs.length - 1);
    fill(cursor,
      h("line", { x1: x(xs[at]), x2: x(xs[at]), y1: TOP, y2: HEIGHT - BOTTOM }),
      lines.filter((l) => Number.isFinite(l.values[at])).map((l) =>
        h("circle", { class: l.color, cx: x(xs[at]), cy: y(l.values[at]), r: 4 })));
    fill(readout,
      h("span", { class: "quiet" }, `${xLabel} ${xs[at]}`),
      lines.map((l) => h("span", {}, h("i", { class: `key ${l.color}` }), `${l.name} `,
        h("b", {}, write(l.values[at])))));
  };
  const svg = h("svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, tabindex: 0,
      onpointermove: (event) => {
        const box = svg.getBoundingClientRect();
        const place = ((event.clientX - box.left) / box.width) * WIDTH;
        let best = 0;
        xs.forEach((v, i) => { if (Math.abs(x(v) - place) < Math.abs(x(xs[best]) - place)) best = i; });
        show(best);
      },
      onkeydown: (event) => {
        const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (move) { show(at + move); event.preventDefault(); }
      },
    },
    ...frame(x, y, xTicks, yTicks, xLabel, mark),
    ...lines.map((l) => h("path", { class: `line ${l.color}`, d: path(xs.map((v, i) => [x(v), y(l.values[i])])) })),
    cursor);
  show(at);
  return h("figure", { class: "chart" }, readout, svg);
}

/** Dots, and the line on which both numbers are the same. */
export function scatter(points, { label, xLabel, yLabel }) {
  const all = points.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = scale(low, high, LEFT, WIDTH - RIGHT), y = scale(low, high, HEIGHT + 100 - BOTTOM, TOP);
  const marks = ticks(low, high);
  return h("figure", { class: "chart" },
    h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 100}`, role: "img", "aria-label": label },
      marks.flatMap((v) => [
        h("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v) }),
        h("text", { class: "tick", x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, plain(v)),
        h("text", { class: "tick", x: x(v), y: HEIGHT + 100 - BOTTOM + 18, "text-anchor": "middle" }, plain(v)),
      ]),
      h("path", { class: "line quiet", d: path([[x(low), y(low)], [x(high), y(high)]]) }),
      points.map(([truth, answer]) =>
        h("circle", { class: "dot", cx: x(truth), cy: y(answer), r: 3 },
          h("title", {}, `${xLabel} ${plain(truth)}, ${yLabel} ${plain(answer)}`))),
      h("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT + 98, "text-anchor": "end" }, xLabel),
      h("text", { class: "tick", x: LEFT, y: 10, "text-anchor": "start" }, yLabel)));
}

/** A bar from 0 in both directions, as wide as a share of the largest. */
export const bar = (share, color = "") =>
  h("span", { class: "bar", "aria-hidden": "true" },
    h("span", {
      class: color || (share < 0 ? "negative" : "positive"),
      style: share < 0
        ? `right:50%;width:${(-share * 50).toFixed(1)}%`
        : `left:50%;width:${(share * 50).toFixed(1)}%`,
    }));

/** A share from 0 to 1 as a filled track. */
export const track = (share) =>
  h("span", { class: "track", "aria-hidden": "true" }, h("span", { style: `width:${(100 * share).toFixed(2)}%` }));
