// Renews a part of the page when the chain has an event of its study: the server renders it, as it did the whole page.
import { addCopyButtons } from "/static/copy.js";

const part = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");
const status = document.querySelector("[data-live-status]");
const words = document.querySelector("template[data-words]").dataset;
const GATHER_MILLISECONDS = 300;
let waiting = 0;

function opened() {
  return new Set([...part.querySelectorAll("details[open] > summary")].map((each) => each.textContent.split("·")[0]));
}

async function renew() {
  waiting = 0;
  try {
    const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    const open = opened();
    part.innerHTML = await answer.text();
    for (const summary of part.querySelectorAll("details > summary")) {
      if (open.has(summary.textContent.split("·")[0])) summary.parentElement.open = true;
    }
    addCopyButtons(part);
    status.textContent = words.renewed;
  } catch {
    status.textContent = words.away;
  }
}

if (window.EventSource) {
  const events = new EventSource(`/api/v1/events/stream?study=${part.dataset.study}`);
  const soon = () => { waiting ||= setTimeout(renew, GATHER_MILLISECONDS); };
  events.addEventListener("message", soon);
  events.addEventListener("reset", soon);
  events.addEventListener("open", () => { note.textContent = words.live; });
  events.addEventListener("error", () => { if (events.readyState !== EventSource.OPEN) status.textContent = words.away; });
}
