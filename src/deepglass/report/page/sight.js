// What a network sees in images: its first weights, feature maps, and where it looked.

import { count, h, section, t, term } from "./dom.js";

const part = (name, line, ...children) =>
  h("div", { class: "sight" }, h("h3", {}, term(`sight.${name}`), line && h("small", {}, line)), ...children);

function kernels(found) {
  const shape = found.shape.join(" × ");
  return part("kernels", t("sight.kernels.line", { shown: count(found.shown), n: count(found.count), shape }),
    h("img", { class: "grid-image", src: found.image, alt: t("sight.kernels") }));
}

const maps = (samples) =>
  part("maps", null, samples.map((sample) => h("div", { class: "maps" },
    h("img", { class: "seen", src: sample.image, alt: "" }),
    sample.layers.map((layer) => h("figure", {},
      h("img", { class: "grid-image", src: layer.image, alt: t("sight.maps.of", { name: layer.name }) }),
      h("figcaption", {}, t("sight.maps.line", { name: layer.name, shown: count(layer.shown), n: count(layer.count) })))))));

function looked({ method, wrong, looked: images }, classes) {
  return part(method, t(wrong ? "sight.wrong" : "sight.right"),
    h("div", { class: "looked" }, images.map((found) => {
      const [truth, answer] = [classes[found.truth], classes[found.answer]];
      return h("figure", {},
        h("div", {}, h("img", { class: "seen", src: found.image, alt: t("image_of", { name: truth }) }),
          h("img", { class: "seen", src: found.heat, alt: t("sight.heat_of", { name: truth }) })),
        h("figcaption", {}, truth, " → ", h("b", { class: truth === answer ? "good" : "bad" }, answer)));
    })));
}

export function sight(report) {
  const found = report.sight;
  if (!found) return null;
  return section("sight",
    looked(found, report.classes),
    found.kernels && kernels(found.kernels),
    found.maps.length ? maps(found.maps) : null);
}
