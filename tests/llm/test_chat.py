"""The chat endpoint, in process: its routes, who may use them, and what is streamed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

from penstock import Context, Ending, HttpError, InvalidOption, OpenAIChunks, Response, Resumable
from penstock.chunk import Done, Text, Usage
from penstock.llm import Llm, chat_endpoint
from penstock.llm.requests import ChatRequest
from penstock.logs import MemoryLog
from penstock.testing import check_ui_message_stream, open_stream
from tests.support.apps.chats import answer


def body(text: str = "hello", id: str = "c1", **more: Any) -> dict[str, Any]:
    message = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": id, "messages": [message], "trigger": "submit-message", **more}


async def ask(app: Any, text: str = "hello", **options: Any) -> list[dict[str, Any]]:
    async with open_stream(app, "/api/chat", method="POST", json=body(text, **options)) as stream:
        assert stream.status == 200
        return check_ui_message_stream(await stream.read())


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


async def words(request: ChatRequest) -> AsyncGenerator[str]:
    for word in ("one ", "two ", "three"):
        yield word


async def test_an_answer() -> None:
    # S8, C6
    async with open_stream(
        chat_endpoint(words, public=True), "/api/chat", method="POST", json=body()
    ) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["x-vercel-ai-ui-message-stream"] == "v1"
        chunks = check_ui_message_stream(await stream.read())
    assert text_of(chunks) == "one two three"
    assert chunks[0]["messageId"].startswith("msg-")


async def test_a_reader_that_leaves_and_one_that_resumes() -> None:
    # S7, S8: replay from the start in one burst, then follow; one producer for all of them
    go, begun = asyncio.Event(), 0

    async def model(request: ChatRequest) -> AsyncGenerator[Any]:
        nonlocal begun
        begun += 1
        yield Text("one ")
        yield Text("two ")
        await go.wait()
        yield Text("three")
        yield Done()

    app = chat_endpoint(model, public=True)
    async with open_stream(app, "/api/chat", method="POST", json=body()) as first:
        await first.wait_for(lambda: b"two" in first.body)
        await first.disconnect()
    async with open_stream(app, "/api/chat/c1/stream") as again:
        await again.wait_for(lambda: b"two" in again.body)
        assert b"three" not in again.body
        go.set()
        chunks = check_ui_message_stream(await again.read())
    assert text_of(chunks) == "one two three"
    assert chunks[0]["messageId"].encode() in first.body  # the same message
    assert begun == 1
    async with open_stream(app, "/api/chat/c1/stream") as late:
        assert late.status == 204
        assert await late.read() == b""


async def test_stop() -> None:
    # S7, S8
    ended: list[str] = []

    async def model(request: ChatRequest) -> AsyncGenerator[str]:
        try:
            yield "one "
            await asyncio.sleep(3600)
        finally:
            ended.append("cleaned")

    app = chat_endpoint(model, public=True)
    async with open_stream(app, "/api/chat", method="POST", json=body()) as stream:
        await stream.wait_for(lambda: b"one" in stream.body)
        for stopped in (True, False):
            async with open_stream(app, "/api/chat/c1/stop", method="POST") as stop:
                assert (stop.status, await stop.json()) == (200, {"stopped": stopped})
        chunks = check_ui_message_stream(await stream.read())
    assert chunks[-1] == {"type": "abort"}
    assert ended == ["cleaned"]


async def test_a_new_question_stops_the_answer_that_still_runs() -> None:
    # S7
    app = chat_endpoint(answer, public=True)
    async with open_stream(app, "/api/chat", method="POST", json=body("endless")) as first:
        await first.wait_for(lambda: b"on and" in first.body)
        assert text_of(await ask(app)) == "Hello, world"
        assert check_ui_message_stream(await first.read())[-1]["type"] == "abort"


async def test_errors(caplog: pytest.LogCaptureFixture) -> None:
    # E2, E4, C6: masked, and logged once
    app = chat_endpoint(answer, public=True)
    with caplog.at_level(logging.ERROR):
        chunks = await ask(app, "fail")
    assert chunks[-1] == {
        "type": "error",
        "errorText": "The server could not finish this request.",
    }
    assert "secret" not in json.dumps(chunks)
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert (await ask(app, "refuse"))[-1]["errorText"] == "Slower, please."


async def test_on_error() -> None:
    # C6
    seen: list[BaseException] = []

    def told(error: BaseException) -> str:
        seen.append(error)
        return f"sorry: {error}"

    app = chat_endpoint(answer, public=True, on_error=told)
    assert (await ask(app, "fail"))[-1]["errorText"] == "sorry: the secret"
    assert [type(error) for error in seen] == [RuntimeError]


async def test_the_model_may_want_the_context() -> None:
    async def model(request: ChatRequest, ctx: Context) -> AsyncGenerator[str]:
        yield f"{ctx.headers['x-user']} said {request.text}, {request.extra['mood']}"

    app = chat_endpoint(model, public=True)
    sent = body(mood="glad")
    async with open_stream(
        app, "/api/chat", method="POST", json=sent, headers={"x-user": "ada"}
    ) as stream:
        chunks = check_ui_message_stream(await stream.read())
    assert text_of(chunks) == "ada said hello, glad"


async def test_a_message_that_goes_on_keeps_its_id() -> None:
    # The client runs a tool, and sends the result: the answer is the same message's.
    app = chat_endpoint(answer, public=True)
    sent = body("ask")
    sent["messages"].append(
        {
            "id": "a7",
            "role": "assistant",
            "parts": [
                {
                    "type": "tool-locate",
                    "toolCallId": "c1",
                    "state": "output-available",
                    "input": {},
                    "output": "Oslo",
                }
            ],
        }
    )
    async with open_stream(app, "/api/chat", method="POST", json=sent) as stream:
        chunks = check_ui_message_stream(await stream.read())
    assert chunks[0]["messageId"] == "a7"
    assert text_of(chunks) == "You are in Oslo."


async def test_a_chat_without_an_id() -> None:
    app = chat_endpoint(words, public=True)
    async with open_stream(app, method="POST", json={"prompt": "hi"}) as stream:
        assert text_of(check_ui_message_stream(await stream.read())) == "one two three"


async def test_other_formats() -> None:
    # C6, W16
    app = chat_endpoint(words, public=True, format="text")
    async with open_stream(app, method="POST", json=body()) as stream:
        assert await stream.read() == b"one two three"
    app = chat_endpoint(words, public=True, format="openai", model="big")
    async with open_stream(app, method="POST", json=body()) as stream:
        assert b'"model":"big"' in await stream.read()
    app = chat_endpoint(words, public=True, format="sse")
    async with open_stream(app, method="POST", json=body()) as stream:
        events = [await stream.next_event() for _ in range(2)]
    assert [event.data for event in events] == ["one ", "two "]


async def test_an_sdks_own_stream() -> None:
    # C1, C6, C8: OpenAI's client, in front of a server of ours that speaks like OpenAI
    asked: list[Any] = []
    items = [Text("Hel"), Text("lo"), Done("length", Usage(1, 2))]
    encoder = OpenAIChunks().encoder(end_mark=True)
    wire = encoder.open() + b"".join(map(encoder.item, items))
    wire += encoder.close(Ending.COMPLETED) or b""

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content))
        return httpx2.Response(200, content=wire, headers={"content-type": "text/event-stream"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(serve)) as http:
        client = AsyncOpenAI(api_key="k", base_url="http://x/v1", http_client=http)

        def model(request: ChatRequest) -> Any:
            return client.chat.completions.create(model="m", stream=True, **request.to_openai())

        chunks = await ask(chat_endpoint(model, public=True))
    assert text_of(chunks) == "Hello"
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert chunks[-1]["finishReason"] == "length"
    assert chunks[-1]["messageMetadata"]["usage"] == usage
    assert asked[0]["messages"] == [{"role": "user", "content": "hello"}]


class Sdk:
    """Stands for every SDK's client: keeps what it is asked with, and says one word."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.messages = self.models = self.aio = self
        self.chat = self.completions = self

    async def create(self, **asked: Any) -> Any:
        self.asked = asked
        return self._answer()

    generate_content_stream = create

    def converse_stream(self, **asked: Any) -> Any:
        self.asked = asked
        return ["word"]

    async def _answer(self) -> AsyncGenerator[str]:
        yield "word"


