"""Reading a stream with ``for``.

Lives here: the blocking I/O of the conversation's steps. Stays out: what the steps are.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import NoneType, TracebackType
from typing import Any, Self, TypeVar

from penstock.client.http_library import HttpLibrary
from penstock.client.options import Options
from penstock.client.steps import (
    RESTARTED,
    Answer,
    Call,
    Deliver,
    Follow,
    Lost,
    Open,
    Read,
    ReadAll,
    Wait,
)
from penstock.client.stream import BaseStream
from penstock.client.typed import make_converter

__all__ = ("EventStream",)

T = TypeVar("T")
M = TypeVar("M")


class EventStream(BaseStream[T]):
    """A stream read with ``for``; ``connect`` makes it, ``with`` opens it.

    Items are ``ServerSentEvent``, or each line's JSON value when the stream is NDJSON. One thread
    reads; ``close`` and ``restart`` may come from any.
    """

    _kind = "Client"

    def __init__(self, url: str, options: Options) -> None:
        super().__init__(url, options)
        self._body: Iterator[bytes] = iter(())
        self._is_reading = False
        self._woken = threading.Event()
        self._items = self._iterate()

    def __enter__(self) -> Self:
        self._begin()
        try:
            self._step = next(self._steps, None)
            while not isinstance(self._step, (Read, Deliver, NoneType)):
                self._take_step()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._end()

    def __iter__(self) -> Iterator[T]:
        self._check_entered("with")
        return self._items

    def __next__(self) -> T:
        self._check_entered("with")
        return next(self._items)

    def events(self, model: type[M], *, event: str | None = None) -> Iterator[M]:
        """Yield each event's data, or each value, as a ``model``; with ``event``, that type's only.

        Args:
            model: A pydantic model, a msgspec struct, or a dataclass.
            event: Event type to keep; the others are passed over.

        Raises:
            InvalidEvent: What came does not fit.
        """
        convert = make_converter(model, event)
        return (made for item in self for made in convert(item))

    def run(self) -> None:
        """Read to the end, calling the listeners that ``on`` gave."""
        for item in self:
            for listener in self._wanted_by(item):
                listener(item)

    def close(self) -> None:
        """End the stream, from any thread: its reader's loop just ends. Harmless twice."""
        self._closing = True
        self._interrupt()

    def restart(self) -> None:
        """Drop the connection, from any thread, and ask again from the last event ID."""
        self._restarting = True
        self._interrupt()

    def _interrupt(self) -> None:
        self._woken.set()
        response = self._response
        if response is None:
            return
        if not self._is_reading:
            if self._closing:
                response.close()
            return
        stream = response.extensions.get("network_stream")
        sock = None if stream is None else stream.get_extra_info("socket")
        if sock is not None:
            try:
                # The plain socket's, also under TLS: SSLSocket's own would take the state away from
                # under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass  # it is gone already, which the reader will see

    def _iterate(self) -> Iterator[T]:
        while self._step is not None and not self._closing:
            step = self._step
            if type(step) is Deliver:
                for item in step.items:
                    self._item = item
                    yield item
                    if self._closing:
                        return
                self._item, self._cursor = None, step.cursor
            try:
                self._take_step()
            except BaseException:
                self._end()
                raise
        self._end()

    def _take_step(self) -> None:
        """Do the step at hand and learn the next."""
        if self._closing:
            self._step = None
            return
        step = self._step
        # The two that come for every chunk first, and without a detour.
        if type(step) is Deliver:
            answer: Answer = None
        else:
            answer = self._read() if type(step) is Read else self._do(step)
            if self._closing:
                self._step = None
                return
            if self._restarting and isinstance(step, (Open, Follow, Read, Wait)):
                self._restarting = False
                self._woken.clear()
                if not isinstance(step, Wait):
                    answer = RESTARTED
        self._step = None
        try:
            self._step = self._steps.send(answer)
        except StopIteration:
            self._close_response()

    def _do(self, step: object) -> Answer:
        if type(step) is Open:
            library = self._of_ours()
            self._close_response()
            options = self._options
            return self._send(
                lambda: library.build(step.request, self._url, options.params),
                library.auth(options.auth),
            )
        if type(step) is Follow:
            response = self._response
            auth = self._of_ours().auth_after(response, self._options.auth)
            self._close_response()
            return self._send(lambda: response.next_request, auth)
        if type(step) is ReadAll:
            return self._read_all(step.limit)
        if type(step) is Call:
            step.function(step.argument)
        elif type(step) is Wait:
            self._close_response()
            self._wait(step.seconds)
        return None

    def _send(self, build: Any, auth: dict[str, Any]) -> Answer:
        library = self._of_ours()
        try:
            response = library.client.send(build(), stream=True, follow_redirects=False, **auth)
        except library.errors as exc:
            return library.lost(exc)
        self._response, self._head = response, library.head(response)
        # Past the library's own layers where they have nothing to decode: they cost half the time.
        is_coded = "content-encoding" in self._head.headers
        self._body = iter(response.iter_bytes() if is_coded else response.stream)
        return self._head

    def _read(self) -> Answer:
        library = self._of_ours()
        # In this order: whoever interrupts sets the flag first and then looks whether we read.
        self._is_reading = True
        try:
            if self._closing or self._restarting:
                return RESTARTED
            return next(self._body, None)
        except library.errors as exc:
            return library.lost(exc)
        except Exception as exc:
            if self._closing or self._restarting:
                return Lost(exc, "closed while it was read")  # by us, in another thread
            raise
        finally:
            self._is_reading = False

    def _read_all(self, limit: int) -> bytes:
        found = bytearray()
        while len(found) < limit and isinstance(got := self._read(), bytes):
            found += got
        return bytes(found[:limit])

    def _wait(self, seconds: float) -> None:
        if self._options.sleep is not None:
            self._options.sleep(seconds)
        elif not self._closing:
            self._woken.wait(seconds)

    def _of_ours(self) -> HttpLibrary:
        assert self._library is not None, "opened by __enter__"
        return self._library

    def _close_response(self) -> None:
        response, self._response = self._response, None
        self._body = iter(())
        if response is not None:
            response.close()

    def _end(self) -> None:
        self._step = None
        self._steps.close()
        self._close_response()
        if self._library is not None and self._library.is_ours:
            self._library.client.close()
