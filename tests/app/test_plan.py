"""Mistakes that show at definition are raised there. Covers M7."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Event, InvalidField, InvalidOption, Sse, Stream, endpoint
from penstock.errors import UsageError

# Type checkers see most of these mistakes too; here they must not.
make: Any = endpoint
make_stream: Any = Stream


async def handler(ctx: Any) -> Any:
    yield "x"


async def middleware(ctx: Any, call_next: Any) -> Any:
    return await call_next(ctx)


class NotAFunction:
    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        return await call_next(ctx)


# what is written, and words of the message
MISTAKES: dict[str, tuple[Any, str]] = {
    # the handler
    "no handler": (lambda: make()(None), "handler"),
    "a handler that is a value": (lambda: make().get(["x"]), "handler"),
    "a handler that is a class": (lambda: make(dict), "handler"),
    "a handler without a context": (lambda: make(lambda: "x"), "one Context"),
    "a handler of two": (lambda: make(lambda ctx, more: "x"), "one Context"),
    "a generator that was called": (lambda: make().get(handler(None)), "handler"),
    # the format and its options
    "unknown format": (lambda: make(format="xml"), "'ndjson'"),
    "a format class": (lambda: make(format=Sse), "format"),
    "unknown option": (lambda: make(keepalive=3), "keep_alive"),
    "an option of another format": (lambda: make(format="text", retry=3), "retry"),
    "keep-alive where there is none": (lambda: make(format="text", keep_alive=3), "keep_alive"),
    "milliseconds": (lambda: make(keep_alive=15000), "in seconds"),
    "a keep-alive of zero": (lambda: make(keep_alive=0), "keep_alive"),
    "a keep-alive of True": (lambda: make(keep_alive=True), "keep_alive"),
    "a text as time": (lambda: make(timeout="3"), "timeout"),
    "no number": (lambda: make(idle_timeout=float("nan")), "idle_timeout"),
    "an unknown commit": (lambda: make(commit="late"), "first"),
    "an unknown shutdown": (lambda: make(on_shutdown="now"), "drain"),
    "throw of text": (lambda: make(throw="yes"), "throw"),
    "scrub of text": (lambda: make(scrub="all"), "scrub"),
    "retry as a float": (lambda: make(retry=1.5), "retry"),
    "a forged error event": (lambda: make(error_event="a\nb"), "error_event"),
    "a forged end mark": (lambda: make(done="a\nb"), "done"),
    # the head
    "an interim status": (lambda: make(status=100), "status"),
    "a status of text": (lambda: make(status="200"), "status"),
    "a forged header": (lambda: make(headers={"x-a": "1\r\nx-b: 2"}), "x-a"),
    "a forged content type": (lambda: make(content_type="a\nb"), "content-type"),
    # the request
    "methods as text": (lambda: make(methods="GET"), "list of methods"),
    "no methods": (lambda: make(methods=[]), "at least one"),
    "an unknown method": (lambda: make(methods=["FETCH"]), "FETCH"),
    "a route's methods as text": (lambda: make().route("GET", handler), "list of methods"),
    "a route's unknown method": (lambda: make().route(["FETCH"], handler), "FETCH"),
    "a negative max_body": (lambda: make(max_body=-1), "max_body"),
    "unavailable as text": (lambda: make(unavailable="no"), "unavailable"),
    # the chain
    "setup that is a value": (lambda: make(setup=3), "setup"),
    "setup with a value in it": (lambda: make(setup=[print, 3]), "setup"),
    "teardown of text": (lambda: make(teardown="close"), "teardown"),
    "validate of a value": (lambda: make(validate={"a": 1}), "validate"),
    "a guard that is a value": (lambda: make().guard(True), "guard"),
    "a guard of None": (lambda: make().guard(None), "guard"),
    "a guard's status": (lambda: make().guard(print, status=200), "status"),
    "a middleware that is no coroutine": (lambda: make().use(print), "async def"),
    "a middleware that was called": (lambda: make().use(3), "async def"),
    "a wrap that is a value": (lambda: make().wrap("cors"), "wrap"),
    # the same for a Stream
    "a Stream in no format": (lambda: make_stream([], format="xml"), "'ndjson'"),
    "a Stream with an unknown option": (lambda: make_stream([], keepalive=3), "keep_alive"),
    "an Event that forges": (lambda: Event("x", event="a\nb"), "event"),
}


# M7, W4, W7, H2
@pytest.mark.parametrize(("define", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_at_definition(define: Any, words: str) -> None:
    with pytest.raises((InvalidOption, InvalidField)) as caught:
        define()
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, ValueError)
    assert words in str(caught.value)


# what looks like a mistake and is none
FINE: dict[str, Any] = {
    "bare": lambda: make(handler),
    "a method in small letters": lambda: make(methods=("get",))(handler),
    "a callable object": lambda: make().use(NotAFunction()).get(handler),
    "a handler with a default": lambda: make(lambda ctx, more=1: "x"),
    "one callable for a list": lambda: make(setup=print, teardown=print, validate=print),
    "None for a list": lambda: make(setup=None, teardown=None, validate=None),
    "empty lists": lambda: make(setup=[], teardown=(), validate=[]),
    "no keep-alive": lambda: make(keep_alive=None),
    "an hour": lambda: make(timeout=3600),
    "a format object": lambda: make(format=Sse(done=None)),
    "a middleware class": lambda: make().wrap(dict, a=1),
    "none of several middlewares": lambda: make().use(),
    "several middlewares": lambda: make().use(middleware, middleware),
}


@pytest.mark.parametrize("define", FINE.values(), ids=FINE)
def test_no_mistake(define: Any) -> None:
    assert define() is not None
