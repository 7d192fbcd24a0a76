"""A Lambda function on this machine, behind the doors that AWS gives it.

Lives here: ``LocalLambda``, which puts the parts together and takes them down. Stays out: what
each of them does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penstock.aws.emulator.function_url import FunctionUrl, InvokeMode
from penstock.aws.emulator.http import HttpServer, bind
from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.invoke_api import InvokeApi
from penstock.aws.emulator.journal import Journal, Line
from penstock.aws.emulator.pool import Pool
from penstock.aws.emulator.process import default_command, lambda_environment
from penstock.aws.emulator.reply import Failure
from penstock.aws.emulator.sandbox import Settings
from penstock.aws.emulator.watch import changes, snapshot
from penstock.errors import InvalidOption, StreamError

__all__ = ("FunctionFailed", "InvokeResult", "LocalLambda")


class FunctionFailed(StreamError):
    """The function failed in the middle of a stream.

    Attributes:
        type: AWS's error type, or the function's own.
        body: The error as JSON.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.type}: {failure.message}")
        self.type, self.body = failure.type, failure.body


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """What ``Invoke`` answers.

    Attributes:
        request_id: The invocation's.
        payload: What the function returned, whole; the error as JSON when it failed.
        content_type: Of the function's answer; empty when it failed before it had one.
        error_type: Why it failed; None when it did not.
        log: The end of its log, up to 4 KB.
    """

    request_id: str
    payload: bytes
    content_type: str
    error_type: str | None
    log: str

    def json(self) -> Any:
        """Return the payload's value."""
        return json.loads(self.payload)


