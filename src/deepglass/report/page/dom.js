// Elements, numbers and words. Nothing from a run ever becomes markup: texts are text nodes.

const SVG = ["svg", "path", "line", "circle", "text", "g", "rect", "polyline", "title"];

/** h("p", { class: "note", onclick }, "text", element, ...): an element. */
export function h(tag, attributes = {}, ...children) {
  const svg = SVG.includes(tag);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replace what is in an element. */
export const fill = (element, ...children) => {
  element.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
};

let strings = {};
let language = "en";

export function useLanguage(table, chosen) {
  [strings, language] = [table, chosen];
}

/** The text of a name in the chosen language, {places} filled in. */
export function t(name, places = {}) {
  const text = strings[name][language];
  return text.replace(/\{(\w+)\}/g, (_, key) => places[key]);
}

/** A word that explains itself on hover, on focus and to a screen reader. */
export const term = (name, text = t(name)) =>
  h("span", { class: "term", tabindex: 0, "data-tip": t(`${name}.tip`) }, text);

export const count = (n) => n.toLocaleString(language === "zh" ? "zh-CN" : "en-US");
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A number with some significant digits, short. */
export function short(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) {
    const text = value.toPrecision(digits);
    return (text.includes("e") ? String(Math.round(value)) : text).replace("-", "−");
  }
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const raised = [...power.replace("+", "")].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
  return `${mantissa.replace("-", "−")} × 10${raised}`;
}

/** A value of the data, as people would write it. */
export const plain = (value) => String(Number(value.toPrecision(5))).replace("-", "−");

const SHARES = ["accuracy", "top_5", "precision", "recall", "f1"];
export const isShare = (name) => SHARES.includes(name);

/** A measure as people write it. */
export const measure = (name, value) =>
  value !== null && isShare(name) ? percent(value, 2) : short(value);

export function seconds(total) {
  if (total < 60) return t("seconds", { s: total.toFixed(1) });
  const whole = Math.round(total);
  if (whole < 3600) return t("minutes", { m: Math.floor(whole / 60), s: whole % 60 });
  return t("hours", { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

/** A section of the page with a title, a line about it, and what it shows. */
export const section = (name, ...children) =>
  h("section", { id: name, "aria-labelledby": `${name}-title` },
    h("h2", { id: `${name}-title` }, t(name)),
    h("p", { class: "about" }, t(`${name}.about`)),
    ...children);

/** A table: a head of words that explain themselves, and rows. */
export const table = (head, rows, numbers = 1) =>
  h("div", { class: "scroll", tabindex: 0, role: "region" },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((cell, i) =>
        h("th", { class: i >= numbers ? "number" : null, scope: "col" }, cell)))),
      h("tbody", {}, rows.map((row) =>
        h("tr", { class: row.class ?? null }, (row.cells ?? row).map((cell, i) =>
          h("td", { class: i >= numbers ? "number" : null }, cell)))))));
