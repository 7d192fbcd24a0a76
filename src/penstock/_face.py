"""What the framework faces share: a stream that speaks the framework's errors.

Lives here: which errors the framework renders and which are ours, and a body that sync code
reads. Stays out: every framework.

Before the commit an error is raised into the framework, which renders it as it renders all its
errors; after it, the framework's own HTTP exceptions keep their status in the one error event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Literal, TypeAlias, TypeVar, cast

from penstock.app.stream import Stream
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamKeywords
from penstock.core.problem import Translate, problem_of, report
from penstock.core.producer import Feed, Producer
from penstock.core.pull import Pull
from penstock.core.request import Request, is_over
from penstock.core.response import Response, problem_response
from penstock.core.shutdown import hook_signals
from penstock.errors import HttpError, InvalidOption
from penstock.portal import portal
from penstock.types import Scope, Source

__all__ = ("Body", "Errors", "FaceStream", "http_error", "pairs", "with_status")

T = TypeVar("T")

Errors: TypeAlias = Literal["framework", "penstock"]


class FaceStream(Stream):
    """A stream inside a framework.

    Args:
        source: See ``Stream``.
        format: See ``Stream``.
        keywords: See ``StreamKeywords``.
        errors: Who renders an error that comes before the commit.
        translate: The framework's own HTTP exception to ours; None for any other exception.

    Raises:
        TypeError, InvalidOption: As ``Stream``.
    """

    def __init__(
        self,
        source: Source,
        format: str | Format,
        keywords: StreamKeywords,
        *,
        errors: Errors,
        translate: Translate,
    ) -> None:
        super().__init__(source, format, **keywords)
        if errors not in ("framework", "penstock"):
            raise InvalidOption("errors", errors, '"framework" or "penstock"')
        self._translate = translate
        self._producer = _Translating(self._producer, self)
        if errors == "penstock" and not self.options.throw:
            self.render_error = self._render

    def take_head(
        self, status: int, headers: Iterable[tuple[str, str]], scope: Scope | None
    ) -> None:
        """Let the framework's response say what the head is.

        But a reader that asks by ``scope`` for an answer it has had in full is told 204; the
        source is then discarded, as under every status without a body.
        """
        head = Head(status)
        for name, value in headers:
            head.headers.add(name, value)
        if scope is not None and is_over(scope, self.format):
            head.status = 204
            head.headers.pop("content-type")
        self.head = head

    def translated(self, error: Exception) -> Exception:
        """Return ``error`` as what an event in this format can show of it."""
        if not self.head.is_committed or self.options.throw:
            return error  # it is the framework's to render
        return self._translate(error) or error

    def refusal(self, error: HttpError) -> HttpError | None:
        """Return what the framework is to say of ``error``; None when it is too late for that."""
        if self.head.is_committed:
            return None
        problem = problem_of(error, self.options.scrub)
        return HttpError(problem.status, problem.title, problem.detail, error.headers)

    def _render(self, error: BaseException, request: Request | None) -> Response:
        ours = self._translate(error) or error
        report(ours, "a request failed", request)
        headers = ours.headers if isinstance(ours, HttpError) else None
        return problem_response(problem_of(ours, self.options.scrub), headers)


class _Translating:
    """A producer whose errors are translated on their way out."""

    __slots__ = ("_producer", "_stream")

    def __init__(self, producer: Producer, stream: FaceStream) -> None:
        self._producer, self._stream = producer, stream

    async def produce(self, feed: Feed) -> None:
        try:
            await self._producer.produce(feed)
        except Exception as exc:
            translated = self._stream.translated(exc)
            if translated is exc:
                raise
            raise translated from exc

    async def discard(self) -> None:
        await self._producer.discard()


def http_error(status: int, detail: object, headers: Any = None) -> HttpError | None:
    """Return the ``HttpError`` for a framework's exception; None when its status is no error."""
    if not isinstance(status, int) or not 400 <= status <= 599:
        return None
    text = detail if detail is None or isinstance(detail, str) else str(detail)
    return HttpError(int(status), detail=text or None, headers=headers)


def pairs(head: Head) -> list[tuple[str, str]]:
    """Return the headers as a framework takes them, without those the server owns."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.raw()]


def with_status(keywords: StreamKeywords, option: str, status: int | None) -> StreamKeywords:
    """Return ``keywords`` with the framework's own word for the status taken in.

    Raises:
        InvalidOption: It was given in both words.
    """
    if status is None:
        return keywords
    if "status" in keywords:
        raise InvalidOption(option, status, "left out when status= is given")
    return cast(StreamKeywords, {**keywords, "status": status})


class Body:
    """A stream's body for code that may run anywhere: on its loop, on another, or on none.

    Args:
        stream: What to send.
    """

    def __init__(self, stream: Response) -> None:
        self._pull = Pull(stream)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, *, head_only: bool = False) -> Head:
        """Start the stream on the running loop; return its head when that is committed.

        Raises:
            Exception: What the source raised before that.
        """
        self._loop = asyncio.get_running_loop()
        return await self._pull.open(head_only=head_only)

    def open_blocking(self, *, head_only: bool = False) -> Head:
        """Start the stream on penstock's own loop and wait for the commit.

        Raises:
            Exception: What the source raised before that.
        """
        hook_signals()  # a WSGI worker's main thread is here
        self._loop = portal().loop
        return portal().call(self._pull.open(head_only=head_only))

    # --- read without a loop

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        if self._loop is None:
            self.open_blocking()
        chunk = self._elsewhere(_next(self._pull)).result()
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Stop the stream; return when its cleanup has run, unless that needs this very thread."""
        if self._loop is None or not self._pull.is_open or self._loop.is_closed():
            return
        if _running() is self._loop:
            self._pull.leave()
        else:
            self._elsewhere(self._pull.aclose()).result()

    def abandon(self) -> None:
        """Stop the stream and do not wait; for a body that nobody will read."""
        if self._loop is not None and self._pull.is_open and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pull.leave)

    # --- read on a loop, its own or another

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if self._loop is None:
            await self.open()
        if _running() is self._loop:
            return await self._pull.__anext__()
        chunk = await asyncio.wrap_future(self._elsewhere(_next(self._pull)))
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Stop the stream and return when its cleanup has run."""
        if self._loop is None or _running() is self._loop:
            await self._pull.aclose()
        elif not self._loop.is_closed():
            await asyncio.wrap_future(self._elsewhere(self._pull.aclose()))

    def _elsewhere(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        loop = self._loop
        if loop is None or _running() is loop or not loop.is_running():
            work.close()
            raise RuntimeError(
                "a stream that runs on an event loop was read synchronously on that loop, "
                "or after it ended"
            )
        return asyncio.run_coroutine_threadsafe(work, loop)


async def _next(pull: Pull) -> bytes | None:
    return await anext(pull, None)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
