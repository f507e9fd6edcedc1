// Renews a part of the page when the chain has an event of its study: the server renders it, as it did the whole page.
import { addCopyButtons } from "/static/copy.js";

const part = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");
const status = document.querySelector("[data-live-status]");
const words = document.querySelector("template[data-words]").dataset;
const GATHER_MILLISECONDS = 300;
const PAUSE_MILLISECONDS = { least: 1_000, most: 30_000 };
let waiting = 0;
let pause = PAUSE_MILLISECONDS.least;

function longer() {
  const now = pause;
  pause = Math.min(2 * pause, PAUSE_MILLISECONDS.most);
  return now;
}

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
    pause = PAUSE_MILLISECONDS.least;
  } catch {
    status.textContent = words.away;
    waiting ||= setTimeout(renew, longer());
  }
}

function soon() {
  waiting ||= setTimeout(renew, GATHER_MILLISECONDS);
}

function listen() {
  const events = new EventSource(`/api/v1/events/stream?study=${part.dataset.study}`);
  events.addEventListener("message", soon);
  events.addEventListener("reset", soon);
  events.addEventListener("open", () => {
    note.textContent = words.following;
    soon();  // what happened since this page was made, and before the stream began
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.OPEN) return;
    status.textContent = words.away;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, longer());  // refused: the browser does not try again
  });
}

if (window.EventSource) listen();
