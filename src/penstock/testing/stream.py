"""``OpenStream``: a response that is still arriving, in a test's hands.

Lives here: reading it event by event or chunk by chunk, what it was so far, and the commands that
a reader, a network or an operator would give. Stays out: how the app is run (``_asgi.py``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from http.cookies import SimpleCookie
from typing import Any

from penstock.core.request import MultiDict
from penstock.core.shutdown import shutdown
from penstock.testing._decoding import Decoder, decoder_for
from penstock.testing._stacks import stacks
from penstock.testing._wire import Ended, Wire
from penstock.testing.fake_clock import settle_loop

__all__ = ("Decoder", "OpenStream")


class OpenStream:
    """One response, as it arrives. Made by ``open_stream``.

    Every wait is bounded, in real time, by its ``timeout=`` or the one given to ``open_stream``;
    a wait in vain raises TimeoutError, which tells what had arrived.
    """

    def __init__(
        self, wire: Wire, task: asyncio.Task[None], *, timeout: float, decoder: Decoder | None
    ) -> None:
        self._wire, self._task, self._timeout = wire, task, timeout
        self._decoder = decoder
        self._decoded = 0  # chunks given to the decoder
        self._is_flushed = False
        self._events: list[Any] = []
        self._came_with: list[int] = []  # of each event: the chunks that had to arrive for it
        self._next = 0
        self._passed = 0  # chunks read as chunks, with their events
        self._comments: list[str] = []
        self._saw_error = False

    # --- the head

    @property
    def status(self) -> int:
        """HTTP status.

        Raises:
            RuntimeError: The head has not arrived: the stream was opened with ``wait=False``.
        """
        if self._wire.status is None:
            raise RuntimeError(f"the head has not arrived; await stream.head() first: {self}")
        return self._wire.status

    @property
    def headers(self) -> MultiDict:
        """Response headers: ``get``, ``getlist``; names compare without case."""
        return MultiDict(list(self._wire.headers), fold=True)

    @property
    def content_type(self) -> str:
        """The ``Content-Type`` header, or ``""``."""
        return self.headers.get("content-type", "")

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies that the response sets, by name; their attributes are in ``headers``."""
        jar: SimpleCookie = SimpleCookie()
        for line in self.headers.getlist("set-cookie"):
            jar.load(line)
        return {name: morsel.value for name, morsel in jar.items()}

    async def head(self, *, timeout: float | None = None) -> None:
        """Return when the head has arrived.

        Raises:
            Exception: What the app raised instead.
            RuntimeError: The app returned without a response.
        """
        wire = self._wire
        await self.wait_for(
            lambda: wire.status is not None or not wire.is_running, "a head", timeout=timeout
        )
        if wire.status is None:
            if (error := self.app_error) is not None:
                raise error
            raise RuntimeError("the app returned without a response")

    # --- the body

    async def next_event(self, *, timeout: float | None = None) -> Any:
        """Return the next event: decoded as the content type says.

        SSE gives ``ServerSentEvent``, NDJSON values, other text one ``str`` per chunk, the rest
        one ``bytes`` per chunk.

        Raises:
            EOFError: The body ended before another event came.
            TimeoutError: None came in time.
        """
        await self.wait_for(lambda: self._has_next() or self._is_over, "an event", timeout=timeout)
        if not self._has_next():
            raise EOFError(f"no more events: {self}") from self._wire.error
        event = self._events[self._next]
        self._wire.take(self._came_with[self._next])
        self._next += 1
        return event

    def _has_next(self) -> bool:
        self._decode()
        while self._next < len(self._events) and self._came_with[self._next] <= self._passed:
            self._next += 1  # it came with a chunk that was read as such
        return self._next < len(self._events)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.next_event()
        except EOFError:
            raise StopAsyncIteration from None

    async def next_chunk(self, *, timeout: float | None = None) -> bytes:
        """Return the next unread chunk, as the app sent it; the events up to it count as read.

        Raises:
            EOFError: The body ended.
            TimeoutError: None came in time.
        """
        wire = self._wire
        await self.wait_for(
            lambda: len(wire.chunks) > wire.taken or self._is_over, "a chunk", timeout=timeout
        )
        if len(wire.chunks) <= wire.taken:
            raise EOFError(f"no more chunks: {self}") from wire.error
        chunk = wire.chunks[wire.taken]
        wire.take(wire.taken + 1)
        self._passed = wire.taken
        return chunk

    async def read(self, *, timeout: float | None = None) -> bytes:
        """Return the rest of the body, from the next unread chunk on; its events count as read."""
        chunks: list[bytes] = []
        try:
            while True:
                chunks.append(await self.next_chunk(timeout=timeout))
        except EOFError:
            return b"".join(chunks)

    async def json(self, *, timeout: float | None = None) -> Any:
        """Return the whole body decoded as JSON, once it has ended."""
        await self.read(timeout=timeout)
        return json.loads(self.body)

    @property
    def _is_over(self) -> bool:
        return self._wire.ended is not None

    def _decode(self) -> None:
        wire = self._wire
        if self._decoder is None and wire.status is not None:
            coding = self.headers.get("content-encoding", "identity")
            kind = self.content_type if coding == "identity" else ""
            self._decoder = decoder_for(kind, self._comments.append)
        if self._decoder is None or self._is_flushed:
            return
        while self._decoded < len(wire.chunks):
            self._decoded += 1
            self._keep(self._decoder.feed(wire.chunks[self._decoded - 1]))
        if wire.ended == "complete":
            self._is_flushed = True
            self._keep(self._decoder.close())

    def _keep(self, events: Any) -> None:
        self._events += events
        self._came_with += [self._decoded] * (len(self._events) - len(self._came_with))

    # --- what it was so far, read or not

    @property
    def events(self) -> list[Any]:
        """Every event that has arrived, also those not read yet."""
        self._decode()
        return self._events

    @property
    def comments(self) -> list[str]:
        """The text of every SSE comment that has arrived, keep-alives among them."""
        self._decode()
        return [comment.removeprefix(" ") for comment in self._comments]

    @property
    def chunks(self) -> list[bytes]:
        """Every chunk that has arrived, as the app sent it."""
        return list(self._wire.chunks)

    @property
    def body(self) -> bytes:
        """Every byte that has arrived."""
        return b"".join(self._wire.chunks)

    @property
    def error(self) -> Any:
        """The ``{"errors": [...]}`` that has arrived, as an event or as the body; else None."""
        for candidate in (*reversed(self.events), self.body):
            problem = _problem_in(candidate)
            if problem is not None:
                return problem
        return None

    @property
    def ended(self) -> Ended | None:
        """How the response ended.

        "complete": with its last message. "cut": the app returned or raised before that.
        "left": the reader had gone. None: it has not.
        """
        return self._wire.ended

    @property
    def app_error(self) -> BaseException | None:
        """What the app raised to its host; None when it returned or still runs.

        Leaving ``async with`` raises it, unless the test has looked at it here.
        """
        self._saw_error = self._saw_error or self._wire.error is not None
        return self._wire.error

    @property
    def is_running(self) -> bool:
        """Whether the app has neither returned nor raised."""
        return self._wire.is_running

    # --- commands

    def stall(self) -> None:
        """The reader takes nothing: the app's ``send`` waits, until ``resume()``."""
        self._wire.stall(True)

    def resume(self) -> None:
        """The reader takes what comes again."""
        self._wire.stall(False)

    def leave(self) -> None:
        """The reader leaves; returns at once."""
        self._wire.leave()

    async def disconnect(self, *, timeout: float | None = None) -> None:
        """The reader leaves; returns when the app has returned.

        Raises:
            TimeoutError: It did not; the message shows where it stands.
        """
        self.leave()
        await self.returned(timeout=timeout)

    async def shut_down(self) -> None:
        """Tell the open streams of this process to end, as SIGTERM does.

        Returns when that has been taken in: the last words can be read as other events.
        """
        shutdown()
        await settle_loop()

    async def cancel(self, *, timeout: float | None = None) -> None:
        """Cancel the app, as a host that is shutting down may; returns when it has returned.

        Raises:
            TimeoutError: It did not return.
        """
        self._saw_error = True  # the CancelledError that it ends with is no surprise
        self._task.cancel()
        await self.returned(timeout=timeout)

    async def returned(self, *, timeout: float | None = None) -> None:
        """Return when the app has returned or raised, background work included.

        Raises:
            TimeoutError: It has not; the message shows where it stands.
        """
        await self.wait_for(lambda: not self._wire.is_running, "the app to return", timeout=timeout)

    async def wait_for(
        self, condition: Callable[[], object], what: str = "that", *, timeout: float | None = None
    ) -> None:
        """Return when ``condition()`` holds; it is looked at whenever something arrives or ends.

        Raises:
            TimeoutError: It did not, in time.
        """
        seconds = self._timeout if timeout is None else timeout
        await self._within(seconds, what, self._wire.until(condition))

    async def _within(self, seconds: float, what: str, wait: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(seconds):
                await wait
        except TimeoutError:
            raise TimeoutError(f"waited {seconds:g} s for {what}: {self}{stacks()}") from None

    async def close(self) -> None:
        """The reader leaves, if the response has not ended; wait for the app to return.

        An app that does not is cancelled.

        Raises:
            TimeoutError: It did not return.
            BaseException: What the app raised, unless the test has looked at ``app_error``.
        """
        self.leave()
        try:
            await self.returned()
        except TimeoutError:
            self._task.cancel()
            raise
        error = self._wire.error
        if error is not None and not self._saw_error:
            raise error

    # --- for messages

    def __repr__(self) -> str:
        wire = self._wire
        head = f"{wire.status} {self.content_type}" if wire.status else "no head yet"
        events = self._events  # as decoded so far: a body that cannot be must not hide the rest
        last = f", last {events[-1]!r}" if events else ""
        parts = [head, f"{len(events)} events{last}", f"{len(self._comments)} comments"]
        body = self.body
        parts.append(f"{len(body)} bytes" + (f" ending {body[-60:]!r}" if body else ""))
        parts.append(f"ended: {wire.ended}" if wire.ended else "open")
        if wire.error is not None:
            parts.append(f"the app raised {wire.error!r}")
        elif not wire.is_running:
            parts.append("the app has returned")
        return f"<OpenStream {'; '.join(parts)}>"


def _problem_in(candidate: Any) -> Any:
    """Return the ``{"errors": [...]}`` that ``candidate`` is or holds."""
    value = getattr(candidate, "data", candidate)
    if isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except ValueError:  # not JSON, so no problem in it
            return None
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        value = value["error"]
    is_problem = isinstance(value, dict) and isinstance(value.get("errors"), list)
    return value if is_problem else None
