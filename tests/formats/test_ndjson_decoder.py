"""NDJSON: lines to values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidOption, LineTooLong, PeerError
from penstock.formats import NdjsonDecoder, format_ndjson

DECODED: dict[str, tuple[bytes, list[Any]]] = {
    "nothing": (b"", []),
    "values": (b'{"a":1}\n[2]\n"x"\nnull\ntrue\n', [{"a": 1}, [2], "x", None, True]),
    "CRLF": (b"1\r\n2\r\n", [1, 2]),
    "blank lines": (b"\n \t\n1\n\r\n\n2\n\n", [1, 2]),
    "last line without LF": (b"1\n[2]", [1, [2]]),
    "spaces": (b' { "a" : 1 } \n', [{"a": 1}]),
    "BOM": (b"\xef\xbb\xbf1\n2\n", [1, 2]),
    "beyond ASCII": ('"é😀\u2028"\n'.encode(), ["é😀\u2028"]),
    "ints past 64 bits": (b"18446744073709551616\n", [2**64]),
}


@pytest.mark.parametrize(("wire", "values"), DECODED.values(), ids=DECODED)
def test_decode_wherever_the_bytes_are_cut(wire: bytes, values: list[Any]) -> None:
    # W15
    feedings = [[wire[:cut], wire[cut:]] for cut in range(len(wire) + 1)]
    feedings.append([wire[i : i + 1] for i in range(len(wire))])
    for feeding in feedings:
        decoder = NdjsonDecoder()
        got = [value for piece in feeding for value in decoder.feed(piece)]
        assert got + decoder.close() == values, feeding


def test_a_value_is_out_with_its_line_end() -> None:
    # W15
    decoder = NdjsonDecoder()
    assert decoder.feed(b"1") == []
    assert decoder.feed(b"2\n3") == [12]
    assert decoder.close() == [3]
    assert decoder.close() == []


NOT_JSON: dict[str, tuple[bytes, int]] = {
    "word": (b"1\n\nword\n", 3),
    "two values": (b"1 2\n", 1),
    "NaN": (b"[NaN]\n", 1),
    "infinity": (b"-Infinity\n", 1),
    "bad UTF-8": (b'1\n"\xff"\n', 2),
    "half an object": (b'{"a":\n1}\n', 1),
    "too deep": (b"[" * 200_000 + b"\n", 1),
    "too many digits": (b"9" * 5000 + b"\n", 1),
    "BOM later": (b"1\n\xef\xbb\xbf2\n", 2),
}


@pytest.mark.parametrize(("wire", "line"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_the_peers_error(wire: bytes, line: int) -> None:
    # W15, E7
    decoder = NdjsonDecoder()
    with pytest.raises(PeerError, match=f"line {line} is not JSON"):
        for start in range(0, len(wire), 1000):
            decoder.feed(wire[start : start + 1000])
        decoder.feed(b"")
    for call in (lambda: decoder.feed(b"1\n"), decoder.close):
        with pytest.raises(PeerError):
            call()


def test_a_cut_last_line_is_the_peers_error() -> None:
    # W15
    decoder = NdjsonDecoder()
    assert decoder.feed(b'1\n{"a":') == [1]
    with pytest.raises(PeerError, match="line 2 is not JSON"):
        decoder.close()


def test_values_before_the_bad_line_are_not_lost() -> None:
    # W15
    decoder = NdjsonDecoder()
    assert decoder.feed(b"1\n2\nx\n4\n") == [1, 2]
    with pytest.raises(PeerError, match="line 3"):
        decoder.feed(b"5\n")


@pytest.mark.parametrize("wire", [b'"12345678"', b'"12345678"\n', b"1\n" + b" 2" * 10])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_bounded(wire: bytes, size: int) -> None:
    # W15
    decoder = NdjsonDecoder(max_size=9)
    with pytest.raises(LineTooLong, match="9 bytes") as caught:
        for start in range(0, len(wire), size):
            decoder.feed(wire[start : start + size])
        decoder.feed(b"")
    assert caught.value.limit == 9
    assert NdjsonDecoder(max_size=10).feed(b'"12345678"\n' * 5) == ["12345678"] * 5


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_max_size_is_a_number(size: Any) -> None:
    # M7
    with pytest.raises(InvalidOption):
        NdjsonDecoder(max_size=size)


def test_a_long_line_in_small_pieces() -> None:
    # W15
    wire = b'"' + b"x" * 1_000_000 + b'"\n'
    decoder = NdjsonDecoder()
    got = [v for start in range(0, len(wire), 64) for v in decoder.feed(wire[start : start + 64])]
    assert got == ["x" * 1_000_000]


text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(values, max_size=5), st.integers(min_value=1, max_value=20))
def test_there_and_back(sent: list[Any], size: int) -> None:
    # W2, W12
    wire = b"".join(map(format_ndjson, sent))
    assert wire.count(b"\n") == len(sent)
    decoder = NdjsonDecoder()
    got = [
        v for start in range(0, len(wire), size) for v in decoder.feed(wire[start : start + size])
    ]
    assert got == sent
