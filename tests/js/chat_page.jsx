// A page with useChat. What was asked is kept for a reload, as an application's own store would.
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

const id = (sessionStorage.id ??= crypto.randomUUID?.() ?? String(Math.random()));
const asked = () => JSON.parse(sessionStorage.asked ?? '[]');
const transport = new DefaultChatTransport({ api: '/api/chat' });

function Page() {
  const [text, setText] = useState('');
  const { messages, sendMessage, status, stop } = useChat({ id, transport, messages: asked(), resume: true });
  const send = (event) => {
    event.preventDefault();
    const message = { id: crypto.randomUUID?.() ?? 'u1', role: 'user', parts: [{ type: 'text', text }] };
    sessionStorage.asked = JSON.stringify([...asked(), message]);
    sendMessage(message);
    setText('');
  };
  const halt = async () => {
    await fetch(`/api/chat/${id}/stop`, { method: 'POST' });
    stop();
  };
  return (
    <form onSubmit={send}>
      {messages.map((message) => (
        <p key={message.id} className={message.role}>
          {message.parts.map((part) => (part.type === 'text' ? part.text : ''))}
        </p>
      ))}
      <input value={text} onChange={(event) => setText(event.target.value)} />
      <button type="button" id="stop" onClick={halt}>
        stop
      </button>
      <output id="status">{status}</output>
    </form>
  );
}

createRoot(document.getElementById('root')).render(<Page />);
