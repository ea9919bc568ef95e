// What a network says over a plane: for tables of two numbers.

import { h, t } from "./dom.js";
import { softmax } from "./network.js";

const CELLS = 72, SIZE = 288, EDGE = 0.12; // of the range, around the samples

const COLORS = [[47, 111, 222], [217, 83, 11], [29, 138, 82], [146, 84, 200], [190, 150, 20], [20, 150, 170]];
const color = (c) => COLORS[c % COLORS.length];

/** Whether the rows of a network are points of a plane, and its answers classes. */
export const isPlane = ({ spec, shape }) =>
  spec.columns?.length === 2 && shape[0] === 2 && spec.columns.every((c) => c.kind === "number") &&
  spec.target.kind === "class";

/** A picture of the plane with the recorded samples; `choose(x, y)` hears of a click. */
export function plane(live, choose) {
  const ends = [0, 1].map((axis) => {
    const values = live.raw.map((raw) => raw[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [low - EDGE * (high - low), high + EDGE * (high - low)];
  });
  const canvas = h("canvas", { class: "plane", width: SIZE, height: SIZE, role: "img", "aria-label": t("plane") });
  const context = canvas.getContext("2d");
  const value = (axis, share) => ends[axis][0] + share * (ends[axis][1] - ends[axis][0]);
  const place = (raw) => [0, 1].map((axis) => {
    const share = (raw[axis] - ends[axis][0]) / (ends[axis][1] - ends[axis][0]);
    return SIZE * (axis ? 1 - share : share);
  });
  const cell = SIZE / CELLS;
  for (let r = 0; r < CELLS; r++)
    for (let c = 0; c < CELLS; c++) {
      const point = [value(0, (c + 0.5) / CELLS), value(1, 1 - (r + 0.5) / CELLS)];
      const chances = softmax(live.outputs(Float64Array.from(point)));
      const mixed = [0, 1, 2].map((k) => chances.reduce((sum, p, n) => sum + p * color(n)[k], 0));
      context.fillStyle = `rgb(${mixed.map((v) => Math.round(255 - 0.55 * (255 - v)))})`;
      context.fillRect(c * cell, r * cell, cell + 0.5, cell + 0.5);
    }
  live.raw.forEach((raw, s) => {
    context.beginPath();
    context.arc(...place(raw), 4, 0, 7);
    Object.assign(context, { fillStyle: `rgb(${color(live.spec.targets[s][0])})`, strokeStyle: "#fff", lineWidth: 1.5 });
    context.fill();
    context.stroke();
  });
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const shares = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
    const typed = live.spec.columns.map((column, axis) => {
      const scaled = value(axis, shares[axis]) * column.std + column.mean;
      return [column.name, String(Number((column.log ? Math.expm1(scaled) : scaled).toPrecision(4)))];
    });
    choose(typed);
  });
  return canvas;
}
