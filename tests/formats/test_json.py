"""Any value to JSON, by both paths: with orjson and with the standard library alone."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import subprocess
import sys
import types
import uuid
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest

from penstock.chunk import Data, Done, Usage
from penstock.errors import NotSerializable
from penstock.formats import _json
from penstock.formats._json import dumps


@pytest.fixture(params=["orjson", "standard"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test twice."""
    if request.param == "standard":
        monkeypatch.setattr(_json, "fast_dumps", _json._standard_dumps)
    else:
        pytest.importorskip("orjson")
    return str(request.param)


class Colour(enum.Enum):
    RED = "red"
    NESTED = (1, dt.date(2026, 1, 2))


class Level(enum.IntEnum):
    HIGH = 3


class Kind(enum.StrEnum):
    TICK = "tick"


class Shouting(str):
    def __str__(self) -> str:
        return self.upper()


class Rounded(int):
    def __int__(self) -> int:
        return 0


class Ratio(float):
    pass


class Bag(list[Any]):
    pass


class Proxy(collections.UserDict[str, Any]):
    pass


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Row:
    name: str
    when: Any = None
    _hidden: int = 1
    kind: dataclasses.InitVar[int] = 0


class Model(pydantic.BaseModel):
    name: str
    when: dt.date
    price: decimal.Decimal = decimal.Decimal("1.10")


class Record(msgspec.Struct):
    name: str
    when: dt.date


DAY = dt.date(2026, 1, 2)
UID = uuid.UUID("12345678-1234-5678-1234-567812345678")
ZONE = dt.timezone(dt.timedelta(hours=2))

