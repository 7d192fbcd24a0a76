"""Server-sent events: values to bytes."""

from __future__ import annotations

import dataclasses
import enum
import types
from typing import Any, ClassVar

import msgspec
import pydantic
import pytest

from penstock import chunk
from penstock.errors import (
    HttpError,
    InvalidField,
    InvalidOption,
    NotSerializable,
    Problem,
    UnsupportedItem,
)
from penstock.event import Event, ServerSentEvent
from penstock.formats import Sse, _json, format_sse
from penstock.formats import sse as module
from penstock.formats.sse import SseEncoder


class Name(enum.StrEnum):
    TICK = "tick"


@dataclasses.dataclass
class Row:
    type: str = "row"


@dataclasses.dataclass
class Tagged:
    type: ClassVar[str] = "tagged"
    x: int = 1


class Model(pydantic.BaseModel):
    type: str = "model"


class Struct(msgspec.Struct, tag="struct"):
    x: int = 1


class Unhelpful(pydantic.BaseModel):
    @pydantic.model_serializer
    def fail(self) -> Any:
        raise RuntimeError("no")


ITEMS: dict[str, tuple[Any, bytes]] = {
    # W1
    "named": ({"type": "text", "n": 1}, b'event: text\ndata: {"type":"text","n":1}\n\n'),
    "every character": ({"type": "aZ09._:-"}, b'event: aZ09._:-\ndata: {"type":"aZ09._:-"}\n\n'),
    "64 of them": (
        {"type": "x" * 64},
        b'event: %b\ndata: {"type":"%b"}\n\n' % (b"x" * 64, b"x" * 64),
    ),
    "mapping": (types.MappingProxyType({"type": "m"}), b'event: m\ndata: {"type":"m"}\n\n'),
    "enum type": ({"type": Name.TICK}, b'event: tick\ndata: {"type":"tick"}\n\n'),
    "dataclass": (Row(), b'event: row\ndata: {"type":"row"}\n\n'),
    "type on the class": (Tagged(), b'event: tagged\ndata: {"x":1}\n\n'),
    "pydantic": (Model(), b'event: model\ndata: {"type":"model"}\n\n'),
    "msgspec": (Struct(), b'event: struct\ndata: {"type":"struct","x":1}\n\n'),
    "chunk": (chunk.Text("hi"), b'event: text\ndata: {"type":"text","content":"hi"}\n\n'),
    "no type": ({"i": 1}, b'data: {"i":1}\n\n'),
    "65 characters": ({"type": "x" * 65}, b'data: {"type":"%b"}\n\n' % (b"x" * 65)),
    "no characters": ({"type": ""}, b'data: {"type":""}\n\n'),
    "type error": ({"type": "error"}, b'data: {"type":"error"}\n\n'),
    "type message": ({"type": "message"}, b'data: {"type":"message"}\n\n'),
    "type with a line end": ({"type": "a\nb"}, b'data: {"type":"a\\nb"}\n\n'),
    "type with a line end last": ({"type": "a\n"}, b'data: {"type":"a\\n"}\n\n'),
    "type beyond ASCII": ({"type": "é"}, 'data: {"type":"é"}\n\n'.encode()),
    "type a list": ({"type": ["x"]}, b'data: {"type":["x"]}\n\n'),
    "type null": ({"type": None}, b'data: {"type":null}\n\n'),
    "dataclass without a name": (Row("a b"), b'data: {"type":"a b"}\n\n'),
    # W3
    "str": ("hi", b"data: hi\n\n"),
    "str that looks quoted": ('"hi"', b'data: "hi"\n\n'),
    "line ends": ("a\nb\rc\r\nd", b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
    "line end last": ("a\n", b"data: a\ndata: \n\n"),
    "leading space": (" a", b"data:  a\n\n"),
    "other separators are data": (
        "a\x0b\x0c\x85\u2028\u2029b\0",
        "data: a\x0b\x0c\x85\u2028\u2029b\0\n\n".encode(),
    ),
    "list": ([1, "a"], b'data: [1,"a"]\n\n'),
    "number": (1, b"data: 1\n\n"),
    "true": (True, b"data: true\n\n"),
    # W6
    "empty str": ("", b"data: \n\n"),
    "None": (None, b"data: null\n\n"),
    "event of empty str": (Event(""), b"data: \n\n"),
    "event of None": (Event(event="x"), b"event: x\ndata: null\n\n"),
    "event of nothing": (Event(), b"data: null\n\n"),
    "id alone": (Event(id="7"), b"id: 7\n\n"),
    "empty id alone": (Event(id=""), b"id: \n\n"),
    "comment alone": (Event(comment="hi"), b": hi\n"),
    # W7
    "retry alone": (Event(retry=5), b":\nretry: 5\n"),
    "retry and comment": (Event(retry=5, comment="c"), b": c\nretry: 5\n"),
    "retry and id": (Event(retry=5, id=1, comment="c"), b": c\nid: 1\nretry: 5\n\n"),
    "retry 0": (Event("x", retry=0), b"retry: 0\ndata: x\n\n"),
    # W8
    "name message": (Event("x", event="message"), b"data: x\n\n"),
    "name message and id": (Event("x", event="message", id="1"), b"id: 1\ndata: x\n\n"),
    "empty name": (Event("x", event=""), b"data: x\n\n"),
    # W9
    "every field": (
        Event({"a": 1}, event="tick", id="7", retry=1500, comment="c"),
        b': c\nevent: tick\nid: 7\nretry: 1500\ndata: {"a":1}\n\n',
    ),
    "int id": (Event("x", id=42), b"id: 42\ndata: x\n\n"),
    "type does not name an event": (Event({"type": "x"}), b'data: {"type":"x"}\n\n'),
    "name of spaces": (Event("x", event=" a "), b"event:  a \ndata: x\n\n"),
    "enum name": (Event("x", event=Name.TICK), b"event: tick\ndata: x\n\n"),
    "chunk in an event": (
        Event(chunk.Text("hi"), event="t"),
        b'event: t\ndata: {"type":"text","content":"hi"}\n\n',
    ),
    # W5
    "comment of lines": (
        Event("x", comment="a\nb\rdata: c\r\n"),
        b": a\n: b\n: data: c\n:\ndata: x\n\n",
    ),
    "empty comment": (Event("x", comment=""), b":\ndata: x\n\n"),
    # W16
    "error chunk": (
        chunk.Error(429, "Slow down", "later"),
        b'event: error\ndata: {"errors":[{"status":429,"title":"Slow down","detail":"later"}]}\n\n',
    ),
    "received event": (
        ServerSentEvent("tick", "a\nb", "7", 5),
        b"event: tick\nid: 7\nretry: 5\ndata: a\ndata: b\n\n",
    ),
    "received event of defaults": (ServerSentEvent(), b"data: \n\n"),
}


@pytest.mark.parametrize("fast", [True, False], ids=["orjson", "standard"])
@pytest.mark.parametrize(("item", "wire"), ITEMS.values(), ids=ITEMS)
def test_format(item: Any, wire: bytes, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # W1, W3, W5, W6, W7, W8, W9, W16
    if not fast:
        monkeypatch.setattr(_json, "fast_dumps", _json._standard_dumps)
    assert format_sse(item) == wire
    assert format_sse(item) == wire, "the second time, from the cache"
    if not isinstance(item, chunk.Error):
        assert Sse().encoder(end_mark=False).item(item) == wire


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\0"], ids=["LF", "CR", "CRLF", "NUL"])
@pytest.mark.parametrize("text", ["{}", "a{}", "{}a", "a{}data: forged{}{}"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_nothing_forges_a_field(field: str, text: str, end: str) -> None:
    # W4
    value = text.replace("{}", end)
    fields: dict[str, Any] = {field: value}
    with pytest.raises(InvalidField) as caught:
        Event("x", **fields)
    assert caught.value.field == field
    changed = Event("x")
    setattr(changed, field, value)  # past the check at the making
    with pytest.raises(InvalidField):
        format_sse(changed)
    with pytest.raises(InvalidField):
        format_sse(ServerSentEvent(**fields))


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "bytes": (b"x", UnsupportedItem),
    "bytearray": (bytearray(), UnsupportedItem),
    "memoryview": (memoryview(b"x"), UnsupportedItem),
    "object": (object(), NotSerializable),
    "event of bytes": (Event(b"x"), NotSerializable),
    "model that raises": (Unhelpful(), NotSerializable),
    "surrogate": ("\ud800", NotSerializable),
    "surrogate in a comment": (Event("x", comment="\ud800"), NotSerializable),
    "surrogate in a name": (Event("x", event="\ud800"), InvalidField),
    "surrogate in an id": (Event("x", id="\ud800"), InvalidField),
}


@pytest.mark.parametrize(("item", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(item: Any, error: type[Exception]) -> None:
    # W4, W10, W12, W16
    with pytest.raises(error):
        format_sse(item)


@pytest.mark.parametrize("name", [7, b"x", ["x"], None.__class__])
def test_a_name_set_later_is_a_str(name: Any) -> None:
    # W4
    event = Event("x")
    event.event = name
    with pytest.raises(InvalidField):
        format_sse(event)


@pytest.mark.parametrize("retry", [True, 1.5, -1, "5"])
def test_retry_is_a_whole_number(retry: Any) -> None:
    # W7
    with pytest.raises(InvalidField):
        Event("x", retry=retry)
    with pytest.raises(InvalidField):
        Sse(retry=retry)
    event = Event("x")
    event.retry = retry
    with pytest.raises(InvalidField):
        format_sse(event)


def test_serializer_makes_the_text_of_every_value() -> None:
    # W3
    def shout(value: Any) -> str:
        return f"<{value}>\n!"

    assert format_sse("a", serializer=shout) == b"data: <a>\ndata: !\n\n"
    assert format_sse(Event(None, event="x"), serializer=shout).startswith(
        b"event: x\ndata: <None>"
    )
    assert (
        format_sse({"type": "t"}, serializer=lambda _: b"\xc3\xa9")
        == "event: t\ndata: é\n\n".encode()
    )
    assert Sse(serializer=shout).encoder(end_mark=True).item(1) == b"data: <1>\ndata: !\n\n"


@pytest.mark.parametrize("result", [None, 1, b"\xff", "\ud800", {}])
def test_serializer_must_return_text(result: Any) -> None:
    # W10
    with pytest.raises(NotSerializable):
        format_sse({"a": 1}, serializer=lambda _: result)


def test_name_from() -> None:
    # W1
    item = {"type": "a", "kind": "b"}
    assert format_sse(item, name_from=None).startswith(b"data: ")
    assert format_sse(item, name_from="kind").startswith(b"event: b\n")
    assert format_sse({None: "x"}, name_from=None) == b'data: {"null":"x"}\n\n'
    encoder = Sse(name_from=None).encoder(end_mark=True)
    assert encoder.item(chunk.Text("x")).startswith(b"data: ")
    assert encoder.item(chunk.Done()).startswith(b"id: ~end\ndata: ")


def test_names_that_never_return_do_not_pile_up() -> None:
    for i in range(5000):
        assert format_sse(Event("x", event=f"n{i}")) == f"event: n{i}\ndata: x\n\n".encode()
        assert format_sse({"type": f"n{i}"}).startswith(f"event: n{i}\n".encode())
    assert len(module._heads) <= module._CACHED
    assert len(module._kind_heads) <= module._CACHED


PROBLEM = Problem(404, None, "no such export")
PROBLEM_JSON = b'{"errors":[{"status":404,"title":"Not Found","detail":"no such export"}]}'


def encoder(*, end_mark: bool = True, **options: Any) -> SseEncoder:
    return Sse(**options).encoder(end_mark=end_mark)


FRAMES: dict[str, tuple[Any, bytes]] = {
    # W7: never a block of its own
    "open": (encoder().open(), b""),
    "open with retry": (encoder(retry=3000).open(), b"retry: 3000\n"),
    # E0, F3
    "control": (encoder().control("open"), b": open\n"),
    "keep-alive": (encoder().keep_alive(), b": keep-alive\n"),
    # E2, F12
    "error": (
        encoder().error(PROBLEM),
        b"event: error\nid: ~end\ndata: " + PROBLEM_JSON + b"\n\n",
    ),
    "error by hand": (
        encoder(end_mark=False).error(PROBLEM),
        b"event: error\ndata: " + PROBLEM_JSON + b"\n\n",
    ),
    "error without marks": (
        encoder(done=None, error_event="oops").error(PROBLEM),
        b"event: oops\ndata: " + PROBLEM_JSON + b"\n\n",
    ),
    "error that UTF-8 cannot tell": (
        encoder(done=None).error(Problem(404, "\ud800")),
        b'event: error\ndata: {"errors":[{"status":404,"title":"Not Found"}]}\n\n',
    ),
    # F12
    "completed": (encoder().close("completed"), b"event: done\nid: ~end\ndata: \n\n"),
    "completed, renamed": (
        encoder(done="end").close("completed"),
        b"event: end\nid: ~end\ndata: \n\n",
    ),
    "completed without marks": (encoder(done=None).close("completed"), b""),
    "completed by hand": (encoder(end_mark=False).close("completed"), b""),
    # F8
    "shutdown": (encoder().close("shutdown"), b": shutdown\nretry: 1000\n"),
    "shutdown with retry": (encoder(retry=5).close("shutdown"), b": shutdown\nretry: 5\n"),
    "disconnected": (encoder().close("disconnected"), b""),
    "error end": (encoder().close("error"), b""),
    "closed": (encoder().close("closed"), b""),
}


@pytest.mark.parametrize(("written", "wire"), FRAMES.values(), ids=FRAMES)
def test_what_stands_around_the_items(written: bytes, wire: bytes) -> None:
    assert written == wire


def test_a_models_done_carries_the_end_mark() -> None:
    # F12
    marked = encoder()
    done = b'event: done\nid: ~end\ndata: {"type":"done","finish_reason":"stop"}\n\n'
    assert marked.item(chunk.Done()) == done
    assert marked.close("completed") == b""
    for unmarked in (encoder(end_mark=False), encoder(done=None)):
        assert b"id:" not in unmarked.item(chunk.Done())


def test_a_done_that_cannot_be_written_leaves_the_mark_owed() -> None:
    # W10, F12
    marked = encoder()
    with pytest.raises(NotSerializable):
        marked.item(chunk.Done(finish_reason="\ud800"))
    assert b"id: ~end" in marked.error(PROBLEM)


@pytest.mark.parametrize(("status", "told"), [(429, 429), (200, 400), (999, 599)])
def test_a_models_error_ends_the_stream(status: int, told: int) -> None:
    # W16
    with pytest.raises(HttpError) as caught:
        encoder().item(chunk.Error(status, "t", "d"))
    assert (caught.value.status, caught.value.title, caught.value.detail) == (told, "t", "d")


def test_the_format_itself() -> None:
    # H1
    sse = Sse()
    assert (sse.name, sse.content_type, sse.keep_alive) == ("sse", "text/event-stream", 15.0)
    assert sse.headers == {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


BAD_OPTIONS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "name_from": ({"name_from": 1}, InvalidOption),
    "serializer": ({"serializer": "json"}, InvalidOption),
    "done": ({"done": "a\nb"}, InvalidField),
    "done of bytes": ({"done": b"x"}, InvalidField),
    "error_event": ({"error_event": "a\0"}, InvalidField),
    "error_event None": ({"error_event": None}, InvalidField),
}


@pytest.mark.parametrize(("options", "error"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_options_are_checked_when_given(options: dict[str, Any], error: type[Exception]) -> None:
    # M7
    with pytest.raises(error):
        Sse(**options)
