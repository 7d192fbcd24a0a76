// Connects to a path of this server and lists what arrives, with times.

const $ = (id) => document.getElementById(id);
const ROWS = 2000;
let watching = null;

class Watch {
  constructor() {
    this.abort = new AbortController();
    this.began = this.last = performance.now();
    this.first = null;
    this.events = this.bytes = this.comments = 0;
    $("rows").replaceChildren();
    $("type").textContent = $("first").textContent = "–";
    this.show("waiting for the head");
  }

  async run(path, init) {
    try {
      await readStream(path, { ...init, signal: this.abort.signal, cache: "no-store" }, {
        onHead: (response) => this.head(response),
        onItems: (items, size) => this.take(items, size),
      });
      this.show(`${this.status}, ended by the server`);
    } catch (error) {
      this.show(this.abort.signal.aborted ? "disconnected by you" : `broke off: ${error.message}`);
    }
  }

  head(response) {
    this.status = `${response.status} ${response.statusText}`.trim();
    $("type").textContent = response.headers.get("content-type") || "none";
    this.show(`${this.status}, open`);
  }

  take(items, size) {
    if (size && this.first === null) {
      this.first = performance.now() - this.began;
      $("first").textContent = `${this.first.toFixed(0)} ms`;
    }
    this.bytes += size;
    for (const item of items) {
      if (item.kind === "comment") this.comments += 1;
      else this.events += 1;
      this.row(item);
    }
    this.show();
  }

  row({ kind, event, data, text }) {
    const now = performance.now();
    const name = { comment: "comment", event, line: "line", text: "text" }[kind];
    const row = document.createElement("tr");
    row.className = name === "error" ? "error" : kind;
    for (const cell of [since(this.began, now), `+${since(this.last, now)}`, name, data ?? text]) {
      row.insertCell().textContent = cell;
    }
    this.last = now;
    const scroll = $("scroll");
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    $("rows").append(row);
    if ($("rows").rows.length > ROWS) $("rows").deleteRow(0);
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  show(state) {
    if (state) $("state").textContent = state;
    $("events").textContent = this.events.toLocaleString("en");
    $("bytes").textContent = this.bytes.toLocaleString("en");
    $("comments").textContent = this.comments.toLocaleString("en");
  }
}

const since = (from, to) => `${((to - from) / 1000).toFixed(3)} s`;

async function connect() {
  const method = $("method").value;
  const init = { method };
  if (method === "POST") {
    init.body = $("body").value;
    init.headers = { "content-type": "application/json" };
  }
  const watch = watching = new Watch();
  showButton();
  await watch.run($("path").value || "/", init);
  if (watching === watch) watching = null;
  showButton();
}

function showButton() {
  $("go").textContent = watching ? "Disconnect" : "Connect";
  $("go").classList.toggle("stop", watching !== null);
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (watching) watching.abort.abort();
  else connect();
});
$("method").addEventListener("change", () => { $("body").hidden = $("method").value !== "POST"; });
const asked = new URLSearchParams(location.search).get("path");
if (asked) $("path").value = asked;
