// Keyboard: `g i` style jumps everywhere, and one key per decision in the review queue.
"use strict";
(() => {
  const help = document.getElementById("keys-help");
  let first = "";
  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key;
    if (key === "?" && help) {
      event.preventDefault();
      if (help.open) help.close(); else help.showModal();
      return;
    }
    if (first === "g") {
      first = "";
      const link = document.querySelector(`.nav a[data-key="${CSS.escape(key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (key === "g") { first = "g"; setTimeout(() => { first = ""; }, 1500); return; }
    if (key === "/") {
      const box = document.querySelector(".search input");
      if (box) { event.preventDefault(); box.focus(); }
      return;
    }
    if (event.repeat) return;
    const control = document.querySelector(`[data-key="${CSS.escape(key)}"]:not(.nav a)`);
    if (control && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      control.click();
    }
  });
  const close = document.querySelector("#keys-help button");
  if (close) close.addEventListener("click", () => help.close());
})();