class LocalLambda:
    """Runs ``handler`` as Lambda would: ``async with LocalLambda("app.handler") as fn``.

    Each process is a real one, under awslambdaric, that talks to a Runtime API of its own.

    Args:
        handler: ``module.function``, as in the function's configuration.
        cwd: The function's code; it is on the path. None is the working directory.
        env: Variables beside those of this process and Lambda's own; they win.
        name: The function's name, for SDKs.
        timeout: Seconds an invocation may take.
        init_timeout: Seconds a process may take to start. AWS has 10 and then starts anew.
        memory: MB; told to the function, not enforced.
        concurrency: How many processes there may be, each with one invocation at a time.
        max_concurrency: As on managed instances: invocations that one process takes at once.
        backlog: How many invocations may wait; one more is throttled.
        invoke_mode: The Function URL's.
        bandwidth: Bytes a second past the first 6 MiB of a stream; AWS has 2 MiB. None: no cap.
        host: Address to listen on.
        port: The Function URL's port; 0 picks a free one. Or a socket that listens already.
        api_port: The same, for SDKs.
        python: Interpreter that has awslambdaric and the function's packages; None is this one.
        command: Run this instead, such as another runtime; it finds AWS_LAMBDA_RUNTIME_API.
        reload: Start anew when a Python file under ``cwd`` changes.
        on_line: Called with each line of the log.

    Raises:
        InvalidOption: A number that is not above zero, or a handler without a dot.
    """

    def __init__(
        self,
        handler: str,
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        name: str = "function",
        timeout: float = 30.0,
        init_timeout: float = 30.0,
        memory: int = 1024,
        concurrency: int = 1,
        max_concurrency: int | None = None,
        backlog: int = 100,
        invoke_mode: InvokeMode = "RESPONSE_STREAM",
        bandwidth: float | None = None,
        host: str = "127.0.0.1",
        port: int | socket.socket = 0,
        api_port: int | socket.socket = 0,
        python: str | None = None,
        command: Sequence[str] | None = None,
        reload: bool = False,
        on_line: Callable[[Line], object] | None = None,
    ) -> None:
        _check(
            handler=handler,
            timeout=timeout,
            init_timeout=init_timeout,
            memory=memory,
            concurrency=concurrency,
            max_concurrency=max_concurrency,
            bandwidth=bandwidth,
        )
        if invoke_mode not in ("BUFFERED", "RESPONSE_STREAM"):
            raise InvalidOption("invoke_mode", invoke_mode, "'BUFFERED' or 'RESPONSE_STREAM'")
        self.name = name
        self.journal = Journal(on_line)
        self._directory = Path(cwd or Path.cwd()).resolve()
        region = os.environ.get("AWS_REGION", "us-east-1")
        self.arn = f"arn:aws:lambda:{region}:000000000000:function:{name}"
        environment = os.environ | lambda_environment(
            name=name, handler=handler, directory=self._directory, memory=memory, region=region
        )
        if max_concurrency is not None:
            environment["AWS_LAMBDA_MAX_CONCURRENCY"] = str(max_concurrency)
            environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances"
        if invoke_mode == "BUFFERED":
            # A function cannot tell this URL from one that streams; our constructs say it so, too.
            environment["PENSTOCK_INVOKE_MODE"] = "buffered"
        self._settings = Settings(
            command=tuple(command or default_command(handler, python)),
            cwd=self._directory,
            env=environment | dict(env or {}),
            arn=self.arn,
            timeout=timeout,
            init_timeout=init_timeout,
            memory=memory,
            max_concurrency=max_concurrency,
        )
        self._pool = Pool(self._settings, self.journal, size=concurrency, backlog=backlog)
        self._where: tuple[str, int | socket.socket, int | socket.socket] = (host, port, api_port)
        self._invoke_mode: InvokeMode = invoke_mode
        self._bandwidth = bandwidth
        self._reload = reload
        self._servers: list[HttpServer] = []
        self._background: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """The Function URL, with a slash at its end."""
        return f"http://{self._server(0).address}/"

    @property
    def endpoint_url(self) -> str:
        """What an SDK takes as its endpoint: ``boto3.client("lambda", endpoint_url=…)``."""
        return f"http://{self._server(1).address}"

    @property
    def logs(self) -> list[Line]:
        """The last lines of the log: the function's own, and the service's."""
        return self.journal.lines

    @property
    def pids(self) -> list[int]:
        """Processes that run for it; each has the function's process as its child."""
        return self._pool.pids

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Open the doors and start the first process; whether it can start is in the log.

        Raises:
            OSError: A port is taken.
        """
        host, *_ = self._where
        # Before anything is loaded: what changes from here on is news.
        before = await asyncio.to_thread(snapshot, self._directory) if self._reload else {}
        url = FunctionUrl(self.submit, mode=self._invoke_mode, bandwidth=self._bandwidth)
        api = InvokeApi(self.submit, name=self.name, arn=self.arn, bandwidth=self._bandwidth)
        try:
            for handle, port in zip((url.handle, api.handle), self._where[1:], strict=True):
                listening = bind(host, port) if isinstance(port, int) else port
                self._servers.append(HttpServer(handle, listening))
                await self._servers[-1].start()
        except OSError:
            await self.aclose()
            raise
        self._background = [asyncio.create_task(self._pool.warm_up())]
        if self._reload:
            self._background.append(asyncio.create_task(self._watch(before)))

    async def aclose(self) -> None:
        """End the processes and close the doors; invocations that run fail."""
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        await self._pool.aclose()
        for server in self._servers:
            await server.aclose()
        self._servers.clear()

    def submit(self, invocation: Invocation) -> None:
        """Have ``invocation`` run; the doors' way in.

        Raises:
            Throttled: As many wait as may.
        """
        self._pool.submit(invocation)

    async def invoke(
        self, payload: object = None, *, client_context: Mapping[str, Any] | None = None
    ) -> InvokeResult:
        """Invoke with ``payload`` (JSON), as the SDK's ``invoke`` does; failures are in the result.

        Raises:
            Throttled: As many wait as may.
        """
        invocation = _invocation(payload, client_context, streamed=False)
        self.submit(invocation)
        reply = invocation.reply
        try:
            body = await reply.read()
        finally:
            reply.abandon()
        await invocation.is_reported.wait()
        failure = reply.failure
        return InvokeResult(
            request_id=invocation.id,
            payload=body if failure is None else failure.body,
            content_type=reply.head.content_type if reply.head is not None else "",
            error_type=failure.type if failure is not None else None,
            log=invocation.log_tail.decode(errors="replace"),
        )

    async def stream(
        self, payload: object = None, *, client_context: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Invoke with ``payload`` (JSON) and yield the answer's bytes as they come.

        Raises:
            FunctionFailed: It failed, before or in the middle of the stream.
            Throttled: As many wait as may.
        """
        invocation = _invocation(payload, client_context, streamed=True)
        self.submit(invocation)
        try:
            async with aclosing(invocation.reply.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            invocation.reply.abandon()
        if invocation.reply.failure is not None:
            raise FunctionFailed(invocation.reply.failure)

    def _server(self, index: int) -> HttpServer:
        if not self._servers:
            raise RuntimeError("the local Lambda is not open; use it in an async with block")
        return self._servers[index]

    async def _watch(self, before: dict[str, int]) -> None:
        async for paths in changes(self._directory, before):
            names = ", ".join(path.removeprefix(f"{self._directory}/") for path in paths[:3])
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            self.journal.say("reload", f"changed: {names}{more}; starting anew")
            self._pool.reload()


def _invocation(
    payload: object, client_context: Mapping[str, Any] | None, *, streamed: bool
) -> Invocation:
    return Invocation(
        json.dumps({} if payload is None else payload).encode(),
        streamed=streamed,
        client_context=json.dumps(client_context) if client_context is not None else None,
    )


def _check(*, handler: str, **numbers: float | None) -> None:
    if "." not in handler.strip("."):
        raise InvalidOption("handler", handler, "module.function, as in app.handler")
    for name, number in numbers.items():
        if number is not None and number <= 0:
            raise InvalidOption(name, number, "a number above 0")
