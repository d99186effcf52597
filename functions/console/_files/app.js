"use strict";
// Refresh, keys, local times, dialogs. Without it the pages work by links and forms.
(() => {
  const $ = (s, r = document) => r.querySelector(s), all = (s, r = document) => [...r.querySelectorAll(s)];
  const main = $("#main"), live = $("#live"), dialog = $("#dialog"), store = window.localStorage;
  if (!main || !live) return;
  let paused = false, last = Date.now(), fetched = Date.now(), go = 0, opener = null;
  const say = (text) => { live.textContent = text; };
  const failing = () => ($("#state")?.dataset.failing || "").split(" ").filter(Boolean);
  let before = failing();
  // Open details, ticks and typed text are the person's, not the server's.
  const kept = { DETAILS: "open", INPUT: "checked value", TEXTAREA: "value", OPTION: "selected", DIALOG: "open" };
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(kept[node.tagName] || "").split(" ").includes(name);

  const here = $("nav [aria-current]"), places = here?.closest("ul");
  // Not scrollIntoView, which also moves where the first Tab begins.
  if (places) places.scrollLeft = here.offsetLeft - places.offsetLeft - places.clientWidth / 2;

  // Refresh: 5 s; 30 s after ten minutes without input; none while hidden.
  const poll = (now) => {
    if (now !== true) {
      if (!main.dataset.live || paused || document.hidden || dialog.open) return;
      if (Date.now() - fetched < (Date.now() - last > 6e5 ? 29e3 : 4500)) return;
    }
    fetched = Date.now();
    htmx.ajax("GET", main.dataset.url, { target: "#main", swap: "morph:innerHTML", headers: { "X-Poll": "1", "If-None-Match": main.dataset.etag || "" } });
  };
  setInterval(poll, 1000);
  setInterval(() => {
    const f = $("#freshness");
    if (f) f.textContent = !main.dataset.live ? "" : paused ? "refresh is off" : `as of ${Math.round((Date.now() - fetched) / 1000)} s ago`;
  }, 1000);
  document.addEventListener("htmx:afterRequest", (e) => {
    const x = e.detail.xhr, tag = x.getResponseHeader("etag");
    if (x.status === 401) { paused = true; say("Your session has ended. Sign in again."); location.reload(); }
    if (tag && e.detail.target === main) main.dataset.etag = tag;
    if (x.status >= 500 || !x.status) say("The console does not answer; trying again.");
  });
  document.addEventListener("htmx:afterSwap", (e) => {
    if (e.detail.target.id === "dialog-body") { if (!dialog.open) { dialog.showModal(); } return; }
    const now = failing(), state = $("#state");
    const worse = now.filter((j) => !before.includes(j)), better = before.filter((j) => !now.includes(j));
    if (worse.length || better.length) say([worse.length && `${worse.join(", ")} failed`, better.length && `${better.join(", ")} recovered`].filter(Boolean).join("; "));
    before = now;
    if (state) document.title = state.dataset.title;
    const icon = $("#icon");
    if (icon && state) icon.href = state.dataset.icon || icon.href;
    times();
  });

  // Times: `u` shows those of this browser's zone.
  const times = () => {
    const local = store.getItem("zone") === "local";
    for (const t of all("main time")) {
      const d = new Date(t.dateTime), abs = $(".abs", t);
      if (!abs || isNaN(d)) continue;
      abs.dataset.utc ||= abs.textContent;
      abs.textContent = local ? d.toLocaleString([], { month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit" }) + " local" : abs.dataset.utc;
    }
  };
  times();

  // Dialogs: a form with data-dialog opens its answer in one; focus returns to its button.
  document.addEventListener("submit", (e) => {
    if (!e.target.matches("[data-dialog]")) return;
    if (!dialog.contains(e.target)) opener = document.activeElement;
    e.preventDefault();
    const by = e.submitter, to = by?.getAttribute("formaction") || e.target.getAttribute("action");
    htmx.ajax("POST", to, { source: e.target, target: "#dialog-body", swap: "innerHTML", values: by?.name ? { [by.name]: by.value } : {} });
  });
  document.addEventListener("click", (e) => { if (e.target.closest("[data-close]")) { e.preventDefault(); dialog.close(); } });
  dialog?.addEventListener("close", () => { const to = opener; opener = null; if (to && document.contains(to)) to.focus(); if ($("[data-done]", dialog)) poll(true); });

  // Keys; off while typing, and where they are switched off.
  const rows = () => all("main tr[data-row]"), row = () => document.activeElement?.closest?.("tr[data-row]");
  const press = (name) => (row() || main).querySelector(`[data-act~="${name}"]`)?.click();
  const move = (n) => { const r = rows(), at = r.indexOf(row()), to = r[Math.max(0, Math.min(r.length - 1, at + n))]; ($("a", to || main) || $("button,input", to || main))?.focus(); };
  document.addEventListener("keydown", (e) => {
    last = Date.now();
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input,textarea,select") || store.getItem("keys") === "off" || dialog.open) return;
    const key = e.key;
    if (go && Date.now() - go < 1500) { go = 0; const to = $(`nav a[data-key="${key}"]`); if (to) { e.preventDefault(); to.click(); } return; }
    const acts = {
      g: () => { go = Date.now(); }, "?": () => { location.href = "/ui/help"; }, "/": () => $("main input[type=search]")?.focus(),
      j: () => move(1), k: () => move(-1), x: () => row()?.querySelector("input[type=checkbox]")?.click(), X: () => all("main tr input[type=checkbox]").forEach((c) => { c.checked = true; }),
      r: () => press("retry"), p: () => press("pause"), t: () => press("run"), w: () => press("why"), "[": () => press("earlier"), "]": () => press("later"),
      u: () => { store.setItem("zone", store.getItem("zone") === "local" ? "utc" : "local"); times(); },
      ".": () => { paused = !paused; say(paused ? "Refresh is off" : "Refresh is on"); },
    };
    if (acts[key]) { e.preventDefault(); acts[key](); }
  });
  // Views: filters are in the address; this browser keeps twenty of them by name.
  const views = $("#views"), list = () => JSON.parse(store.getItem("views") || "[]");
  const show = (saved) => {
    store.setItem("views", JSON.stringify(saved));
    $("ul", views).replaceChildren(...saved.map((v) => {
      const item = document.createElement("li"), to = document.createElement("a"), drop = document.createElement("button");
      to.href = v.url; to.textContent = v.name;
      drop.type = "button"; drop.textContent = "✕"; drop.className = "quiet"; drop.ariaLabel = `remove the view ${v.name}`;
      drop.addEventListener("click", () => { show(list().filter((o) => o.url !== v.url)); $("summary", views).focus(); });
      item.append(to, drop);
      return item;
    }));
  };
  if (views) {
    const save = document.createElement("button");
    save.type = "button"; save.className = "quiet"; save.textContent = "Save this view";
    views.append(save);
    views.hidden = false;
    show(list().filter((v) => typeof v.url === "string" && v.url.startsWith("/ui/")));
    save.addEventListener("click", () => {
      const given = [...new URLSearchParams(location.search)].filter(([, v]) => v).map(([n, v]) => `${n} ${v}`).join(", ");
      const url = location.pathname + location.search, name = $("h1").textContent + (given && `: ${given}`);
      show([{ url, name }, ...list().filter((o) => o.url !== url)].slice(0, 20));
      say(`Saved the view ${name}`);
    });
  }
  for (const name of ["pointerdown", "scroll"]) addEventListener(name, () => { last = Date.now(); }, { passive: true });
  const box = $("#keys-off");
  if (box) { box.checked = store.getItem("keys") === "off"; box.addEventListener("change", () => store.setItem("keys", box.checked ? "off" : "on")); }
})();
