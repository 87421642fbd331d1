/* “Try it” on the reference: runs a GET with the token that was pasted. The token is read from its field when the button
   is pressed and kept nowhere. */
(() => {
  "use strict";
  /* A path with a place for an id cannot be tried as it stands. */
  document.querySelectorAll("[data-try-path*='{']").forEach((button) => { button.hidden = true; });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-try-path]");
    if (!button) return;
    const token = document.getElementById("try-token");
    const answer = button.closest("div.stack").querySelector("[data-try-answer]");
    const status = answer.querySelector("[data-try-status]");
    const body = answer.querySelector("code");
    const headers = token.value.trim() ? { Authorization: `Bearer ${token.value.trim()}` } : {};
    try {
      const response = await fetch(button.dataset.tryPath, { headers, credentials: "omit", cache: "no-store" });
      const text = await response.text();
      status.textContent = `${response.status} ${response.statusText}`;
      try { body.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { body.textContent = text; }
    } catch {
      status.textContent = "No answer";
      body.textContent = "That did not reach the server, or the token has characters that no header can hold.";
    }
    answer.hidden = false;
    document.dispatchEvent(new CustomEvent("announce", { detail: `Answer: ${status.textContent}` }));
  });
  addEventListener("pagehide", () => { const token = document.getElementById("try-token"); if (token) token.value = ""; });
})();
