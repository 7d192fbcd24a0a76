// The page: asks, shows the answer as it arrives, and what the server says about it.

const $ = (id) => document.getElementById(id);
const SUGGESTIONS = [
  ["What is this?", "What is this?"],
  ["Code", "Show me some code"],
  ["Long story", "Tell me the long story of your name"],
  ["Tools", "Use your tools, and name your sources"],
  ["Go quiet", "Think quietly for a while first"],
  ["Flood", "Flood me with everything at once"],
  ["Fail midway", "Fail midway, please"],
  ["Refuse", "Refuse before your first token"],
];
const WIRE_LIMIT = 12000;

const pipe = new Pipe($("pipe"));
let current = null; // the stream under way
let lastPrompt = "hello";

// --- one answer

class Stream {
  constructor(prompt, format) {
    this.format = format;
    this.url = chatUrl(prompt, format);
    this.abort = new AbortController();
    this.began = performance.now();
    this.first = null;
    this.events = this.bytes = this.alives = 0;
    this.text = this.wire = "";
    this.finished = this.stopped = false;
    this.problem = null;
    this.wireDecoder = new TextDecoder();
    this.body = element("div", { className: "body" });
    this.foot = element("footer");
    this.beside = element("div", { className: "beside" }); // what is no text: reasoning, tools
    this.sources = element("ul", { className: "sources" });
    this.tools = new Map();
    this.thought = null;
    this.element = element("article", { className: "answer" }, this.beside, this.body, this.sources, this.foot);
    this.element.setAttribute("aria-busy", "true");
  }

  async run() {
    try {
      await readStream(this.url, { signal: this.abort.signal, cache: "no-store" }, {
        onHead: (response) => this.head(response),
        onItems: (items, bytes, chunk) => this.take(items, bytes, chunk),
      });
      if (!this.finished && !this.problem) this.unfinished();
    } catch (error) {
      if (this.abort.signal.aborted) this.stopped = true;
      else this.broken(error);
    }
  }

  head(response) {
    this.status = response.status;
    this.refused = !response.ok;
    if (!this.refused) setState("flowing");
  }

  take(items, bytes, chunk) {
    if (bytes && this.first === null) this.first = performance.now() - this.began;
    this.bytes += bytes;
    if (chunk && this.wire.length < WIRE_LIMIT) this.wire += this.wireDecoder.decode(chunk, { stream: true });
    let events = 0;
    for (const item of items) {
      if (item.kind === "comment") this.comment(item);
      else {
        if (!this.refused) events += 1;
        this.item(item);
      }
    }
    this.events += events;
    const failed = this.problem ? 1 : 0;
    if (events) {
      setState("flowing");
      if (events > failed) pipe.drop("event", events - failed);
      if (failed) pipe.drop("error");
    }
    scheduleDraw();
  }

  comment(item) {
    if (item.text === "open" || item.text === "shutdown") return;
    this.alives += 1;
    pipe.drop("comment");
    setState("silent");
  }

  item(item) {
    if (this.refused) this.text += item.data; // a JSON body, whole when the stream ends
    else if (item.kind === "text") this.text += item.data;
    else if (item.kind === "event") this.chunk(item.event, JSON.parse(item.data || "null"));
    else {
      const value = JSON.parse(item.data);
      if (value.error) this.chunk("error", value.error);
      else this.chunk(value.type, value);
    }
  }

  chunk(type, value) {
    if (type === "text") this.text += value.content;
    else if (type === "reasoning") this.think(value.content);
    else if (type.startsWith("tool_")) this.tool(type, value);
    else if (type === "source") this.source(value);
    else if (type === "done") this.finished = true;
    else if (type === "error") this.fail(value.errors[0], "The stream broke off");
  }

  think(content) {
    this.thought ??= this.beside.appendChild(element("p", { className: "thought" }));
    this.thought.append(content);
  }

