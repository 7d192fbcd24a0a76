"""The three ways an HTTP/1.1 body ends: by chunks, by length, by the connection.

Source: RFC 9112, section 6.3 and 7.1.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ("BodyReader", "Dechunker", "Sized", "Unsized")


class BodyReader(Protocol):
    """Takes what came from the socket, gives what belongs to the body."""

    done: bool

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that is in ``data``; sets ``done`` at the body's end."""
        ...

    def close(self) -> None:
        """The connection has ended; sets ``done`` when that is how this body ends."""


class Sized:
    """A body of a length known beforehand."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> bytes:
        taken = data[: self._left]
        self._left -= len(taken)
        self.done = self._left == 0
        return taken

    def close(self) -> None:
        """Too early, unless the length was reached."""


class Unsized:
    """A body that ends with its connection."""

    done = False

    def feed(self, data: bytes) -> bytes:
        return data

    def close(self) -> None:
        self.done = True


class Dechunker:
    """A chunked body. Gives a chunk's bytes as they come, whole or not."""

    def __init__(self) -> None:
        self.done = False
        self.trailers: list[bytes] = []
        self._held = b""
        self._left = 0  # bytes of the current chunk, with its line end, still to come
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        self._held += data
        body = b""
        while self._held and not self.done:
            if self._left:
                body += self._take_chunk()
            elif not self._take_line():
                break
        return body

    def close(self) -> None:
        """Too early, unless the last chunk has come."""

    def _take_chunk(self) -> bytes:
        # The last two of _left are the chunk's line end, not its data.
        data = self._held[: max(0, self._left - 2)]
        taken = min(len(self._held), self._left)
        self._held = self._held[taken:]
        self._left -= taken
        return data

    def _take_line(self) -> bool:
        line, end, rest = self._held.partition(b"\r\n")
        if not end:
            return False
        self._held = rest
        if self._in_trailers:
            self.done = not line
            if line:
                self.trailers.append(line)
        else:
            size = int(line.partition(b";")[0], 16)
            self._in_trailers = size == 0
            self._left = size + 2 if size else 0
        return True
