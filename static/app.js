/* Latchkey interface script. Everything here is an enhancement: each page works without it.
   No eval, no inline handlers, no style attributes, so it runs under script-src 'self'. */
(() => {
  "use strict";
  const $ = (sel, root = document) => root.querySelector(sel);
  const $$ = (sel, root = document) => [...root.querySelectorAll(sel)];

  /* Say something to screen readers, and optionally show it. */
  function announce(text, { visible = true } = {}) {
    const region = $("#status");
    if (!region) return;
    const line = document.createElement("p");
    line.className = visible ? "toast" : "vh";
    line.textContent = text;
    region.replaceChildren(line);
    clearTimeout(announce.timer);
    announce.timer = setTimeout(() => region.replaceChildren(), 6000);
  }

  /* Copy buttons: <button data-copy="#id">Copy</button> */
  async function copy(button) {
    const source = $(button.dataset.copy);
    if (!source) return;
    const text = (source.value ?? source.textContent).trim();
    const label = $("[data-label]", button) ?? button;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      announce("Selected. Press Ctrl+C or ⌘C to copy.");
      return;
    }
    const before = label.textContent;
    if (before === "Copied") return;
    label.textContent = "Copied";
    button.classList.add("copied");
    announce(button.dataset.copied ?? "Copied to the clipboard.", { visible: false });
    setTimeout(() => { label.textContent = before; button.classList.remove("copied"); }, 2000);
  }

  /* Scope picker: tri-state "select all", count, and the sentence above the Create button. */
  function scopes(form) {
    const boxes = $$("input[data-access]:not(:disabled)", form);
    const all = $("[data-select-all]", form);
    const count = $("[data-scope-count]", form);
    const sentence = $("[data-summary]", form);
    const refresh = () => {
      const n = boxes.filter((b) => b.checked).length;
      const writes = boxes.filter((b) => b.checked && b.dataset.access === "write").length;
      if (all) { all.checked = n > 0 && n === boxes.length; all.indeterminate = n > 0 && n < boxes.length; }
      if (count) count.textContent = `${n} of ${boxes.length} selected`;
      if (sentence) {
        const chosen = $('input[name="expires"]:checked', form);
        const until = chosen?.dataset.until ? `stops working on ${chosen.dataset.until}` : chosen?.value === "never" ? "does not expire" : "stops working on the date you choose";
        sentence.textContent = n === 0 ? "Choose at least one scope." :
          `This token gets ${n} ${n === 1 ? "scope" : "scopes"}, ${writes ? `${writes} with write access,` : "all read-only,"} and ${until}.`;
      }
    };
    all?.addEventListener("change", () => { boxes.forEach((b) => { b.checked = all.checked; }); refresh(); });
    form.addEventListener("change", refresh);
    refresh();
  }

  /* The answer that holds a secret was a POST: give it an address that is safe to reload. */
  const shown = () => { const el = $("[data-replace-url]"); if (el) history.replaceState(null, "", el.dataset.replaceUrl); };

  /* A browser may keep a page that one left and bring it back whole: never with a secret. */
  addEventListener("pageshow", (event) => { if (event.persisted && $(".secret")) location.reload(); });

  function enhance(root) {
    $$("form[data-scopes]", root).forEach((f) => { if (!f.dataset.ready) { f.dataset.ready = "1"; scopes(f); } });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) { copy(button); return; }
    const opener = event.target.closest("a[data-dialog]");
    if (opener && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog?.showModal) { event.preventDefault(); dialog.showModal(); }
      return;
    }
    const closer = event.target.closest("[data-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog")?.close(); }
  });

  /* After a swap: bring the new part to life, and move focus when the server asks for it. */
  document.addEventListener("htmx:after:swap", (event) => {
    enhance(document);
    const target = event.target instanceof Element ? event.target : document.body;
    const focus = $("[data-autofocus]", target) ?? $("[data-autofocus]");
    if (focus) { focus.removeAttribute("data-autofocus"); focus.focus(); }
  });
  document.addEventListener("announce", (event) => announce(event.detail?.value ?? String(event.detail)));
  document.addEventListener("htmx:error", () => announce("That did not reach the server. Check your connection and try again."));

  /* What the server says about the last action stands in the page already; say it again so that it is read aloud, then let it go. */
  const flashed = () => { const lines = $$("#status .toast").map((line) => line.textContent); if (lines.length) setTimeout(() => announce(lines.join(" ")), 150); };

  const start = () => { enhance(document); shown(); flashed(); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
