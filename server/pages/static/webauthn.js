// Lets a security key or passkey answer a form: <form data-webauthn="get|create"
// data-options="JSON" hidden>. The form is shown where the browser has keys; its button asks
// for one, and what it answers is posted with the form. Nothing starts by itself.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const keys = (list) => (list || []).map((key) => ({ ...key, id: bytes(key.id) }));

  function asked(json) {
    const options = { ...json, challenge: bytes(json.challenge) };
    if (json.user) options.user = { ...json.user, id: bytes(json.user.id) };
    if (json.excludeCredentials) options.excludeCredentials = keys(json.excludeCredentials);
    if (json.allowCredentials) options.allowCredentials = keys(json.allowCredentials);
    return options;
  }

  function answered(key) {
    const response = { clientDataJSON: text(key.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (key.response[name]) response[name] = text(key.response[name]);
    }
    if (key.response.getTransports) response.transports = key.response.getTransports();
    const { credProps } = key.getClientExtensionResults();
    return JSON.stringify({
      id: key.id, rawId: text(key.rawId), type: key.type, response,
      clientExtensionResults: credProps ? { credProps: { rk: credProps.rk } } : {},
    });
  }

  function say(form, when) {
    for (const words of form.querySelectorAll("[data-when]")) words.hidden = words.dataset.when !== when;
  }

  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    const button = form.querySelector("button");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return; // one at a time: its keys count
      button.disabled = true;
      say(form, "");
      try {
        const publicKey = asked(JSON.parse(form.dataset.options));
        const key = await navigator.credentials[form.dataset.webauthn]({ publicKey });
        form.elements.credential.value = answered(key);
        form.submit();
      } catch (error) {
        say(form, error.name === "InvalidStateError" ? "known" : "failed");
        button.disabled = false;
        button.focus();
      }
    });
    form.hidden = false;
  }
  for (const words of document.querySelectorAll('[data-when="unable"]')) words.hidden = true;
})();
