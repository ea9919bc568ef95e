// The page: reads what Python wrote, and draws everything in the language chosen.

import { attention } from "./attention.js";
import { fill, h, t, useLanguage } from "./dom.js";
import { Live } from "./explain.js";
import { confusion, curves, forecast, health, layers, mistakes, numbers, summary } from "./sections.js";
import { sight } from "./sight.js";
import "./tips.js";
import { trial } from "./trial.js";
import { weights } from "./weights.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const report = read("report");
const words = read("strings");
const live = report.live ? new Live(report.live) : null;
const state = { sample: 0, name: "", k: 0, changed: () => {} };
const root = document.documentElement;
let chosen = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";

const isDark = () =>
  (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function draw() {
  useLanguage(words, chosen);
  root.lang = chosen === "zh" ? "zh-CN" : "en";
  document.title = t("title", { run: report.run });
  state.changed = () => {};
  const parts = {
    summary: summary(report),
    curves: curves(report),
    confusion: confusion(report),
    numbers: numbers(report),
    forecast: forecast(report),
    mistakes: mistakes(report),
    sight: sight(report),
    attention: attention(report),
    trial: trial(report, live, state),
    weight_view: weights(report, live, state),
    layers: layers(report),
    health: health(report),
  };
  const shown = Object.entries(parts).filter(([, part]) => part);
  fill(document.body,
    h("a", { class: "skip", href: "#content" }, t("skip")),
    h("header", {},
      h("div", {}, h("p", { class: "brand" }, "deepglass"), h("h1", {}, report.run)),
      h("div", { class: "controls" },
        h("button", { id: "language", class: "plain", lang: chosen === "zh" ? "en" : "zh-CN",
          onclick: () => { chosen = chosen === "zh" ? "en" : "zh"; draw(); } }, chosen === "zh" ? "English" : "中文"),
        h("button", { id: "theme", class: "plain", "aria-label": t("theme"),
          onclick: () => { root.dataset.theme = isDark() ? "light" : "dark"; draw(); } }, isDark() ? "☀" : "☾"))),
    h("nav", { "aria-label": t("contents") }, shown.slice(1).map(([name]) => h("a", { href: `#${name}` }, t(name)))),
    h("main", { id: "content" }, shown.map(([, part]) => part)),
    h("footer", {}, t("footer", { version: report.version })));
}

draw();
