// Signing in with a browser wallet (EIP-1193): the wallet signs the text that the service wrote, and a form brings it back.

const form = document.querySelector("[data-sign-in]");
const button = form?.querySelector("[data-wallet]");
const words = document.querySelector("[data-words]")?.dataset ?? {};

function tell(text) {
  form.querySelector("[data-status]").textContent = text;
}

function hex(text) {
  const bytes = new TextEncoder().encode(text);
  return "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function challenge(account, identity) {
  const answer = await fetch("/api/v1/sign-in/challenge", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(identity ? { account, identity } : { account }),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.says);
  return found;
}

function handIn(nonce, signature) {
  const sent = document.createElement("form");
  sent.method = "post";
  sent.action = "/sign-in";
  for (const [name, value] of Object.entries({ nonce, signature, next: form.elements.next.value })) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    sent.append(field);
  }
  document.body.append(sent);
  sent.submit();
}

async function signIn() {
  const wallet = window.ethereum;
  if (!wallet) return tell(words.noWallet);
  button.disabled = true;
  try {
    const [chosen] = await wallet.request({ method: "eth_requestAccounts" });
    const typed = form.elements.account.value.trim();
    const { message, account, nonce } = await challenge(typed || chosen, form.elements.identity.value.trim());
    tell(words.waiting);
    handIn(nonce, await wallet.request({ method: "personal_sign", params: [hex(message), account] }));
  } catch (error) {
    tell(`${words.refused} ${error.message ?? ""}`);
  } finally {
    button.disabled = false;
  }
}

if (button) {
  form.querySelector("[data-with-wallet]").hidden = false;
  button.addEventListener("click", signIn);
}