  tool(type, { id, name, arguments: piece, result, error }) {
    let tool = this.tools.get(id);
    if (!tool) {
      tool = { given: element("span"), got: element("span", { className: "got" }) };
      this.tools.set(id, tool);
      const title = element("strong", { textContent: name });
      this.beside.append(element("p", { className: "tool" }, title, " ", tool.given, tool.got));
    }
    if (type === "tool_call_delta") tool.given.append(piece);
    else if (type === "tool_call") tool.given.textContent = piece;
    else if (type === "tool_result") tool.got.textContent = ` → ${error ?? JSON.stringify(result ?? null)}`;
  }

  source({ url, title, document }) {
    const safe = /^https?:/.test(url ?? "");
    const shown = title ?? url ?? document ?? "";
    const link = safe ? element("a", { href: url, textContent: shown, rel: "noreferrer", target: "_blank" }) : shown;
    this.sources.append(element("li", {}, link));
  }

  fail({ status, title, detail }, where) {
    this.problem = { title: `${where}: ${status} ${title}`, detail: detail || "" };
  }

  unfinished() {
    if (this.refused) {
      this.fail(JSON.parse(this.text).errors[0], "Refused before the first byte");
      this.text = "";
    } else if (this.format === "text") {
      this.finished = true; // the end of the body is all the end that text has
    } else {
      this.problem = { title: "The stream ended early", detail: "There was no last word: the server went away." };
    }
  }

  broken(error) {
    const detail = this.first === null ? `Is the server still running? (${error.message})`
      : "Plain text has no way to say why, so the response is cut: that shows.";
    this.problem = { title: this.first === null ? "No answer" : "The response was cut", detail };
  }

  draw() {
    if (!this.refused) showMarkdown(this.body, this.text);
  }

  end() {
    this.took = performance.now() - this.began;
    this.draw();
    this.element.setAttribute("aria-busy", "false");
    if (this.problem) {
      this.body.after(element("div", { className: "problem" },
        element("strong", { textContent: this.problem.title }), this.problem.detail));
    }
    this.foot.textContent = this.summary();
    if (this.wire) {
      this.element.append(element("details", { className: "wire" },
        element("summary", { textContent: "As it came over the wire" }),
        element("pre", { tabIndex: 0, textContent: this.wire + (this.wire.length < WIRE_LIMIT ? "" : "…") })));
    }
  }

  summary() {
    const how = this.stopped ? "stopped" : this.refused ? "refused" : this.problem ? "failed" : "finished";
    const facts = [`${label(this.format)}, ${how} after ${seconds(this.took)}`];
    if (this.first !== null) facts.push(`first byte ${seconds(this.first)}`);
    facts.push(`${this.events.toLocaleString("en")} ${counted(this.format)}`);
    facts.push(`${this.bytes.toLocaleString("en")} bytes`);
    if (this.alives) facts.push(`${this.alives} keep-alives`);
    return facts.join(" · ");
  }
}

async function ask(prompt) {
  if (current) current.abort.abort();
  $("welcome")?.remove();
  lastPrompt = prompt;
  showCurl();
  const stream = current = new Stream(prompt, chosenFormat());
  $("talk").append(element("div", { className: "asked", textContent: prompt }), stream.element);
  scrollDown(true);
  pipe.open();
  setState("waiting");
  showButton();
  drawGauges();
  await stream.run();
  stream.end();
  if (current !== stream) return;
  current = null;
  pipe.shut(stream.problem !== null);
  setState(stream.stopped ? "stopped" : stream.problem ? "failed" : "rest");
  drawGauges(stream);
  showButton();
  scrollDown();
}

// --- drawing, at most once a frame

let drawing = false;

function scheduleDraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!current) return;
    current.draw();
    drawGauges();
    scrollDown();
  });
}

function drawGauges(stream = current) {
  $("first").textContent = stream.first === null ? "–" : seconds(stream.first);
  $("events-name").textContent = counted(stream.format);
  $("events").textContent = stream.events.toLocaleString("en");
  $("bytes").textContent = stream.bytes.toLocaleString("en");
  $("alives").textContent = stream.format === "text" ? "none" : stream.alives;
  $("alives").classList.toggle("some", stream.alives > 0);
}

// Follows the answer, unless the reader has scrolled up to read.
let following = true;
$("talk").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = $("talk");
  following = scrollHeight - scrollTop - clientHeight < 60;
}, { passive: true });

