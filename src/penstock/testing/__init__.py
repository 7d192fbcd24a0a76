"""Testing aids: an app run in process, read event by event, on a clock of the test's own.

    async with open_stream(app, "/ticks", params={"n": 3}) as stream:
        assert stream.status == 200
        event = await stream.next_event()
        await stream.disconnect()

``open_lambda(handler, event)`` does the same for a Lambda handler.

No sockets, no threads: everything runs on the test's event loop.
"""

from __future__ import annotations

from penstock.testing.fake_clock import FakeClock, FakeTimer
from penstock.testing.lambdas import LambdaContext, open_lambda
from penstock.testing.opening import open_stream
from penstock.testing.stream import Decoder, OpenStream
from penstock.testing.ui_message_stream import check_ui_message_stream

__all__ = (
    "Decoder",
    "FakeClock",
    "FakeTimer",
    "LambdaContext",
    "OpenStream",
    "check_ui_message_stream",
    "open_lambda",
    "open_stream",
)
