// Passkeys: asks the browser's authenticator and sends its answer with the form around the button.
// Forms say what they want by data-passkey (create, get, login) and where the options are by data-options.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const credentials = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

function forCreating({ publicKey }) {
  return {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    user: { ...publicKey.user, id: bytes(publicKey.user.id) },
    excludeCredentials: credentials(publicKey.excludeCredentials),
  };
}

function forGetting({ publicKey }) {
  return {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    allowCredentials: credentials(publicKey.allowCredentials),
  };
}

function answer(credential) {
  const { response } = credential;
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: Object.fromEntries(parts),
  };
}

async function options(form) {
  const source = form.dataset.options;
  if (source.startsWith("#")) return JSON.parse(document.querySelector(source).textContent);
  const fetched = await fetch(source, { headers: { Accept: "application/json" } });
  if (!fetched.ok) throw new Error("no options");
  return (await fetched.json()).request_options;
}

async function ask(form) {
  const wanted = await options(form);
  return form.dataset.passkey === "create"
    ? navigator.credentials.create({ publicKey: forCreating(wanted) })
    : navigator.credentials.get({ publicKey: forGetting(wanted) });
}

function prepare(form) {
  const button = form.querySelector("button");
  const trouble = form.querySelector(".error[hidden]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy")) return; // two clicks are one passkey
    trouble.hidden = true;
    button.setAttribute("aria-busy", "true");
    try {
      form.elements.credential.value = JSON.stringify(answer(await ask(form)));
      form.submit();
    } catch {
      trouble.hidden = false;
      button.removeAttribute("aria-busy");
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) button.removeAttribute("aria-busy"); // who comes back can ask again
  });
}

if (window.PublicKeyCredential) document.querySelectorAll("form[data-passkey]").forEach(prepare);
