"""Lambda's own API, as far as an SDK needs it to invoke: Invoke and InvokeWithResponseStream.

Lives here: the two routes, their headers and errors, for real boto3. Stays out: signatures: every
caller is let in.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from penstock.aws.emulator.event_stream import CONTENT_TYPE, invoke_complete, payload_chunk
from penstock.aws.emulator.http import Exchange, TooLarge
from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.limits import REQUEST_LIMIT, Bandwidth
from penstock.aws.emulator.pool import Throttled

__all__ = ("InvokeApi",)

_VERSION = "$LATEST"


class InvokeApi:
    """Answers the exchanges of one function's API.

    Args:
        submit: Has an invocation run.
        name: The function's; others are not found.
        arn: The function's.
        bandwidth: Bytes a second past the first 6 MiB; None for as fast as it goes.
    """

    def __init__(
        self,
        submit: Callable[[Invocation], None],
        *,
        name: str,
        arn: str,
        bandwidth: float | None,
    ) -> None:
        self._submit = submit
        self._names = {name, arn, f"{arn}:{_VERSION}", f"{name}:{_VERSION}"}
        self._names.add(f"{arn.split(':')[4]}:function:{name}")
        self._arn = arn
        self._bandwidth = bandwidth

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        match exchange.method, [unquote(part) for part in exchange.path.split("/")[1:]]:
            case "POST", ["2015-03-31", "functions", name, "invocations"]:
                await self._invoke(exchange, name, streamed=False)
            case "POST", ["2021-11-15", "functions", name, "response-streaming-invocations"]:
                await self._invoke(exchange, name, streamed=True)
            case _:
                await exchange.body(REQUEST_LIMIT)
                await _refuse(exchange, 404, "UnknownOperationException", "no such operation")

    async def _invoke(self, exchange: Exchange, name: str, *, streamed: bool) -> None:
        try:
            payload = await exchange.body(REQUEST_LIMIT)
            invocation = self._read(exchange, name, payload, streamed=streamed)
            if invocation is None:
                await exchange.respond(204, [("X-Amz-Executed-Version", _VERSION)])
                return
            self._submit(invocation)
        except TooLarge as exc:
            await _refuse(exchange, 413, "RequestTooLargeException", f"the payload has {exc}")
        except _Refused as exc:
            await _refuse(exchange, exc.status, exc.type, str(exc))
        except Throttled:
            await _refuse(exchange, 429, "TooManyRequestsException", "Rate Exceeded.")
        else:
            try:
                await self._answer(exchange, invocation)
            finally:
                invocation.reply.abandon()

    def _read(
        self, exchange: Exchange, name: str, payload: bytes, *, streamed: bool
    ) -> Invocation | None:
        qualifier = parse_qs(exchange.query).get("Qualifier", [_VERSION])[0]
        if name not in self._names or qualifier != _VERSION:
            message = f"Function not found: {self._arn.rpartition(':')[0]}:{name}:{qualifier}"
            raise _Refused(404, "ResourceNotFoundException", message)
        kind = exchange.header("x-amz-invocation-type") or "RequestResponse"
        if kind == "DryRun":
            return None
        if kind != "RequestResponse":
            message = f"the local Lambda knows RequestResponse and DryRun, not {kind}"
            raise _Refused(400, "InvalidParameterValueException", message)
        try:
            json.loads(payload or b"{}")
        except ValueError as exc:
            message = f"Could not parse request body into json: {exc}"
            raise _Refused(400, "InvalidRequestContentException", message) from exc
        return Invocation(
            payload or b"{}",
            streamed=streamed,
            client_context=_client_context(exchange),
            tenant_id=exchange.header("x-amz-tenant-id"),
            trace_id=exchange.header("x-amzn-trace-id"),
            label="InvokeWithResponseStream" if streamed else "Invoke",
        )

    async def _answer(self, exchange: Exchange, invocation: Invocation) -> None:
        tail = (exchange.header("x-amz-log-type") or "None") == "Tail"
        if invocation.streamed:
            await self._answer_streamed(exchange, invocation, tail=tail)
        else:
            await _answer_whole(exchange, invocation, tail=tail)

    async def _answer_streamed(
        self, exchange: Exchange, invocation: Invocation, *, tail: bool
    ) -> None:
        # At once: the function's failure, whenever it comes, is an event of the stream.
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("X-Amz-Executed-Version", _VERSION),
            ("x-amzn-RequestId", invocation.id),
        ]
        await exchange.start(200, headers)
        bucket = Bandwidth(self._bandwidth) if self._bandwidth is not None else None
        async for piece in invocation.reply.pieces():
            if bucket is not None:
                await bucket.spend(len(piece))
            await exchange.write(payload_chunk(piece))
        await exchange.write(invoke_complete(await _completion(invocation, tail=tail)))
        await exchange.finish()


async def _completion(invocation: Invocation, *, tail: bool) -> bytes:
    complete: dict[str, str] = {}
    if (failure := invocation.reply.failure) is not None:
        complete["ErrorCode"] = failure.type
        complete["ErrorDetails"] = failure.body.decode(errors="replace")
    if tail:
        await invocation.is_reported.wait()
        complete["LogResult"] = base64.b64encode(invocation.log_tail).decode()
    return json.dumps(complete).encode()


async def _answer_whole(exchange: Exchange, invocation: Invocation, *, tail: bool) -> None:
    payload = await invocation.reply.read()
    headers = [
        ("Content-Type", "application/json"),
        ("X-Amz-Executed-Version", _VERSION),
        ("x-amzn-RequestId", invocation.id),
    ]
    if (failure := invocation.reply.failure) is not None:
        headers.append(("X-Amz-Function-Error", "Unhandled"))
        payload = failure.body
    if tail:
        await invocation.is_reported.wait()
        headers.append(("X-Amz-Log-Result", base64.b64encode(invocation.log_tail).decode()))
    await exchange.respond(200, headers, payload)


def _client_context(exchange: Exchange) -> str | None:
    encoded = exchange.header("x-amz-client-context")
    if encoded is None:
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        # The header line it becomes has room for ASCII only.
        return json.dumps(json.loads(text))
    except (binascii.Error, UnicodeDecodeError, ValueError) as exc:
        message = f"Client context must be base64 of JSON: {exc}"
        raise _Refused(400, "InvalidRequestContentException", message) from exc


class _Refused(Exception):
    def __init__(self, status: int, type_: str, message: str) -> None:
        super().__init__(message)
        self.status, self.type = status, type_


async def _refuse(exchange: Exchange, status: int, type_: str, message: str) -> None:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", type_)]
    await exchange.respond(status, headers, json.dumps({"Message": message}).encode())
