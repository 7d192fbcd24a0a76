"""The Function URL: HTTP in, an event to the function, its answer out as it comes.

Lives here: both invoke modes, and what a caller sees when the function fails. Stays out: the shapes
of the event (``url_events``) and of the prelude (``prelude``).
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal, TypeAlias

from penstock.aws.emulator.http import Exchange, TooLarge
from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.limits import REQUEST_LIMIT, Bandwidth
from penstock.aws.emulator.pool import Throttled
from penstock.aws.emulator.prelude import CONTENT_TYPE, HttpHead, InvalidPrelude, Prelude, read_head
from penstock.aws.emulator.reply import Reply
from penstock.aws.emulator.url_events import HttpRequest, encode_event, function_url_event

__all__ = ("FunctionUrl", "InvokeMode")

InvokeMode: TypeAlias = Literal["BUFFERED", "RESPONSE_STREAM"]

_log = logging.getLogger("penstock.aws.emulator")


class FunctionUrl:
    """Answers the exchanges of a Function URL.

    Args:
        submit: Has an invocation run.
        mode: The URL's invoke mode.
        bandwidth: Bytes a second past the first 6 MiB; None for as fast as it goes.
    """

    def __init__(
        self,
        submit: Callable[[Invocation], None],
        *,
        mode: InvokeMode,
        bandwidth: float | None,
    ) -> None:
        self._submit = submit
        self._mode = mode
        self._bandwidth = bandwidth

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            body = await exchange.body(REQUEST_LIMIT)
        except TooLarge as exc:
            await _say(exchange, 413, f"Request Entity Too Large: {exc}")
            return
        invocation = self._invocation(exchange, body)
        try:
            self._submit(invocation)
        except Throttled:
            await _say(exchange, 429, "Rate Exceeded.")
            return
        try:
            if self._mode == "BUFFERED":
                await _answer_whole(exchange, invocation)
            else:
                await _answer_streamed(exchange, invocation, self._bandwidth)
        finally:
            invocation.reply.abandon()  # has no effect on one that has ended

    def _invocation(self, exchange: Exchange, body: bytes) -> Invocation:
        invocation = Invocation(
            b"",
            streamed=self._mode == "RESPONSE_STREAM",
            trace_id=exchange.header("x-amzn-trace-id"),
            label=f"{exchange.method} {exchange.target}",
        )
        request = HttpRequest(
            exchange.method,
            exchange.target,
            exchange.headers,
            body,
            exchange.peer,
            exchange.http_version,
        )
        invocation.payload = encode_event(
            function_url_event(
                request,
                request_id=invocation.id,
                trace_id=invocation.trace_id,
                now=time.time(),
            )
        )
        return invocation


async def _answer_streamed(
    exchange: Exchange, invocation: Invocation, bandwidth: float | None
) -> None:
    reply = invocation.reply
    async with aclosing(reply.pieces()) as pieces:
        try:
            head, rest = await _read_head(reply, pieces)
        except InvalidPrelude as exc:
            _log.warning("%s: no HTTP response: %s", invocation.id, exc)
            await _say(exchange, exc.status, "Internal Server Error", invocation)
            return
        except _Failed:
            await _say(exchange, 502, "Internal Server Error", invocation)
            return
        await exchange.start(head.status, [*head.headers, *_own(invocation)])
        bucket = Bandwidth(bandwidth) if bandwidth is not None else None
        has_body = exchange.method != "HEAD" and head.status not in (204, 205, 304)
        async for piece in _all(rest, pieces):
            if bucket is not None:
                await bucket.spend(len(piece))
            if has_body:
                await exchange.write(piece)
    if reply.failure is not None:
        exchange.abort()  # all that HTTP/1.1 has to say so
        return
    await exchange.finish()


class _Failed(Exception):
    """The invocation failed before there was a head."""


async def _read_head(reply: Reply, pieces: AsyncGenerator[bytes, None]) -> tuple[HttpHead, bytes]:
    begun = await reply.begun()
    if begun is None:
        raise _Failed
    if not begun.streamed or begun.content_type.partition(";")[0].strip() != CONTENT_TYPE:
        # Raw, a proxy result included: in this mode only the content type makes it HTTP.
        return HttpHead(200, [("content-type", begun.content_type)]), b""
    prelude = Prelude()
    async for piece in pieces:
        if (found := prelude.feed(piece)) is not None:
            return found
    if reply.failure is not None:
        raise _Failed
    raise InvalidPrelude("it ended before the eight NULs that end the metadata")


async def _all(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for piece in pieces:
        yield piece


async def _answer_whole(exchange: Exchange, invocation: Invocation) -> None:
    payload = await invocation.reply.read()
    if invocation.reply.failure is not None:
        await _say(exchange, 502, "Internal Server Error", invocation)
        return
    try:
        head, body = _proxy_result(payload)
    except InvalidPrelude as exc:
        _log.warning("%s: no HTTP response: %s", invocation.id, exc)
        await _say(exchange, 502, "Internal Server Error", invocation)
        return
    await exchange.respond(head.status, [*head.headers, *_own(invocation)], body)


def _proxy_result(payload: bytes) -> tuple[HttpHead, bytes]:
    try:
        value: Any = json.loads(payload)
    except ValueError as exc:
        hint = "; a streamed answer needs RESPONSE_STREAM" if b"\0" * 8 in payload else ""
        raise InvalidPrelude(f"the result is no JSON{hint}: {payload[:80]!r}") from exc
    if not isinstance(value, dict) or "statusCode" not in value:
        # Lambda guesses: 200, JSON, the result as it is; a string without its quotes.
        body = value.encode() if isinstance(value, str) else payload
        return HttpHead(200, [("content-type", "application/json")]), body
    head, body_text = read_head(value), value.get("body")
    if not any(name == "content-type" for name, _ in head.headers):
        head.headers.append(("content-type", "application/json"))
    if body_text is None:
        return head, b""
    if not isinstance(body_text, str):
        return head, json.dumps(body_text).encode()
    if not value.get("isBase64Encoded"):
        return head, body_text.encode()
    try:
        return head, base64.b64decode(body_text, validate=True)
    except binascii.Error as exc:
        raise InvalidPrelude("body is not the base64 that isBase64Encoded says") from exc


def _own(invocation: Invocation) -> list[tuple[str, str]]:
    return [
        ("x-amzn-requestid", invocation.id),
        ("x-amzn-trace-id", invocation.trace_id.partition(";")[0]),
    ]


async def _say(
    exchange: Exchange, status: int, message: str, invocation: Invocation | None = None
) -> None:
    headers = [("content-type", "application/json")]
    if invocation is not None:
        headers += _own(invocation)
    body = b"" if exchange.method == "HEAD" else json.dumps({"Message": message}).encode()
    await exchange.respond(status, headers, body)
