// Takes the `Chat` of @ai-sdk/react through a chat with a server: its address on standard input,
// what was seen on standard output.
import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from 'ai';

let given = '';
for await (const piece of process.stdin.setEncoding('utf8')) given += piece;
const { url } = JSON.parse(given);
const api = `${url}/api/chat`;

function open(id, options = {}) {
  const { fetch, ...more } = options;
  const seen = { errors: [], finished: [], data: [], calls: [] };
  const chat = new Chat({
    id,
    transport: new DefaultChatTransport({ api, ...(fetch && { fetch }) }),
    onError: (error) => seen.errors.push(error.message),
    onData: (part) => seen.data.push(part.type),
    onFinish: ({ isAbort, isError, finishReason }) => seen.finished.push({ isAbort, isError, finishReason }),
    ...more,
  });
  const told = () => ({ ...seen, status: chat.status, messages: chat.messages });
  return { chat, seen, told };
}

const textOf = (message) =>
  message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('');

async function until(condition) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const logged = async (line) => (await (await fetch(`${url}/log`)).json()).log.includes(line);

// Resumes an answer that is half said; the rest follows when the first half is there again.
async function resume(chat) {
  const resumed = chat.resumeStream();
  await until(() => textOf(chat.messages.at(-1)).includes('word19'));
  await fetch(`${url}/go?id=${chat.id}`);
  await resumed;
}

// Cuts the connection behind the first bytes that hold a word.
function cutting(word) {
  return async (input, init) => {
    const response = await fetch(input, init);
    const decoder = new TextDecoder();
    const cut = new TransformStream({
      transform(bytes, controller) {
        controller.enqueue(bytes);
        if (decoder.decode(bytes, { stream: true }).includes(word)) controller.error(new TypeError('cut'));
      },
    });
    return new Response(response.body.pipeThrough(cut), response);
  };
}

const scenes = {
  async send() {
    const { chat, told } = open('send');
    await chat.sendMessage({ text: 'hello' });
    return told();
  },
  async twice() {
    const { chat, told } = open('twice');
    await chat.sendMessage({ text: 'hello' });
    await chat.sendMessage({ text: 'tools' });
    await chat.regenerate();
    return told();
  },
  async tools() {
    const { chat, told } = open('tools');
    await chat.sendMessage({ text: 'tools' });
    return told();
  },
  async ask() {
    const { chat, seen, told } = open('ask', {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall({ toolCall }) {
        seen.calls.push(toolCall.toolName);
        chat.addToolOutput({ tool: 'locate', toolCallId: toolCall.toolCallId, output: 'Oslo' });
      },
    });
    await chat.sendMessage({ text: 'ask' });
    await until(() => chat.status === 'ready' && textOf(chat.messages.at(-1)));
    return told();
  },
  async fail() {
    const { chat, told } = open('fail');
    await chat.sendMessage({ text: 'fail' });
    return told();
  },
  async refuse() {
    const { chat, told } = open('refuse');
    await chat.sendMessage({ text: 'refuse' });
    return told();
  },
  async forbidden() {
    const { chat, told } = open('private 1');
    await chat.sendMessage({ text: 'hello' });
    return told();
  },
  async stop() {
    const { chat, told } = open('stop / é');
    const sent = chat.sendMessage({ text: 'endless' });
    await until(() => chat.messages.at(-1)?.role === 'assistant');
    const { chat: other, told: toldOther } = open('stop / é', { messages: chat.messages.slice(0, 1) });
    const resumed = other.resumeStream();
    await until(() => other.messages.at(-1)?.role === 'assistant');
    await chat.stop(); // closes the connection, and no more
    const stopped = await fetch(`${api}/${encodeURIComponent('stop / é')}/stop`, { method: 'POST' });
    await Promise.all([sent, resumed]);
    await until(() => logged('endless cancelled'));
    return { ...told(), stopped: await stopped.json(), other: toldOther() };
  },
  async cut() {
    const { chat, told } = open('cut', { fetch: cutting('word3') });
    await chat.sendMessage({ text: 'held' });
    const first = told();
    const { chat: again, told: toldAgain } = open('cut', { messages: chat.messages.slice(0, 1) });
    await resume(again);
    return { ...toldAgain(), first };
  },
  async 'cut, and resumed in the same page'() {
    let cuts = 1;
    const { chat, told } = open('same', {
      fetch: (input, init) => (cuts-- > 0 ? cutting('word3')(input, init) : fetch(input, init)),
    });
    await chat.sendMessage({ text: 'held' });
    await resume(chat);
    return told();
  },
  async 'nothing to resume'() {
    const { chat, told } = open('never asked');
    await chat.resumeStream();
    return told();
  },
};

const results = {};
await Promise.all(
  Object.entries(scenes).map(async ([name, scene]) => {
    results[name] = await scene().catch((error) => ({ failed: String(error?.stack ?? error) }));
  }),
);
process.stdout.write(JSON.stringify(results), () => process.exit(0));
