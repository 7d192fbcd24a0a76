"""``penstock invoke``: call a deployed function and print its stream as it arrives.

Lives here: the command's options, and what is printed of the bytes. Stays out: the call itself
(``penstock.aws``).
"""

from __future__ import annotations

import json
import os
import re
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.console import Mistake, remark
from penstock.cli.model_text import error_after, text_of
from penstock.cli.showing import harmless
from penstock.errors import StreamError
from penstock.formats import NdjsonDecoder, SseDecoder

__all__ = ("invoke", "shown", "without_head")

# What a function that answers HTTP writes before its body: JSON, then eight NULs.
_HEAD_END = b"\0" * 8
_LONGEST_HEAD = 64 * 1024

_SSE_LINE = re.compile(rb"(?:data|event|id|retry)(?::|\r|\n)|:")


def invoke(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="Name or ARN.")],
    payload: Annotated[
        str | None,
        typer.Option(
            "--payload",
            "-p",
            metavar="JSON|@FILE|-",
            help="The event: JSON, a file's with @, or the standard input's with -.",
        ),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Only the text of a model's answer, as it comes.")
    ] = False,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another Lambda, such as penstock lambda's.")
    ] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="AWS region.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="AWS profile.")] = None,
    qualifier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Version or alias of the function.")
    ] = None,
) -> None:
    """Call a deployed Lambda function and print its stream as it arrives.

    Exit codes: 0 the function succeeded; 1 it failed, or could not be called; 2 a mistake in the
    command; 130 Ctrl-C.
    """
    event = _event(payload)
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as exc:
        raise Mistake('invoke needs boto3: run  pip install "penstock[aws]"', code=1) from exc
    from penstock.aws import invoke_stream

    options: dict[str, Any] = {} if qualifier is None else {"Qualifier": qualifier}
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        # A function may be silent for as long as it may run, and is not called twice for that.
        config = Config(read_timeout=900, retries={"max_attempts": 0})
        client = session.client("lambda", endpoint_url=endpoint_url, config=config)
        failed = _print(invoke_stream(function, event, client=client, **options), text)
    except BrokenPipeError:
        # Whoever reads the pipe has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except (StreamError, BotoCoreError, ClientError, ValueError) as exc:
        raise Mistake(str(exc), code=1) from exc
    if failed is not None:
        raise Mistake(f"the stream ended in an error: {failed}", code=1)


def _print(chunks: Iterable[bytes], text: bool) -> str | None:
    """Print the stream; return what went wrong in it, if it ended so."""
    is_terminal = sys.stdout.isatty()
    failed: str | None = None
    last = "\n"
    try:
        for piece, error in shown(without_head(chunks), text):
            failed = error
            sys.stdout.write(harmless(piece) if is_terminal else piece)
            sys.stdout.flush()
            last = piece[-1:] or last
    finally:
        if is_terminal and last != "\n":
            print()
    return failed


def without_head(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the body's bytes; an HTTP head before them is told on stderr when it is an error's."""
    held = b""
    chunks = iter(chunks)
    for chunk in chunks:
        held += chunk
        head, end, body = held.partition(_HEAD_END)
        if end:
            _tell(head)
            yield body
            break
        # A head is one line of JSON: what ends a line, or begins otherwise, is none.
        partial = held.rstrip(b"\0")
        if not held.startswith(b"{") or b"\n" in partial or len(held) > _LONGEST_HEAD:
            yield held
            break
    else:
        if held:
            yield held
    yield from chunks


def _tell(head: bytes) -> None:
    try:
        status = json.loads(head).get("statusCode", 200)
    except (ValueError, AttributeError):
        return
    if isinstance(status, int) and status >= 400:
        remark(f"HTTP status {status}")


def shown(chunks: Iterable[bytes], text: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what is to be printed, and the error that the stream ended in so far, if any."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    # Enough to see what it is.
    while 0 < len(first) < 6 and (more := next(chunks, b"")):
        first += more
    decoder = _decoder(first) if text else None
    if decoder is None:
        yield from ((piece, None) for piece in _plain(first, chunks))
        return
    failed: str | None = None
    for chunk in _all(first, chunks):
        for item in decoder.feed(chunk):
            failed = error_after(failed, item)
            yield text_of(item), failed
    for item in decoder.close():
        failed = error_after(failed, item)
        yield text_of(item), failed


def _decoder(first: bytes) -> SseDecoder | NdjsonDecoder | None:
    if _SSE_LINE.match(first):
        return SseDecoder()
    return NdjsonDecoder() if first.startswith(b"{") else None


def _plain(first: bytes, chunks: Iterator[bytes]) -> Iterator[str]:
    decode = getincrementaldecoder("utf-8")(errors="replace").decode
    for chunk in _all(first, chunks):
        yield decode(chunk)
    yield decode(b"", True)


def _all(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _event(payload: str | None) -> bytes:
    """Return the event that ``--payload`` says, as JSON.

    Raises:
        Mistake: It is not JSON, or there is no such file.
    """
    if payload is None:
        return b"{}"
    try:
        if payload == "-":
            found = sys.stdin.buffer.read()
        elif payload.startswith("@"):
            found = Path(payload[1:]).read_bytes()
        else:
            found = payload.encode()
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise Mistake(f"cannot read {payload[1:]}: {reason}") from exc
    try:
        json.loads(found)
    except ValueError as exc:
        raise Mistake(f"--payload is not JSON: {exc}") from exc
    return found