VALUES: dict[str, tuple[Any, Any]] = {
    "scalars": ([None, True, False, 0, -1, 1.5, "x"], [None, True, False, 0, -1, 1.5, "x"]),
    "empty": ([{}, [], ""], [{}, [], ""]),
    "nan": ({"a": [float("nan"), 1.0]}, {"a": [None, 1.0]}),
    "infinities": ([float("inf"), float("-inf")], [None, None]),
    "big floats": ([1e16, 5e-324, 1.7976931348623157e308], [1e16, 5e-324, 1.7976931348623157e308]),
    "ints past 64 bits": ([2**64, -(2**70), 2**63], [2**64, -(2**70), 2**63]),
    "beyond ASCII": ("é\u2028😀\x7f", "é\u2028😀\x7f"),
    "control characters": ('\x00\n\r\t\x1f"\\', '\x00\n\r\t\x1f"\\'),
    "datetime": (
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001  # without a zone, on purpose
        "2026-01-02T03:04:05.000006",
    ),
    "datetime with zone": (dt.datetime(2026, 1, 2, tzinfo=ZONE), "2026-01-02T00:00:00+02:00"),
    "datetime in UTC": (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00+00:00"),
    "date": (DAY, "2026-01-02"),
    "time": (dt.time(1, 2, tzinfo=dt.UTC), "01:02:00+00:00"),
    "uuid": (UID, str(UID)),
    "decimal": ([decimal.Decimal("1.10"), decimal.Decimal("NaN")], ["1.10", "NaN"]),
    "enum": (Colour.RED, "red"),
    "enum of other values": (Colour.NESTED, [1, "2026-01-02"]),
    "int and str enums": ([Level.HIGH, Kind.TICK], [3, "tick"]),
    "dataclass": (Row("a", DAY), {"name": "a", "when": "2026-01-02", "_hidden": 1}),
    "pydantic": (
        Model(name="a", when=DAY),
        {"name": "a", "when": "2026-01-02", "price": "1.10"},
    ),
    "msgspec": (Record("a", DAY), {"name": "a", "when": "2026-01-02"}),
    "mapping": (types.MappingProxyType({"a": Proxy(b=1)}), {"a": {"b": 1}}),
    "ordered and counted": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "tuple": ((1, (2,)), [1, [2]]),
    "named tuple": (Point(1, DAY), [1, "2026-01-02"]),
    "list subclass": (Bag([1, Bag()]), [1, []]),
    "str subclass": (Shouting("a"), "a"),
    "int subclass": (Rounded(7), 7),
    "float subclass": ([Ratio(1.5), Ratio("nan")], [1.5, None]),
    "chunk": (Data("n", {"d": DAY}), {"type": "data", "name": "n", "data": {"d": "2026-01-02"}}),
    "chunk in a chunk": (
        {"c": Done(usage=Usage(input=1))},
        {"c": {"type": "done", "finish_reason": "stop", "usage": {"type": "usage", "input": 1}}},
    ),
    "keys that are not str": (
        {2: "a", 1.5: "b", True: "c", None: "d", Kind.TICK: "e", Level.HIGH: "f"},
        {"2": "a", "1.5": "b", "true": "c", "null": "d", "tick": "e", "3": "f"},
    ),
    "key that is not a number": ({float("nan"): 1}, {"NaN": 1}),
    "str subclass as key": ({Shouting("a"): 1}, {"a": 1}),
    "same object twice": ([DAYS := [DAY], DAYS], [["2026-01-02"], ["2026-01-02"]]),
    "nan beside everything": (
        [float("nan"), Row("a"), Point(1, 2), Kind.TICK, {Level.HIGH: UID}],
        [None, {"name": "a", "when": None, "_hidden": 1}, [1, 2], "tick", {"3": str(UID)}],
    ),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES)
def test_same_values_by_both_paths(value: Any, expected: Any) -> None:
    # W11
    encoded = dumps(value)

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    assert json.loads(encoded, parse_constant=refuse) == expected


def test_compact_on_one_line_in_utf8() -> None:
    # W2, W12
    assert dumps({"a": ["é", "\n", 1]}) == '{"a":["é","\\n",1]}'.encode()


class Opaque:
    pass


class Raising(pydantic.BaseModel):
    value: Any

    @pydantic.model_serializer
    def fail(self) -> Any:
        raise RuntimeError("no")


def circle() -> Any:
    inner: dict[str, Any] = {}
    inner["again"] = [inner]
    return {"a": inner}


def dataclass_circle() -> Any:
    row = Row("a")
    row.when = [row]
    return row


def deep() -> Any:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    return value


REFUSED: dict[str, tuple[Any, str, str]] = {
    "object": (Opaque(), "$", "Opaque"),
    "class": ({"a": Row}, "$.a", "type"),
    "set": ({"a": [1, 2, 3, {"b": {1}}]}, "$.a[3].b", "set"),
    "bytes": ([b"x"], "$[0]", "bytes"),
    "timedelta": ([dt.timedelta(1)], "$[0]", "timedelta"),
    "key": ({"a": {(1, 2): 1}}, "$.a.(1, 2)", "tuple"),
    "key that has a form as a value": ({DAY: 1}, "$.2026-01-02", "date"),
    "inside a dataclass": ({"row": Row("a", {1})}, "$.row.when", "set"),
    "inside a mapping": (types.MappingProxyType({"m": Proxy(x=b"")}), "$.m.x", "bytes"),
    "inside a chunk": (Data("n", [Opaque()]), "$.data[0]", "Opaque"),
    "behind a nan": ([float("nan"), Opaque()], "$[1]", "Opaque"),
    "lone surrogate": ({"a": "\ud800"}, "$.a", "str"),
    "lone surrogate in a key": ({"\udc00": 1}, "$.\udc00", "str"),
    "lone surrogate in a subclass": ([Shouting("\ud800")], "$[0]", "str"),
    "circle": (circle(), "$.a.again[0]", "dict"),
    "circle through a dataclass": (dataclass_circle(), "$.when[0]", "Row"),
    "too deep": (deep(), "$", "list"),
    "more digits than Python writes": ([10**5000], "$", "list"),
    "model that raises": ([1, Raising(value=1)], "$[1]", "Raising"),
    "msgspec that holds an object": ([msgspec.defstruct("S", ["x"])(Opaque())], "$[0]", "S"),
}


@pytest.mark.parametrize(("value", "where", "kind"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_place(value: Any, where: str, kind: str) -> None:
    # W10, W12
    with pytest.raises(NotSerializable) as caught:
        dumps(value)
    assert (caught.value.path, caught.value.kind) == (where, kind)


def test_message_says_why_a_model_failed() -> None:
    with pytest.raises(NotSerializable, match=r"Raising at \$ as JSON \(.*no"):
        dumps(Raising(value=1))


def test_without_orjson() -> None:
    # W11
    program = (
        "import sys; sys.modules['orjson'] = None\n"
        "from penstock.formats import _json\n"
        "sys.stdout.buffer.write(_json.dumps({'a': [float('nan'), 2**64]}))\n"
        "assert _json.fast_dumps is _json._standard_dumps"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b'{"a":[null,18446744073709551616]}'
