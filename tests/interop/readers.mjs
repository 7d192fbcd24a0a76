// Readers on Node: `node readers.mjs READER URL` prints each event as a line of JSON, up to "done".
import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { EventSource as UndiciEventSource, fetch as undiciFetch } from 'undici'

const [reader, url] = process.argv.slice(2)
// At once, and not by console.log: what it has not written yet is lost at the exit.
const say = (event, id, data) =>
  writeSync(1, JSON.stringify([event || 'message', id ?? '', data]) + '\n')

// An EventSource gives only the types that are listened for.
const NAMES = ['tick', 'a.b:c-d', 'done']

function listen(Source) {
  return new Promise((resolve) => {
    const source = new Source(url)
    source.onmessage = (event) => say(event.type, event.lastEventId, event.data)
    for (const name of NAMES) {
      source.addEventListener(name, (event) => {
        if (name !== 'done') return say(event.type, event.lastEventId, event.data)
        source.close()
        resolve()
      })
    }
  })
}

async function parse(fetched) {
  const parser = createParser({
    onEvent: (event) => event.event !== 'done' && say(event.event, event.id, event.data),
  })
  const decoder = new TextDecoder()
  for await (const chunk of (await fetched).body) parser.feed(decoder.decode(chunk, { stream: true }))
}

async function parseStream() {
  const events = (await fetch(url)).body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
  for await (const event of events) {
    if (event.event !== 'done') say(event.event, event.id, event.data)
  }
}

async function fetchEventSource() {
  const { fetchEventSource } = createRequire(import.meta.url)('@microsoft/fetch-event-source')
  // What it wants of a browser: a page that is never hidden.
  globalThis.window = globalThis
  globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} }
  const over = new AbortController()
  await fetchEventSource(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"prompt":"hi"}',
    signal: over.signal,
    openWhenHidden: true,
    onmessage(event) {
      if (event.event === 'done') over.abort()
      else if (event.event || event.data) say(event.event, event.id, event.data)
    },
    onclose() {
      if (!over.signal.aborted) throw new Error('ask again') // as its README has it
    },
    onerror: () => 20,
  })
}

const readers = {
  eventsource: () => listen(EventSource),
  'undici EventSource': () => listen(UndiciEventSource),
  'eventsource-parser': () => parse(fetch(url)),
  'eventsource-parser stream': parseStream,
  'undici fetch': () => parse(undiciFetch(url)),
  'fetch-event-source': fetchEventSource,
}
// undici waits for its next attempt without holding the process up.
setInterval(() => {}, 1000)
await readers[reader]()
process.exit(0)
