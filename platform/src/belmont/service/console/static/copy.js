// Puts a button beside everything that can be copied: elements with data-copy. Without it, one click selects it whole.
const words = document.documentElement.lang.startsWith("zh")
  ? { copy: "复制", copied: "已复制" }
  : { copy: "Copy", copied: "Copied" };

export function addCopyButtons(within) {
  if (!navigator.clipboard) return;
  for (const element of within.querySelectorAll("[data-copy]:not([data-copy='ready'])")) {
    element.dataset.copy = "ready";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = words.copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(element.textContent.trim());
      button.textContent = words.copied;
      setTimeout(() => { button.textContent = words.copy; }, 2000);
    });
    element.after(button);
  }
}

addCopyButtons(document);
