"""``chat_endpoint``: a chat's server side, ready to be mounted under ``useChat``'s ``api``.

    chat = chat_endpoint(answer, authorize=signed_in)       # async def answer(request): yield ...

    app.add_route("/api/chat", chat)                        # POST streams an answer
    app.add_route("/api/chat/{rest:path}", chat)            # GET …/{id}/stream resumes, or 204
                                                            # POST …/{id}/stop stops
Lives here: the three routes on one endpoint, who may use them, and what a run is called.
Stays out: running an answer apart from its readers (``core.resume``), the wire (``formats``).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import is_dataclass, replace
from functools import partial
from typing import Any, TypeAlias, Unpack
from urllib.parse import unquote
from uuid import uuid4

from penstock.app.context import Context
from penstock.app.endpoint import Endpoint, endpoint
from penstock.core.format import Format
from penstock.core.log import EventLog
from penstock.core.options import StreamKeywords
from penstock.core.response import Response
from penstock.core.resume import Resumable, Run
from penstock.errors import HttpError, InvalidOption, Problem
from penstock.formats import get_format
from penstock.llm.provider import Llm
from penstock.llm.requests import ChatRequest, parse_chat_request
from penstock.logs import MemoryLog
from penstock.providers.reading import Chunks
from penstock.types import Source

__all__ = ("Authorize", "Model", "chat_endpoint")

# What answers: an Llm; or a function of the request, and of the context where it takes two.
Model: TypeAlias = Llm | Callable[..., Source]

# None or True: go on; False: 403; a Response or a raised error: stop with it. It takes the
# context, and the chat's id where it takes two.
_Verdict: TypeAlias = bool | Response | None
Authorize: TypeAlias = Callable[..., _Verdict | Awaitable[_Verdict]]

_LONGEST_ID = 256

# Whose messages an Llm takes, by the provider it was made with; any other speaks like OpenAI.
_SPEAKS = {
    "anthropic": "anthropic",
    "claude": "anthropic",
    "bedrock": "bedrock",
    "google": "google",
    "gemini": "google",
}


def chat_endpoint(
    model: Model,
    /,
    *,
    log: EventLog | Resumable | None = None,
    authorize: Authorize | None = None,
    public: bool = False,
    format: str | Format = "ui-message-stream",
    **keywords: Unpack[StreamKeywords],
) -> Endpoint:
    """Return an endpoint that streams a model's answers, lets them be resumed, and stopped.

    An answer outlives the connection that asked for it: a reader that leaves does not stop it, a
    page that is reloaded gets it again from its start, ``POST …/{id}/stop`` stops it. A new
    question in the same chat stops the answer that still runs.

    Args:
        model: An ``Llm``, which is asked with the chat's messages. Or a function of a
            ``ChatRequest``, and of the ``Context`` where it takes two, that returns a source: an
            async generator of str or chunks, or an SDK's own stream.
        log: Where answers are kept: a ``MemoryLog`` by default; a ``SqliteLog`` or ``RedisLog``
            across processes; or a ``Resumable`` made of one.
        authorize: Called on every route with the context, and with the chat's id where it takes
            two arguments. None or True go on, False answers 403; a Response or a raised
            ``HttpError`` stops with it. A chat's id is no secret: check whose it is.
        public: Say True, in place of ``authorize``, to let anybody in.
        format: What is streamed: "ui-message-stream", "openai", "sse", "ndjson" or "text", or a
            format object.
        **keywords: How the stream flows and ends, ``on_error=`` and ``target=`` among them; see
            ``StreamKeywords``.

    Raises:
        InvalidOption: Neither ``authorize`` nor ``public=True`` is given, or both; or another
            option that cannot be meant.
    """
    if isinstance(model, Llm):
        model = partial(_ask, model)
    if not callable(model):
        raise InvalidOption("model", model, "an Llm, or a function of a ChatRequest")
    if not isinstance(public, bool) or (authorize is not None) == public:
        expected = "given, or public=True in its place: whoever knows a chat's id can read it"
        raise InvalidOption("authorize", authorize, expected)
    if authorize is not None and not callable(authorize):
        raise InvalidOption("authorize", authorize, "a function of the context")
    builder = endpoint(format=format, name="chat", **_for_readers(keywords))
    answers = log if isinstance(log, Resumable) else _resumable(log, keywords)
    return builder(_Routes(model, answers, authorize, format).answer)


def _ask(llm: Llm, request: ChatRequest) -> Source:
    """Return the stream of a model's answer to the whole chat."""
    provider = _SPEAKS.get(llm.provider.lower(), "openai")
    if provider == "openai":
        return llm.stream(request.to_openai()["messages"])
    if provider == "google":
        given = request.to_google()
        system = given.get("config", {}).get("system_instruction")
        return llm.stream(given["contents"], system=system)
    given = request.to_anthropic() if provider == "anthropic" else request.to_bedrock()
    told = given.get("system")
    system = "\n\n".join(each["text"] for each in told) if isinstance(told, list) else told
    return llm.stream(given["messages"], system=system)


def _resumable(log: EventLog | None, keywords: StreamKeywords) -> Resumable:
    """Return the answers; what their errors show is decided where they are raised."""
    scrub, on_error = keywords.get("scrub"), keywords.get("on_error")
    if on_error is not None and scrub is None:

        def told(error: BaseException, problem: Problem) -> Problem:
            return Problem(problem.status, problem.title, on_error(error))

        scrub = told
    return Resumable(log if log is not None else MemoryLog(), scrub=scrub)


