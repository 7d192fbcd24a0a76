// Reads a streamed response as it arrives: SSE, NDJSON, or text.
// What a reader gives: {kind: "event" | "line" | "text" | "comment", ...}.

// The grammar is WHATWG HTML's, section 9.2.6. Comments are reported too, which EventSource hides.
class SseReader {
  constructor() {
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.rest = "";
    this.first = true;
    this.afterCr = false;
    this.lastId = "";
    this.clear();
  }

  clear() {
    this.data = [];
    this.event = "";
    this.retry = undefined;
  }

  feed(bytes) {
    let text = this.decoder.decode(bytes, { stream: true });
    if (this.first && text) {
      this.first = false;
      if (text[0] === "\uFEFF") text = text.slice(1);
    }
    if (this.afterCr && text) {
      this.afterCr = false;
      if (text[0] === "\n") text = text.slice(1);
    }
    const items = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop();
    // A CR at the very end is a line end already; a LF may follow it in the next bytes.
    this.afterCr = this.afterCr || text.endsWith("\r");
    for (const line of lines) this.line(line, items);
    return items;
  }

  line(line, items) {
    if (line === "") return this.dispatch(items);
    const colon = line.indexOf(":");
    if (colon === 0) return items.push({ kind: "comment", text: line.slice(1).trim() });
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value[0] === " ") value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  dispatch(items) {
    if (this.data.length) {
      const data = this.data.join("\n");
      items.push({ kind: "event", event: this.event || "message", data, id: this.lastId });
    }
    this.clear();
  }

  // An event without its blank line is not dispatched: the standard says so.
  end() {
    return [];
  }
}

class NdjsonReader {
  constructor() {
    this.decoder = new TextDecoder();
    this.rest = "";
  }

  feed(bytes) {
    return this.take(this.decoder.decode(bytes, { stream: true }));
  }

  take(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    return lines.map((line) =>
      line.trim() ? { kind: "line", data: line } : { kind: "comment", text: "" });
  }

  end() {
    return this.rest.trim() ? this.take("\n") : [];
  }
}

class TextReader {
  constructor() {
    this.decoder = new TextDecoder();
  }

  feed(bytes) {
    const text = this.decoder.decode(bytes, { stream: true });
    return text ? [{ kind: "text", data: text }] : [];
  }

  end() {
    const text = this.decoder.decode();
    return text ? [{ kind: "text", data: text }] : [];
  }
}

function readerFor(contentType) {
  if (/^text\/event-stream/i.test(contentType)) return new SseReader();
  if (/ndjson|jsonl/i.test(contentType)) return new NdjsonReader();
  return new TextReader();
}

// Calls onHead(response) once, then onItems(items, size, bytes) per piece that arrives.
async function readStream(url, init, { onHead, onItems }) {
  const response = await fetch(url, init);
  onHead(response);
  const reader = readerFor(response.headers.get("content-type") || "");
  const body = response.body.getReader();
  for (;;) {
    const { done, value } = await body.read();
    if (done) break;
    onItems(reader.feed(value), value.length, value);
  }
  onItems(reader.end(), 0);
}

function shellQuoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain http from another machine there is no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
