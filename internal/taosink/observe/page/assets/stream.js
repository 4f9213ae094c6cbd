// The process's looks, one a second, for as long as it answers; and how the page stands with it.

const SILENT = 6000;
const AGAIN = 2000;
const from = (path) => location.origin + path; // never with a login that the address may hold

/** Calls `onLook(document)`, `onHistory(columns)`, and `onContact({state, since, why})` where state is `live`,
 * `connecting` or `lost`. It tries again for ever. */
export function watch({ onLook, onHistory, onContact }) {
  let source = null;
  let heard = Date.now();
  let state = "connecting";
  let why = "";
  let again = 0;

  const tell = (next) => {
    state = next;
    onContact({ state, since: heard, why });
  };

  async function fill() {
    try {
      const answer = await fetch(from("/history.json"), { cache: "no-store" });
      if (answer.ok) onHistory(await answer.json());
    } catch {
      // the stream has its own word on that
    }
  }

  function open() {
    clearTimeout(again);
    source?.close();
    source = new EventSource(from("/events"));
    const mine = source;
    let first = true;
    mine.onmessage = (event) => {
      if (mine !== source) return;
      heard = Date.now();
      why = "";
      if (first) fill();
      first = false;
      onLook(JSON.parse(event.data));
      if (state !== "live") tell("live");
    };
    mine.onerror = () => {
      if (mine !== source) return;
      first = true;
      tell("lost");
      if (mine.readyState === EventSource.CLOSED) refused();
    };
  }

  // The listener answers, but with no stream: an EventSource gives up then.
  async function refused() {
    again = setTimeout(open, AGAIN);
    try {
      const answer = await fetch(from("/status.json"), { cache: "no-store" });
      why = answer.status === 401 || answer.status === 403 ? "login" : answer.ok ? "full" : `HTTP ${answer.status}`;
      tell("lost");
    } catch {
      why = "";
    }
  }

  setInterval(() => {
    if (Date.now() - heard > SILENT && state === "live") {
      tell("lost");
      open(); // a connection that died without a word never says so
    } else if (state === "lost") tell("lost");
  }, 1000);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  tell("connecting");
  open();
}
