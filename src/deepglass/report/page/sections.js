// What is told of a run: summary, curves, answers, layers, health.

import { lineChart, scatter, track } from "./charts.js";
import { count, fill, h, isShare, measure, percent, plain, seconds, section, short, t, table, term } from "./dom.js";

const FIRST = 12; // mistakes shown before more are asked for

const measured = (rows) =>
  Object.keys(rows[0] ?? {}).filter((k) => k.startsWith("train_")).map((k) => k.slice(6));
const nameOf = (name) => (["loss", "accuracy", "r2", "mae", "rmse"].includes(name) ? t(name) : name);

/** The best epoch by the watched measure. */
function best(report) {
  const { rows, watch } = report;
  const key = `val_${watch}` in (rows[0] ?? {}) ? `val_${watch}` : `train_${watch}`;
  const lower = ["loss", "mae", "rmse"].includes(watch);
  return rows.reduce((a, b) => ((lower ? b[key] < a[key] : b[key] > a[key]) ? b : a), rows[0]);
}

export function summary(report) {
  const { summary: s, rows, layers } = report;
  const top = best(report) ?? {};
  const sum = (key) => layers.reduce((total, layer) => total + layer[key], 0);
  const tile = (value, label) => h("div", { class: "tile" }, h("b", {}, value), label);
  const results = measured(rows).filter((name) => `val_${name}` in top);
  results.sort((a, b) => (a === "loss") - (b === "loss"));
  const facts = [
    ["data", [`${s.source} · `, s.notes.join("; ")]],
    ["parts", Object.entries(s.parts).map(([name, n]) => `${t(`part.${name}`)} ${count(n)}`).join(" · ")],
    ["task", t(`task.${s.task}`)],
    ["network", `${s.model} · ${count(sum("parameters"))} ${t("weights")} · ${count(sum("multiply_adds"))} ${t("multiply_adds")}`],
    ["training", t("training.line", {
      optimizer: s.optimizer, rate: s.rate, schedule: s.schedule, batch: s.batch, loss: s.loss, seed: s.seed })],
    ["finished", `${new Date(s.finished).toLocaleString()} · deepglass ${report.version}`],
  ];
  return h("section", { id: "summary", "aria-label": t("summary") },
    h("div", { class: "tiles" },
      results.map((name) => tile(measure(name, top[`val_${name}`]), [term(name, nameOf(name)), h("small", {}, t("part.validation"))])),
      tile(`${top.epoch ?? 0}`, [term("best_epoch"), h("small", {}, t("of_epochs", { n: rows.length }))]),
      tile(seconds(s.seconds), [t("time"), h("small", {}, t("time.of_steps"))])),
    h("dl", { class: "facts" }, facts.flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)])));
}

export function curves(report) {
  const { rows } = report;
  if (!rows.length) return null;
  const names = measured(rows);
  const place = h("div", { class: "charts" });
  const draw = (log) => fill(place, names.map((name) => {
    const lines = [["train", "blue"], ["val", "orange"]]
      .filter(([part]) => `${part}_${name}` in rows[0])
      .map(([part, color]) => ({ name: t(`part.${part}`), color, values: rows.map((r) => r[`${part}_${name}`]) }));
    const useLog = log && name === "loss" && lines.every((l) => l.values.every((v) => v > 0));
    return h("div", {}, h("h3", {}, term(name, nameOf(name))),
      lineChart(rows.map((r) => r.epoch), lines, {
        log: useLog, xLabel: t("epoch"), label: nameOf(name),
        write: isShare(name) ? (v) => percent(v, 1) : (v) => short(v, 3),
        mark: isShare(name) ? (v) => `${Number((100 * v).toPrecision(6))} %` : String }));
  }));
  const toggle = h("label", { class: "switch" },
    h("input", { type: "checkbox", onchange: (event) => draw(event.target.checked) }), term("log"));
  draw(false);
  return section("curves", toggle, place);
}

/** One sample, as a picture or a row, with what was said of it. */
function card(report, sample) {
  const { classes } = report;
  const chances = sample.chances?.map(([c, p]) =>
    h("li", { class: c === sample.truth ? "right" : "" },
      h("span", {}, classes[c]), track(p), h("span", { class: "number" }, percent(p))));
  const [truth, answer] = sample.chances
    ? [classes[sample.truth], classes[sample.answer]]
    : [plain(sample.truth), plain(sample.answer)];
  return h("figure", { class: sample.image ? "sample pictured" : "sample" },
    sample.image && h("img", { src: sample.image, alt: t("image_of", { name: truth }) }),
    sample.row && h("dl", { class: "row" }, sample.row.flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, v)])),
    h("figcaption", {},
      h("span", {}, h("span", { class: "quiet" }, `${t("truth")} `), h("b", {}, truth), ` → `,
        h("b", { class: truth === answer ? "good" : "bad" }, answer)),
      chances && h("ul", { class: "chances" }, chances)));
}

