"""uvicorn in a thread, for the comparison of hosts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.support.process import wait_until

__all__ = ("serving",)


@contextmanager
def serving(app: Any, *, lifespan: bool = False) -> Iterator[str]:
    """Serve ``app`` on loopback; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mode: Any = "on" if lifespan else "off"
        config = uvicorn.Config(app, lifespan=mode, log_level="critical", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