function scrollDown(always = false) {
  if (always) following = true;
  if (following) $("talk").scrollTop = $("talk").scrollHeight;
}

const STATES = {
  rest: "at rest", waiting: "waiting for the first byte", flowing: "flowing",
  silent: "silent, kept alive", stopped: "gate closed by you", failed: "broke off",
};

function setState(name) {
  if ($("course").dataset.state === name) return;
  $("course").dataset.state = name;
  $("state").textContent = STATES[name];
}

function showButton() {
  $("send").textContent = current ? "Stop" : "Send";
  $("send").classList.toggle("stop", current !== null);
}

// --- words and numbers

const seconds = (milliseconds) => milliseconds < 1000
  ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
// Text has no events: what is counted there is how often something came.
const counted = (format) => (format === "text" ? "reads" : "events");
const label = (format) => ({ sse: "SSE", ndjson: "NDJSON", text: "Plain text" })[format];
const chosenFormat = () => document.querySelector("[name=format]:checked").value;

// The same endpoint, by this server or behind the local Lambda's Function URL.
let lambdaPort = null;
const isOnLambda = () => document.querySelector("[name=host]:checked").value === "lambda";
const origin = () => (isOnLambda() ? `${location.protocol}//${location.hostname}:${lambdaPort}` : location.origin);

async function findHosts() {
  const response = await fetch("/hosts");
  if (!response.ok) return; // served by something else than the demo command
  lambdaPort = (await response.json()).lambda;
  for (const label of document.querySelectorAll(".host")) label.hidden = false;
  document.querySelector(".formats").classList.add("with-hosts");
}

function chatUrl(prompt, format) {
  return `${origin()}/chat?prompt=${encodeURIComponent(prompt)}&format=${format}`;
}

function showCurl() {
  const prompt = $("prompt").value.trim() || lastPrompt;
  $("curl").textContent = `curl -N ${shellQuoted(chatUrl(prompt, chosenFormat()))}`;
}

async function copyFrom(button, text) {
  await copyText(text);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// --- the server's log: EventSource resumes it by itself

function followLog() {
  const source = new EventSource("/log");
  source.addEventListener("log", (event) => showLine(JSON.parse(event.data)));
  source.onerror = () => { $("ticker-text").textContent = "server’s log: reconnecting…"; };
}

function showLine(line) {
  const list = $("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const time = new Date(line.at * 1000).toLocaleTimeString("en-GB");
  list.append(element("li", { className: line.kind },
    element("time", { textContent: time }), " ", element("b", { textContent: `#${line.run}` }), ` ${line.text}`));
  while (list.children.length > 300) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
  $("ticker-text").textContent = `#${line.run} ${line.text}`;
}

// --- what the reader does

function submit() {
  const prompt = $("prompt").value.trim();
  if (current) return current.abort.abort();
  if (!prompt) return $("prompt").focus();
  $("prompt").value = "";
  grow();
  if (matchMedia("(pointer: coarse)").matches) $("prompt").blur(); // the keyboard covers the answer
  ask(prompt);
}

function grow() {
  $("prompt").style.height = "auto";
  $("prompt").style.height = `${$("prompt").scrollHeight + 2}px`;
}

$("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
$("composer").addEventListener("change", showCurl);
$("prompt").addEventListener("input", () => { grow(); showCurl(); });
$("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!current) submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current) current.abort.abort();
});
$("copy").addEventListener("click", () => copyFrom($("copy"), $("curl").textContent));
$("ticker").addEventListener("click", () => {
  const open = $("drawer").classList.toggle("open");
  $("ticker").setAttribute("aria-expanded", open);
  $("log").scrollTop = $("log").scrollHeight;
  scrollDown();
});
for (const [name, prompt] of SUGGESTIONS) {
  const chip = element("button", { type: "button", textContent: name });
  chip.addEventListener("click", () => ask(prompt));
  $("chips").append(chip);
}
showCurl();
followLog();
findHosts();
// Ready to type into, but not where that would raise a keyboard over half the page.
if (matchMedia("(pointer: fine)").matches) $("prompt").focus();
