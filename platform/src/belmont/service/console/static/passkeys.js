// Hardware keys (WebAuthn): enrolling, removing, and the touch that a freeze, a revocation or a pause asks for.

function bytes(text) {
  const padded = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const carrier = document.querySelector("input[name=csrf], [data-csrf]");
let csrf = carrier?.value ?? carrier?.dataset.csrf ?? "";

async function ask(method, path, body) {
  const answer = await fetch("/api/v1/passkeys" + path, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const found = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.says), { code: found.code });
  return found;
}

// The session has a new token after every touch: every form of this page brings that one.
function renew(token) {
  csrf = token;
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
}

function described(keys) {
  return (keys ?? []).map((each) => ({ ...each, id: bytes(each.id) }));
}

function written(credential, names) {
  const response = {};
  for (const name of names) if (credential.response[name]) response[name] = text(credential.response[name]);
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

/** Have a key touched: purpose is {purpose: "message", digest}, {purpose: "enrol"} or {purpose: "remove", key}. */
export async function touch(purpose) {
  const options = await ask("POST", "/touch", purpose);
  const allowCredentials = described(options.allowCredentials);
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials };
  const credential = await navigator.credentials.get({ publicKey });
  const names = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
  const given = await ask("POST", "/touch/finish", { credential: written(credential, names) });
  if (given.csrf) renew(given.csrf);
  return given;
}

export async function enrol(label) {
  let options;
  try {
    options = await ask("POST", "/enrolment");
  } catch (error) {
    if (error.code !== "STEP_UP_REQUIRED") throw error;
    await touch({ purpose: "enrol" });
    options = await ask("POST", "/enrolment");
  }
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: described(options.excludeCredentials),
  };
  const credential = await navigator.credentials.create({ publicKey });
  return ask("POST", "", { label, credential: written(credential, ["clientDataJSON", "attestationObject"]) });
}

export async function remove(key) {
  await touch({ purpose: "remove", key });
  return ask("DELETE", "/" + key);
}

function page(section) {
  const status = section.querySelector("[data-status]");
  const words = section.querySelector("[data-words]").dataset;
  const run = async (work) => {
    status.textContent = words.touch;
    try {
      await work();
      location.reload();
    } catch (error) {
      status.textContent = `${words.refused} ${error.message ?? ""}`;
    }
  };
  const form = section.querySelector("[data-enrol]");
  if (form) form.hidden = false;
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    run(() => enrol(form.elements.label.value));
  });
  for (const button of section.querySelectorAll("[data-remove]")) {
    button.hidden = false;
    button.addEventListener("click", () => run(() => remove(button.dataset.remove)));
  }
}

const section = document.querySelector("[data-passkeys]");
if (section && window.PublicKeyCredential) page(section);
