// The local Lambda's page: the log by EventSource, an invocation by fetch, read as it comes.
"use strict";

const byId = (id) => document.getElementById(id);
const MOST_LINES = 1000;

function show(line) {
  const item = document.createElement("li");
  const at = document.createElement("time");
  const text = document.createElement("span");
  at.textContent = new Date(line.at * 1000).toLocaleTimeString();
  text.textContent = line.text;
  item.className = line.kind;
  item.append(at, text);
  const scroll = byId("scroll");
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  byId("lines").append(item);
  if (byId("lines").childElementCount > MOST_LINES) byId("lines").firstElementChild.remove();
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

async function invoke(event) {
  byId("answer").textContent = "";
  byId("state").textContent = "running";
  const began = performance.now();
  const response = await fetch("invoke", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: event,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let first = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    first ??= performance.now() - began;
    byId("answer").append(value.replaceAll("\0", "␀"));
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(2);
  const firstByte = first === null ? "" : `, first byte ${(first / 1000).toFixed(2)} s`;
  return `${response.ok ? "done" : `failed (${response.status})`} after ${seconds} s${firstByte}`;
}

byId("form").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  byId("go").disabled = true;
  try {
    byId("state").textContent = await invoke(byId("event").value);
  } catch (error) {
    byId("state").textContent = `cut: ${error.message}; the log has the reason`;
  } finally {
    byId("go").disabled = false;
  }
});

fetch("about").then((response) => response.json()).then((about) => {
  document.title = `penstock: ${about.name}`;
  byId("url").textContent = byId("url").href = about.url;
  byId("sdk").textContent = about.sdk;
});

new EventSource("log").addEventListener("line", (event) => show(JSON.parse(event.data)));
