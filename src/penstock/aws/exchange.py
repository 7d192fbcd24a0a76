"""One invocation, answered by an ASGI app.

Lives here: the app's ``receive`` and ``send``, the deadline, and what becomes of its errors.
Stays out: which event it was (``http_events.py``), where the answer goes (``http_replies.py``).

Lambda does not tell a function that its caller has left: ``http.disconnect`` comes when the
response is over.

Source: ASGI HTTP specification; AWS Lambda, "Response streaming".
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from penstock.aws.http_events import HttpRequest
from penstock.aws.http_replies import Reply
from penstock.aws.runtime_api import FunctionError
from penstock.clock import current_clock
from penstock.core.ending import Ending
from penstock.core.problem import problem_of
from penstock.core.response import problem_response
from penstock.core.shutdown import stop_open
from penstock.errors import HttpError, TransportError
from penstock.types import ASGIApp, Message

__all__ = ("DeadlineExceeded", "Exchange")

logger = logging.getLogger("penstock")


class DeadlineExceeded(HttpError):
    """The function's time was nearly up, and the work was not done."""

    def __init__(self) -> None:
        super().__init__(504, detail="the function's deadline came before the end of its work")


class Exchange:
    """One request of an app, and its answer.

    Args:
        app: What answers.
        request: The event's request.
        reply: Where the answer goes.
        request_id: AWS's id of the invocation, for the log.
        raises: An error before the head is raised, not answered by its status.
    """

    def __init__(
        self, app: ASGIApp, request: HttpRequest, reply: Reply, request_id: str, *, raises: bool
    ) -> None:
        self._app, self._request, self._reply = app, request, reply
        self._request_id, self._raises = request_id, raises
        self._is_head = request.scope["method"] == "HEAD"
        self._received = self._started = self._complete = self._expired = False
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, seconds: float | None, margin: float) -> Any:
        """Run the app; return what the handler is to return.

        Args:
            seconds: From now until the app is told that its time is up; None: never.
            margin: What then is left to end in.

        Raises:
            Exception: The app's error, when Lambda is to be told of it.
        """
        over = asyncio.get_running_loop().create_future()
        work = self._app(self._request.scope, self._receive, self._send)
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: _settle(over))
        clock = current_clock()
        timers = []
        if seconds is not None:
            due = clock.now() + seconds
            timers = [
                clock.call_at(due, self._expire, task),
                clock.call_at(due + margin / 2, task.cancel),
                # It takes no notice: whatever it still does, the answer ends.
                clock.call_at(due + margin * 3 / 4, _settle, over),
            ]
        try:
            await over
        except asyncio.CancelledError:  # the whole invocation is: a test's, since Lambda kills
            task.cancel()
            await asyncio.wait([task], timeout=margin)
            raise
        finally:
            for timer in timers:
                timer.cancel()
            self._end_response()
        try:
            return await self._conclude(self._error_of(task))
        finally:
            await self._reply.close()

    def _expire(self, task: asyncio.Task[Any]) -> None:
        self._expired = True
        if not self._complete and not stop_open(Ending.DEADLINE):
            task.cancel()  # nothing of ours in it that could end in good order

    def _error_of(self, task: asyncio.Future[Any]) -> BaseException | None:
        if not task.done() or task.cancelled():
            if self._expired:
                return DeadlineExceeded()
            return TransportError("the app was cancelled from inside")
        if (error := task.exception()) is not None:
            return error
        if self._complete:
            return None
        if self._expired:
            return DeadlineExceeded()
        what = "was broken off" if self._started else "never came"
        return TransportError(f"the app returned, and its response {what}")

    async def _conclude(self, error: BaseException | None) -> Any:
        if error is None or self._complete:
            if error is not None and not (self._expired and isinstance(error, DeadlineExceeded)):
                self._log("the app failed after its response", error)
            return await self._reply.result()
        if self._reply.is_open:
            await self._tell(error)
            raise error
        if self._raises or not isinstance(error, Exception):
            raise error
        self._log("a request failed", error)
        return await self._answer(error)

    async def _tell(self, error: BaseException) -> None:
        """End what has begun with word of ``error``."""
        try:
            self._reply.finish(FunctionError.of(error, self._request_id))
            await self._reply.result()
        except TransportError as exc:
            if exc is not error:  # the API is told of nothing any more: the log is
                error.add_note(f"also, when the Runtime API was told of it: {exc}")

    async def _answer(self, error: BaseException) -> Any:
        """Answer by the status and the problem that ``error`` stands for."""
        response = problem_response(problem_of(error))
        body = response.body if not self._is_head else b""
        await self._reply.open(response.status, response.head.headers.items())
        await self._reply.write(body, last=True)
        self._reply.finish()
        return await self._reply.result()

    def _log(self, what: str, error: BaseException) -> None:
        if isinstance(error, HttpError) and error.status < 500:
            return
        extra = {"request_id": self._request_id}
        logger.error("%s [%s]", what, self._request_id, exc_info=error, extra=extra)

    def _end_response(self) -> None:
        _settle(self._over)

    # --- ASGI

    async def _receive(self) -> Message:
        if not self._received:
            self._received = True
            return {"type": "http.request", "body": self._request.body(), "more_body": False}
        await asyncio.shield(self._over)
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body" and self._started and not self._complete:
            await self._send_body(message)
        elif kind == "http.response.start" and not self._started:
            self._started = True
            headers = [
                (bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
            await self._reply.open(message["status"], headers)
        else:
            raise RuntimeError(f"the app sent {kind!r}, which cannot come here")

    async def _send_body(self, message: Message) -> None:
        data, last = message.get("body", b""), not message.get("more_body", False)
        if data and not self._is_head:
            await self._reply.write(bytes(data), last=last)
        if last:
            self._complete = True
            self._reply.finish()  # now: what the app does afterwards does not hold it up
            self._end_response()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