@pytest.mark.parametrize(
    ("provider", "system", "messages"),
    [
        (
            "openai",
            None,
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        ),
        (
            "claude",
            "Be brief.",
            [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        ),
        ("gemini", "Be brief.", [{"role": "user", "parts": [{"text": "hello"}]}]),
        ("bedrock", "Be brief.", [{"role": "user", "content": [{"text": "hello"}]}]),
    ],
)
async def test_an_llm(provider: str, system: str | None, messages: list[Any]) -> None:
    # C7, C8
    sdk = Sdk()
    app = chat_endpoint(Llm(provider, "m", client=sdk), public=True)
    sent = body()
    sent["messages"].insert(
        0, {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Be brief."}]}
    )
    async with open_stream(app, method="POST", json=sent) as stream:
        assert text_of(check_ui_message_stream(await stream.read())) == "word"
    assert sdk.asked.get("messages", sdk.asked.get("contents")) == messages
    told = sdk.asked.get("system") or (sdk.asked.get("config") or {}).get("system_instruction")
    assert (told[0]["text"] if isinstance(told, list) else told) == system


# --- who may


async def status(app: Any, path: str, method: str, **options: Any) -> int:
    async with open_stream(app, path, method=method, **options) as stream:
        return stream.status


@pytest.mark.parametrize("refuse", ["False", "raise", "Response", "async"])
async def test_authorize_guards_every_route(refuse: str) -> None:
    # S8, M4
    asked: list[str] = []

    def refused(ctx: Context) -> Any:
        asked.append(ctx.path)
        if refuse == "raise":
            raise HttpError(403)
        if refuse == "async":
            return asyncio.sleep(0, False)
        return Response("no", 403) if refuse == "Response" else False

    async def model(request: ChatRequest) -> AsyncGenerator[str]:
        raise AssertionError("nobody may")
        yield ""

    app = chat_endpoint(model, authorize=refused)
    for path, method in (
        *(("/api/chat", "POST"), ("/api/chat/c1/stream", "GET"), ("/api/chat/c1/stream", "HEAD")),
        ("/api/chat/c1/stop", "POST"),
    ):
        assert await status(app, path, method, json=body()) == 403
    assert len(asked) == 4


async def test_authorize_by_the_chats_id() -> None:
    # S8: an id is no secret
    asked: list[str] = []

    def is_mine(ctx: Context, id: str) -> bool | None:
        asked.append(id)
        return None if id == "mine/1 é" else False

    app = chat_endpoint(words, authorize=is_mine)
    assert await status(app, "/api/chat", "POST", json=body(id="mine/1 é")) == 200
    assert await status(app, "/api/chat", "POST", json=body(id="yours")) == 403
    for id, code in (("mine%2F1%20%C3%A9", 204), ("yours", 403)):
        assert await status(app, f"/api/chat/{id}/stream", "GET") == code
    assert await status(app, "/x/mine%2F1%20%C3%A9/stop", "POST") == 200
    assert asked == ["mine/1 é", "yours", "mine/1 é", "yours", "mine/1 é"]


async def test_what_is_no_route() -> None:
    # H8
    app = chat_endpoint(words, public=True)
    for path, method, code in (
        *(("/api/chat", "GET", 405), ("/api/chat", "PUT", 405), ("/api/chat", "OPTIONS", 204)),
        *(("/c/1/stream", "POST", 405), ("/c/1/stop", "GET", 405)),
        *((f"/c/{'x' * 300}/stream", "GET", 400), ("/c/a%0Ab/stop", "POST", 400)),
        ("//stream", "GET", 400),
    ):
        assert await status(app, path, method, json=body()) == code, (path, method)
    async with open_stream(app, "/api/chat", method="POST", body=b"{") as stream:
        assert stream.status == 400
        assert b"not JSON" in await stream.read()
    assert await status(app, "/api/chat", "POST", json=body(id="x" * 300)) == 400


async def test_an_authorize_that_says_neither_yes_nor_no() -> None:
    app = chat_endpoint(words, authorize=lambda ctx: "ada")  # type: ignore[arg-type,return-value]  # the test
    assert await status(app, "/api/chat", "POST", json=body()) == 500


def takes_none() -> Any: ...


def takes_three(a: Any, b: Any, c: Any) -> Any: ...


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (words, {}, "authorize= must be given, or public=True"),
        (words, {"public": True, "authorize": bool}, "authorize= must be given"),
        (words, {"public": "yes"}, "authorize= must be given"),
        (words, {"authorize": 7}, "authorize= must be a function"),
        (words, {"authorize": takes_three}, "authorize= must be a function of one or two"),
        (7, {"public": True}, "model= must be an Llm, or a function"),
        (takes_none, {"public": True}, "model= must be a function of one or two"),
        (words, {"public": True, "format": "see"}, "format= must be one of"),
        (words, {"public": True, "log": 7}, "log= must be"),
        (words, {"public": True, "on_error": 7}, "on_error= must be"),
        (words, {"public": True, "colour": 7}, "colour= must be"),
    ],
)
def test_mistakes_show_at_definition(model: Any, options: dict[str, Any], message: str) -> None:
    # M7, S8
    with pytest.raises(InvalidOption, match=message):
        chat_endpoint(model, **options)


async def test_a_log_or_the_answers_of_ones_own() -> None:
    # S7
    answers = Resumable(MemoryLog())
    app = chat_endpoint(answer, public=True, log=answers)
    async with open_stream(app, method="POST", json=body("endless", id="mine")) as stream:
        await stream.wait_for(lambda: b"on and" in stream.body)
        assert await answers.stop("mine")
    assert text_of(await ask(chat_endpoint(words, public=True, log=MemoryLog()))) == "one two three"
