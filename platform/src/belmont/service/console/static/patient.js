// Signing a statement of one's own with a browser wallet (EIP-1193, eth_signTypedData_v4): the form takes it from there.

const form = document.querySelector("[data-sign]");
const button = form?.querySelector("[data-wallet]");
const words = form?.querySelector("[data-words]")?.dataset ?? {};

function tell(text) {
  form.querySelector("[data-status]").textContent = text;
}

async function sign() {
  const wallet = window.ethereum;
  if (!wallet) return tell(words.noWallet);
  button.disabled = true;
  try {
    tell(words.waiting);
    await wallet.request({ method: "eth_requestAccounts" });
    const params = [form.dataset.account, form.dataset.typed];
    form.elements.signature.value = await wallet.request({ method: "eth_signTypedData_v4", params });
    form.submit();
  } catch (error) {
    tell(`${words.refused} ${error.message ?? ""}`);
  } finally {
    button.disabled = false;
  }
}

if (button) {
  button.hidden = false;
  button.addEventListener("click", sign);
}
