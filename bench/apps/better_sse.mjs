// better-sse on Node: the same four paths, sources and events as apps/shared.py.
import { once } from "node:events";
import { createServer } from "node:http";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import { createSession } from "better-sse";

async function* burst({ n }) {
  for (let i = 0; i < n; i++) yield i;
}

async function* paced({ n, interval }) {
  for (let i = 0; i < n; i++) {
    await sleep(interval * 1000);
    yield i;
  }
}

async function* idle() {
  yield 0;
  await new Promise(() => {});
}

class Feed {
  constructor({ n, readers, clump, interval }) {
    Object.assign(this, { n, awaited: readers, clump, interval, published: 0 });
    this.renew();
  }

  renew() {
    this.news = new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  async *follow() {
    if (--this.awaited === 0) this.publish();
    let i = 0;
    while (i < this.n) {
      if (i === this.published) await this.news;
      while (i < this.published) yield i++;
    }
  }

  async publish() {
    while (this.published < this.n) {
      await sleep(this.interval * 1000);
      this.published = Math.min(this.n, this.published + this.clump);
      const { wake } = this;
      this.renew();
      wake();
    }
  }
}

const feeds = new Map();

function fanOut(query) {
  if (!feeds.has(query.key)) {
    feeds.clear();
    feeds.set(query.key, new Feed(query));
  }
  return feeds.get(query.key).follow();
}

const sources = { "/burst": burst, "/paced": paced, "/idle": idle, "/fanout": fanOut };

function queryOf(url) {
  const query = { n: 1, interval: 0, readers: 1, clump: 1, key: "" };
  for (const [name, value] of url.searchParams) {
    query[name] = name === "key" ? value : Number(value);
  }
  return query;
}

async function answer(request, response) {
  const url = new URL(request.url, "http://localhost");
  const session = await createSession(request, response, { retry: null });
  let sent = 0;
  for await (const i of sources[url.pathname](queryOf(url))) {
    // An id of ours: without one it makes a random UUID for each event.
    session.push({ i }, "tick", String(i));
    // It has no backpressure and never lets the loop run: both are the application's to do.
    if (response.writableNeedDrain) await once(response, "drain");
    else if (++sent % 64 === 0) await turn();
  }
  response.end();
}

const server = createServer(answer);
server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