def _for_readers(keywords: StreamKeywords) -> StreamKeywords:
    """Return ``keywords`` for the readers of a log, which holds ``on_error``'s text already."""
    on_error = keywords.get("on_error")
    if on_error is None or not callable(on_error):  # the format says what is wrong with it
        return keywords

    def shown(error: BaseException) -> str:
        if isinstance(error, HttpError) and error.was_reported and error.detail:
            return error.detail
        return on_error(error)

    return {**keywords, "on_error": shown}


class _Routes:
    """The three routes of a chat, told apart by method and the end of the path."""

    def __init__(
        self,
        model: Callable[..., Source],
        answers: Resumable,
        authorize: Authorize | None,
        format: str | Format,
    ) -> None:
        self._model, self._answers = model, answers
        self._authorize = authorize
        self._format = get_format(format)
        self._model_takes = _arguments("model", model)
        self._authorize_takes = _arguments("authorize", authorize) if authorize else 0

    async def answer(self, ctx: Context) -> Response:
        """Answer one request, whichever route it is for."""
        action, id = _route(ctx)
        if action == "stream":
            _allow(ctx, "GET", "HEAD")
            return await self._resume(ctx, id)
        _allow(ctx, "POST")
        return await (self._stop(ctx, id) if action == "stop" else self._start(ctx))

    async def _start(self, ctx: Context) -> Response:
        if self._authorize_takes == 1 and (refusal := await self._refusal(ctx, "")):
            return refusal  # before anything of the body is read
        request = parse_chat_request(await ctx.body())
        id = _checked(request.id or uuid4().hex)
        if self._authorize_takes == 2 and (refusal := await self._refusal(ctx, id)):
            return refusal
        source = self._source(request, ctx)
        run = await self._answers.start(id, source, on_running="replace")
        newest = request.messages[-1]
        # Of a message that goes on, after a tool's result, the client knows the id already.
        return self._follow(ctx, run, newest.id if newest.role == "assistant" else "")

    async def _resume(self, ctx: Context, id: str) -> Response:
        if refusal := await self._refusal(ctx, id):
            return refusal
        run = await self._answers.running(id)
        return Response(None, 204) if run is None else self._follow(ctx, run)

    async def _stop(self, ctx: Context, id: str) -> Response:
        if refusal := await self._refusal(ctx, id):
            return refusal
        return Response({"stopped": await self._answers.stop(id)})

    def _source(self, request: ChatRequest, ctx: Context) -> Chunks:
        given = (request, ctx)[: self._model_takes]
        # Chunks are what a log keeps, whichever SDK's events they are made of.
        return Chunks(lambda: self._model(*given), lenient=True)

    def _follow(self, ctx: Context, run: Run, message_id: str = "") -> Response:
        """Return ``run`` as a stream: from its start, since the client rebuilds the message."""
        after = ctx.last_event_id if self._format.name == "sse" else None
        response = ctx.stream(run.follow(after), self._format.name)
        if getattr(response.format, "message_id", "") is None and is_dataclass(response.format):
            # One answer, one message: whoever reads it again replaces what he has of it.
            named: Any = response.format
            response.format = replace(named, message_id=message_id or f"msg-{run.id}")
        return response

    async def _refusal(self, ctx: Context, id: str) -> Response | None:
        """Return what answers in place of the chat; None: go on.

        Raises:
            HttpError: 403, when ``authorize`` said False.
            TypeError: It said what is none of its answers.
        """
        if self._authorize is None:
            return None
        verdict = self._authorize(*(ctx, id)[: self._authorize_takes])
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if verdict is None or verdict is True or isinstance(verdict, Response):
            return verdict if isinstance(verdict, Response) else None
        if verdict is False:
            raise HttpError(403)
        raise TypeError(
            f"authorize= returned {verdict!r}; it returns None or True to go on, False or a "
            "Response to stop"
        )


def _route(ctx: Context) -> tuple[str, str]:
    """Return what is asked for, "" for a new answer, and of which chat.

    By the path's end, wherever the endpoint is mounted; as it was sent, for an id may hold an
    encoded slash.

    Raises:
        HttpError: 400, when the id cannot be one.
    """
    raw = ctx.scope.get("raw_path")
    is_raw = isinstance(raw, bytes)
    path = raw.decode("latin-1") if isinstance(raw, bytes) else ctx.path
    *_, id, action = "//", "", *path.partition("?")[0].rstrip("/").split("/")
    if action not in ("stream", "stop"):
        return "", ""
    return action, _checked(unquote(id) if is_raw else id)


def _checked(id: str) -> str:
    if not id or len(id) > _LONGEST_ID or not id.isprintable():
        raise HttpError(400, detail=f"a chat's id has 1 to {_LONGEST_ID} printable characters")
    return id


def _allow(ctx: Context, *methods: str) -> None:
    if ctx.method not in methods:
        raise HttpError(405, headers={"allow": ", ".join((*methods, "OPTIONS"))})


def _arguments(option: str, function: Callable[..., Any]) -> int:
    """Return how many arguments ``function`` is given: one or two.

    Raises:
        InvalidOption: It takes neither.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # of C code, which does not tell
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = signature.parameters.values()
    needed = [one for one in parameters if one.kind in kinds and one.default is one.empty]
    count = max(1, len(needed))
    expected = "a function of one or two arguments"
    try:
        signature.bind(*([None] * count))
    except TypeError as exc:
        raise InvalidOption(option, function, f"{expected} ({exc})") from exc
    if count > 2:
        raise InvalidOption(option, function, expected)
    return count