export function confusion(report) {
  const { answers, classes } = report;
  if (!answers.confusion) return null;
  const sums = answers.confusion.map((row) => Math.max(1, row.reduce((a, b) => a + b, 0)));
  const shown = h("div", { class: "samples", "aria-live": "polite" });
  const pick = (i, j, button) => {
    shown.parentElement.querySelectorAll("[aria-pressed=true]").forEach((b) => b.setAttribute("aria-pressed", "false"));
    button.setAttribute("aria-pressed", "true");
    const found = answers.samples.filter((s) => s.truth === i && s.answer === j);
    fill(shown,
      h("p", { class: "wide" }, t("cell", { truth: classes[i], answer: classes[j], n: count(answers.confusion[i][j]) })),
      found.map((s) => card(report, s)));
  };
  const cell = (n, i, j) => {
    const share = n / sums[i];
    const strength = n ? (i === j ? 0.12 + 0.88 * share : Math.min(1, 0.2 + 5 * share)) : 0;
    return h("td", {}, h("button", {
      class: `${i === j ? "right" : "wrong"}${strength > 0.55 ? " strong" : ""}`,
      style: `--strength:${(100 * strength).toFixed(0)}%`,
      disabled: n === 0,
      "aria-pressed": "false",
      "aria-label": t("cell", { truth: classes[i], answer: classes[j], n: count(n) }),
      "data-tip": `${classes[i]} → ${classes[j]}: ${count(n)} (${percent(share)})`,
      onclick: (event) => pick(i, j, event.currentTarget),
    }, n ? count(n) : ""));
  };
  const found = section("confusion",
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("confusion") },
      h("table", { class: "matrix" },
        h("thead", {}, h("tr", {}, h("td", { class: "corner" }, `${t("truth")} ↓ · ${t("answer")} →`), classes.map((c) => h("th", { scope: "col" }, c)))),
        h("tbody", {}, answers.confusion.map((row, i) =>
          h("tr", {}, h("th", { scope: "row" }, classes[i]), row.map((n, j) => cell(n, i, j))))))),
    shown);
  return found;
}

/** Some samples, and a button for the rest. */
function gallery(report, samples) {
  const place = h("div", { class: "samples" }, samples.slice(0, FIRST).map((s) => card(report, s)));
  const rest = samples.slice(FIRST);
  const more = h("button", {
    class: "plain more",
    onclick: () => { place.append(...rest.map((s) => card(report, s))); more.remove(); },
  }, t("show_more", { n: rest.length }));
  return rest.length ? [place, more] : [place];
}

export function mistakes(report) {
  const { answers } = report;
  if (answers.numbers) return section("mistakes", ...gallery(report, answers.numbers.worst));
  if (!answers.samples) return null;
  return section("mistakes",
    h("p", {}, t("wrong_of", { wrong: count(answers.wrong), count: count(answers.count), total: count(answers.total), part: t(`part.${answers.part}`) })),
    ...gallery(report, answers.samples.slice(0, answers.worst)));
}

export function numbers(report) {
  const found = report.answers.numbers;
  if (!found) return null;
  const points = found.truth.map((truth, i) => [truth, found.answer[i]]);
  return section("numbers", scatter(points, {
    label: t("numbers"), xLabel: `${t("truth")}: ${found.name}`, yLabel: `${t("answer")}: ${found.name}` }));
}

export function forecast(report) {
  const found = report.answers.forecast;
  if (!found) return null;
  const xs = found.truth.map((_, i) => i + 1);
  const ahead = (values, n) => [...Array(n).fill(NaN), ...values].slice(0, xs.length);
  const lines = [
    { name: t("truth"), color: "quiet", values: found.truth },
    { name: t("ahead", { n: 1 }), color: "blue", values: found.first },
  ];
  if (found.horizon > 1)
    lines.push({ name: t("ahead", { n: found.horizon }), color: "orange", values: ahead(found.last, found.horizon - 1) });
  return section("forecast", lineChart(xs, lines, { xLabel: t("step"), label: found.name }));
}

export function layers(report) {
  const total = (key) => report.layers.reduce((sum, layer) => sum + layer[key], 0);
  const rows = report.layers.map((l) => [
    h("code", {}, l.name || "·"), l.type, l.shape.map((s) => s.join(" × ")).join(", "),
    l.parameters ? count(l.parameters) : "", l.multiply_adds ? count(l.multiply_adds) : ""]);
  rows.push({ class: "total", cells: [t("total"), "", "", count(total("parameters")), count(total("multiply_adds"))] });
  return section("layers",
    table([t("layer"), t("type"), term("shape"), term("parameters"), term("multiply_adds")], rows, 3));
}

export function health(report) {
  const weights = report.health.filter((row) => "ratio" in row);
  const activations = report.health.filter((row) => !("ratio" in row));
  const code = (text) => h("code", {}, text);
  const ratio = (value) => {
    if (value === null) return "–";
    const power = Math.log10(value);
    return h("span", { class: power < -5 || power > -1.5 ? "warn" : "" }, short(value, 2));
  };
  const share = (value, limit) => h("span", { class: value > limit ? "warn" : "" }, percent(value));
  return section("health",
    table([t("weights"), term("mean"), term("std"), term("zeros"), term("largest"), term("gradient_norm"), term("ratio")],
      weights.map((r) => [code(r.name), short(r.mean, 2), short(r.std, 2), percent(r.zeros), short(r.largest, 2), short(r.gradient, 2), ratio(r.ratio)])),
    activations.length ? table(
      [t("activations"), t("type"), term("mean"), term("std"), term("zeros"), term("dead"), term("saturated")],
      activations.map((r) => [code(r.name), r.type, short(r.mean, 2), short(r.std, 2), percent(r.zeros),
        "dead" in r ? share(r.dead, 0.3) : "–", "saturated" in r ? share(r.saturated, 0.5) : "–"]), 2) : null);
}
