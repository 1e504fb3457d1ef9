// Small helps on top of pages that work without them. No inline code, no eval.
"use strict";
(() => {
  const lang = document.documentElement.lang;
  // The reader's own variant of the interface language: 28 Nov in Britain, Nov 28 in the USA.
  const locale = navigator.languages.find((one) => one.split("-")[0] === lang) || lang;

  // Dates in the reader's zone; UTC stays in the title.
  const showDates = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-shown])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime()) || !time.dateTime.includes("T")) continue;
      time.title = time.textContent.trim();
      time.textContent = moment.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
      time.dataset.shown = "";
    }
  };
  showDates(document);

  // Forms that send themselves when a choice changes.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });

  // An action that is opened is ready to be filled in.
  document.addEventListener("toggle", (event) => {
    const box = event.target;
    if (box.open && box.matches("details.action")) box.querySelector("input[type=text], textarea")?.focus();
  }, true);

  // The as-of slider picks one of the positions of the history.
  const slider = document.querySelector("input[data-positions]");
  if (slider) {
    const positions = slider.dataset.positions.split(",");
    const field = document.getElementById("as-of-position");
    slider.addEventListener("input", () => {
      field.value = positions[Number(slider.value)];
    });
  }

  // A form is sent once, however often its button is pressed; coming back frees it.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.ariaBusy === "true") { event.preventDefault(); return; }
    form.ariaBusy = "true";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
  });

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("button[data-copy]");
    if (!copy) return;
    const text = document.getElementById(copy.dataset.copy).textContent;
    navigator.clipboard?.writeText(text).then(() => { copy.textContent = copy.dataset.done; });
  });

  // Live: new entries wait behind a banner; nothing moves under the reader.
  const live = document.querySelector("[data-live]");
  if (live && window.EventSource) {
    const words = live.dataset;
    let count = 0;
    let lost = null;
    const show = () => {
      live.textContent = "";
      if (!count) return;
      const link = document.createElement("a");
      link.className = "notice";
      link.href = window.location.href;
      link.textContent = words.some.replace("#", count);
      live.append(link);
    };
    let stream = null;
    const seen = new Set();
    const onEvent = (event) => {
      let subject;
      try { subject = JSON.parse(event.data).subject; } catch { return; }
      if (!subject || seen.has(subject)) return;
      seen.add(subject);
      count += 1;
      show();
    };
    // The address names the position of the page: what came since is sent again, and counted once.
    const connect = () => {
      stream = new EventSource(words.live);
      for (const type of (words.types || "").split(" ")) {
        if (type) stream.addEventListener(type, onEvent);
      }
      stream.onopen = () => { clearTimeout(lost); lost = null; show(); };
      stream.onerror = onError;
    };
    const onError = () => {
      // A browser connects again by itself, but not after an answer such as 502 of a proxy.
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
      if (lost) return;
      lost = setTimeout(() => {
        live.textContent = "";
        const note = document.createElement("p");
        note.className = "notice warn";
        note.textContent = words.lost;
        live.append(note);
      }, 15000); // a restart takes seconds: say nothing before
    };
    connect();
    window.addEventListener("pagehide", () => stream.close());
  }

  // Receipts of items in flight refresh by themselves.
  const waiting = document.querySelector("[data-refresh]");
  if (waiting) {
    setTimeout(() => window.location.replace(waiting.dataset.refresh), Number(waiting.dataset.seconds) * 1000);
  }
})();
