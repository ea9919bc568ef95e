// Explanations of what the pointer or the focus is on: elements with data-tip.

import { h } from "./dom.js";

const tip = h("div", { id: "tip", role: "tooltip", hidden: true });

function show(target) {
  if (!target) {
    tip.hidden = true;
    return;
  }
  if (!tip.isConnected) document.body.append(tip);
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const box = target.getBoundingClientRect();
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 12);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(12, left) + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
}

const holder = (event) => event.target.closest?.("[data-tip]");
document.addEventListener("pointerover", (event) => show(holder(event)));
document.addEventListener("focusin", (event) => show(holder(event)));
document.addEventListener("focusout", () => show(null));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") show(null); });
