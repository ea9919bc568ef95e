// What a transformer reads of what: a map per head, and the text in which one place looks around.

import { fill, h, section, t } from "./dom.js";
import { unpack } from "./network.js";

/** A square of shares of 255: a row per place, and in it how much it reads of each. */
function square(shares, places) {
  const canvas = h("canvas", { class: "map", width: places, height: places });
  const context = canvas.getContext("2d");
  const image = context.createImageData(places, places);
  shares.forEach((share, i) => image.data.set([47, 111, 222, share], 4 * i));
  context.putImageData(image, 0, 0);
  return canvas;
}

const visible = (token) => token.replace("\n", "↵\n");

export function attention(report) {
  if (!report.attention) return null;
  const { tokens, weights } = report.attention;
  const { shape: [layers, heads, places], values } = unpack(weights);
  const reading = { map: 0, place: places - 1 };
  const of = (number) => values.subarray(number * places * places, (number + 1) * places * places);

  const words = tokens.map((token, place) => {
    const look = () => { reading.place = place; color(); };
    return h("span", { class: "token", tabindex: 0, onmouseenter: look, onfocus: look }, visible(token));
  });
  const color = () => words.forEach((word, place) => {
    const share = of(reading.map)[reading.place * places + place] / 4.25;  // of 60 %, so that it can be read
    word.style.background = `color-mix(in srgb, var(--blue) ${share.toFixed(0)}%, transparent)`;
    word.classList.toggle("own", place === reading.place);
  });

  const name = h("h3", {});
  const choose = (number) => {
    reading.map = number;
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === number)));
    fill(name, label(number));
    color();
  };
  const label = (number) =>
    t("attention.head", { layer: Math.floor(number / heads) + 1, head: (number % heads) + 1 });
  const buttons = Array.from({ length: layers * heads }, (_, number) =>
    h("button", { class: "head", "aria-label": label(number), title: label(number), onclick: () => choose(number) },
      square(of(number), places)));
  choose(0);
  return section("attention",
    h("div", { class: "heads", style: `grid-template-columns: repeat(${heads}, minmax(0, 120px))` }, buttons),
    name, h("p", { class: "read" }, words));
}
