"""HTTP/2, by a client that shows each frame as it comes."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import pytest

from tests.servers.reading import complaints, debug, start, wait_for
from tests.support.process import in_some_try
from tests.support.servers import Server


class Client:
    """One connection, by prior knowledge."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.ended: set[int] = set()
        self.pieces: defaultdict[int, list[tuple[float, bytes]]] = defaultdict(list)
        self._flush()

    def get(self, path: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "here"), (":path", path)]
        self.h2.send_headers(stream, head, end_stream=True)
        self._flush()
        return stream

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream)
        self._flush()

    def read(self, stream: int) -> tuple[float, bytes] | None:
        """Return the next piece of ``stream`` and the moment it came; None at its end."""
        while not self.pieces[stream]:
            if stream in self.ended:
                return None
            received = self.sock.recv(65536)
            assert received, "the server closed the connection"
            for event in self.h2.receive_data(received):
                self._note(event)
            self._flush()
        return self.pieces[stream].pop(0)

    def _note(self, event: h2.events.Event) -> None:
        assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated))
        if isinstance(event, h2.events.DataReceived) and event.data:
            assert event.flow_controlled_length is not None
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.pieces[event.stream_id].append((time.monotonic(), event.data))
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)

    def _flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())


@contextmanager
def connect(server: Server) -> Iterator[Client]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10.0) as sock:
        yield Client(sock)


def read_ticks(client: Client) -> None:
    whole = client.get("/ticks?n=4&gap=0.1")
    pieces = []
    while (piece := client.read(whole)) is not None:
        pieces.append(piece)
    assert b"".join(data for _, data in pieces).count(b"event: tick") == 4
    assert len(pieces) > 3
    assert pieces[3][0] - pieces[0][0] > 0.2


@pytest.mark.parametrize("name", ["granian", "hypercorn"])
def test_events_come_one_by_one_and_a_reset_stops_the_producer(name: str) -> None:
    # F2, F4, H3
    with start(name) as server:
        with connect(server) as client:
            in_some_try(lambda: read_ticks(client))
            before = debug(server)["cleaned"]["ticks"]

            left, kept = client.get("/idle"), client.get("/ticks")
            for stream in (left, kept):
                assert client.read(stream) is not None
            client.reset(left)
            wait_for(server, lambda seen: seen["cleaned"].get("idle") == 1)
            for _ in range(3):  # the other one on the same connection goes on
                assert client.read(kept) is not None
        wait_for(server, lambda seen: seen["cleaned"]["ticks"] == before + 1)
        assert not complaints(server)
