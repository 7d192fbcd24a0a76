// The room: EventSource brings lines and who is here, and comes back by itself with its last id.

const $ = (id) => document.getElementById(id);

const names = ["otter", "heron", "trout", "beaver", "dipper", "newt", "kingfisher", "mink"];
const made = () => `${names[Math.floor(Math.random() * names.length)]} ${Math.floor(Math.random() * 90) + 10}`;

// Of this window, not of the browser: two windows are two people.
let me = sessionStorage.getItem("name") || made();
sessionStorage.setItem("name", me);
$("name").value = me;

let source = null;

function connect() {
  if (source) source.close();
  clear();
  source = new EventSource(`/room/events?name=${encodeURIComponent(me)}`);
  source.onopen = () => say("connected", "open");
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "closed" : "reconnecting", "lost");
  source.addEventListener("chat", (event) => line(JSON.parse(event.data), event.lastEventId));
  source.addEventListener("here", (event) => here(JSON.parse(event.data).names));
  // What comes next does not follow what is shown: begin anew.
  source.addEventListener("reset", clear);
}

function say(text, state) {
  $("state").textContent = text;
  $("state").dataset.state = state;
}

function clear() {
  $("lines").replaceChildren();
  $("welcome").hidden = false;
}

function part(kind, className, text) {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = text;
  return made;
}

function line({ name, text, at }, id) {
  const talk = $("talk");
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
  const item = document.createElement("li");
  item.dataset.id = id;
  if (name === me) item.classList.add("mine");
  const time = new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  item.append(part("span", "who", `${name} · ${time}`), part("span", "text", text));
  $("lines").append(item);
  $("welcome").hidden = true;
  if (atEnd) talk.scrollTop = talk.scrollHeight;
}

function here(present) {
  $("here").replaceChildren(
    ...present.map((name) => part("li", name === me ? "me" : "", name === me ? `${name} (you)` : name)));
}

async function send(text) {
  const response = await fetch("/room/say", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: me, text }),
  });
  if (response.ok) return;
  const { errors } = await response.json();
  throw new Error(errors[0].detail);
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("problem").hidden = true;
  try {
    await send(text);
    $("text").value = "";
  } catch (error) {
    $("problem").textContent = `Not sent: ${error.message}`;
    $("problem").hidden = false;
  }
});

$("name").addEventListener("change", () => {
  const name = $("name").value.trim();
  if (!name || name === me) return void ($("name").value = me);
  me = name;
  sessionStorage.setItem("name", me);
  connect();
});

// Else the name would send the form.
$("name").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  $("text").focus();
});

connect();
$("text").focus({ preventScroll: true });
