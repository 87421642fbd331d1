/* Passkeys: carries what the server asks to the browser, and what the authenticator answers back, in a plain form.
   Without it the buttons are not there, and a code or the password is. */
(() => {
  "use strict";
  const forms = [...document.querySelectorAll("form[data-passkey]")];
  if (!forms.length) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list = []) => list.map((one) => ({ ...one, id: bytes(one.id) }));

  /* The options as the browser takes them: what stands there as base64url becomes bytes. */
  const asked = (form) => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    if (options.allowCredentials) options.allowCredentials = known(options.allowCredentials);
    if (options.excludeCredentials) options.excludeCredentials = known(options.excludeCredentials);
    return options;
  };

  const answered = ({ id, rawId, type, response, authenticatorAttachment }) => JSON.stringify({
    id, type, rawId: text(rawId), authenticatorAttachment, clientExtensionResults: {},
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: text(response.userHandle),
    },
  });

  const say = (form, ...words) => {
    const note = form.querySelector("[data-passkey-note]");
    note.hidden = !words.length;
    note.querySelector("span").replaceChildren(...words);
  };

  /* This page where passkeys work: they belong to a name, and one machine may be reached by several. */
  const elsewhere = (form) => {
    const { rpId, rp } = JSON.parse(form.dataset.options);
    const there = new URL(location.pathname + location.search, location.origin);
    there.hostname = rpId ?? rp.id;
    if (there.host === location.host) return [];
    const link = document.createElement("a");
    link.href = there.href;
    link.textContent = `Open this page at ${there.host}`;
    return [" ", link, "."];
  };

  const why = (error, form) => {
    if (error.name === "SecurityError") return ["Passkeys do not work at this address.", ...elsewhere(form)];
    if (error.name === "InvalidStateError") return ["There is a passkey for this account on this device already."];
    return ["No passkey was used. Try again, or go another way."];
  };

  let waiting = null;

  /* Ask once, and send the form. `quietly` is the browser's own prompt in the address field, which may never be answered. */
  const ask = async (form, quietly = false) => {
    waiting?.abort();
    const mine = (waiting = new AbortController());
    say(form);
    try {
      const publicKey = asked(form);
      const found = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey, signal: mine.signal })
        : await navigator.credentials.get({ publicKey, signal: mine.signal, ...(quietly ? { mediation: "conditional" } : {}) });
      form.elements.credential.value = answered(found);
      form.submit();
    } catch (error) {
      if (!quietly && error.name !== "AbortError") say(form, ...why(error, form));
    }
  };

  for (const form of forms) {
    if (!window.PublicKeyCredential) {
      say(form, "This browser has no passkeys.");
      continue;
    }
    form.addEventListener("submit", (event) => {
      if (!form.reportValidity()) return;
      event.preventDefault();
      ask(form);
    });
    if (form.hasAttribute("data-conditional")) {
      Promise.resolve(PublicKeyCredential.isConditionalMediationAvailable?.()).then((there) => there && !waiting && ask(form, true));
    }
  }
})();
