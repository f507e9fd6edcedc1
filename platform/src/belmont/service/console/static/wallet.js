// Signs the message of this page with a browser wallet (EIP-1193, EIP-712), and hands it in.
// 1. What the wallet gets is the typed data that the page's form holds; before it is asked, its kind, chain, contract
//    and every field are compared with what the page shows, in both directions. Where they differ, nothing is signed.
// 2. The account is one whose signature counts, and the wallet is on the chain that the message is for.
// 3. Attributes of the form are read by name: a field that is called "dataset" hides the form's own dataset.
import { touch } from "/static/passkeys.js";

const form = document.getElementById("wallet");
const words = document.querySelector("template[data-words]").dataset;
const button = form.querySelector("[data-sign]");
const status = form.querySelector("[data-status]");
const signersShown = form.getAttribute("data-signers");  // 3
const digest = form.getAttribute("data-digest");
const needsTouch = form.hasAttribute("data-touch");
const wallet = window.ethereum;

function say(text) {
  status.textContent = text;
}

function isAsShown(typed) {  // 1
  const shown = new Map();
  for (const row of document.querySelectorAll("#fields [data-field]")) shown.set(row.dataset.field, row.dataset.raw);
  const fields = Object.keys(typed.message);
  const { kind, chain, contract } = document.getElementById("fields").dataset;
  return typed.primaryType === kind
    && String(typed.domain.chainId) === chain
    && typed.domain.verifyingContract === contract
    && fields.length === shown.size
    && fields.every((name) => shown.has(name) && same(JSON.parse(shown.get(name)), typed.message[name]));
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function onChain(id) {  // 2
  const wanted = "0x" + id.toString(16);
  if (await wallet.request({ method: "eth_chainId" }) === wanted) return true;
  try {
    await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: wanted }] });
  } catch {
    return false;
  }
  return await wallet.request({ method: "eth_chainId" }) === wanted;
}

async function sign() {
  const typed = JSON.parse(form.elements.message.value).typed_data;
  if (!isAsShown(typed)) return say(words.differs);
  say(words.waiting);
  const accounts = await wallet.request({ method: "eth_requestAccounts" });
  const signers = signersShown.split(" ").map((each) => each.toLowerCase());
  const account = accounts.find((each) => signers.includes(each.toLowerCase()));  // 2
  if (!account) return say(`${words.otherAccount} ${signersShown}`);
  if (!await onChain(typed.domain.chainId)) return say(`${words.otherChain} ${typed.domain.chainId}`);
  const signature = await wallet.request({
    method: "eth_signTypedData_v4",
    params: [account, JSON.stringify(typed)],
  });
  if (needsTouch) {
    say(words.touch);
    await touch({ purpose: "message", digest: digest });
  }
  say(words.sending);
  form.elements.signature.value = signature.toLowerCase();
  form.submit();
}

const byFile = document.getElementById("by-file");
if (needsTouch) {
  byFile.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await touch({ purpose: "message", digest: digest });
      byFile.submit();
    } catch (error) {
      say(`${words.declined} ${error?.message ?? ""}`);
    }
  });
}

if (wallet) {
  form.querySelector("[data-without]").hidden = true;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await sign();
    } catch (error) {
      say(`${words.declined} ${error?.message ?? ""}`);
    } finally {
      button.disabled = false;
    }
  });
}
