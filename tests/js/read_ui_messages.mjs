// Reads UI message streams with the AI SDK's own clients: JSON on standard input, JSON out.
//
//   in   {"versions": ["ai5", …], "bodies": {name: base64}, "split": bytes a piece}
//   out  {version: {name: {errors, types, message}}}
import { createRequire } from 'node:module';

const { versions, bodies, split } = JSON.parse(await text(process.stdin));

async function text(stream) {
  let all = '';
  for await (const piece of stream.setEncoding('utf8')) all += piece;
  return all;
}

async function read({ DefaultChatTransport, readUIMessageStream }, bytes) {
  const fetch = async () =>
    new Response(
      new ReadableStream({
        start(controller) {
          for (let at = 0; at < bytes.length; at += split) controller.enqueue(bytes.slice(at, at + split));
          controller.close();
        },
      }),
      { headers: { 'content-type': 'text/event-stream' } },
    );
  const [errors, types] = [[], []];
  const note = (error) => errors.push(String(error?.message ?? error).split('\n')[0]);
  let message = null;
  try {
    const user = { id: 'u', role: 'user', parts: [{ type: 'text', text: 'hi' }] };
    const options = { chatId: 'c', messages: [user], trigger: 'submit-message' };
    const stream = await new DefaultChatTransport({ api: 'http://x/', fetch }).sendMessages(options);
    const tap = new TransformStream({
      transform(chunk, controller) {
        types.push(chunk.type);
        controller.enqueue(chunk);
      },
    });
    const messages = readUIMessageStream({ stream: stream.pipeThrough(tap), onError: note });
    for await (const each of messages) message = each;
  } catch (error) {
    note(error);
  }
  return { errors, types, message };
}

const read_all = {};
for (const version of versions) {
  const sdk = await import(version);
  read_all[version] = { version: createRequire(import.meta.url)(`${version}/package.json`).version };
  for (const [name, body] of Object.entries(bodies)) {
    read_all[version][name] = await read(sdk, new Uint8Array(Buffer.from(body, 'base64')));
  }
}
process.stdout.write(JSON.stringify(read_all));
