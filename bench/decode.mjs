// eventsource-parser on Node: reads {chunk, rounds} and a stream on stdin, prints [events, ms].
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

import { createParser } from "eventsource-parser";

const [chunk, rounds] = process.argv.slice(2).map(Number);
const wire = readFileSync(0);

function decode() {
  let events = 0;
  const parser = createParser({ onEvent: () => events++ });
  const text = new TextDecoder();
  for (let at = 0; at < wire.length; at += chunk) {
    parser.feed(text.decode(wire.subarray(at, at + chunk), { stream: true }));
  }
  return events;
}

const taken = [];
let events = 0;
for (let round = 0; round < rounds; round++) {
  const began = performance.now();
  events = decode();
  taken.push(performance.now() - began);
}
taken.sort((a, b) => a - b);
console.log(JSON.stringify([events, taken[taken.length >> 1]]));
