"""Running uvicorn the way a person at a terminal expects.

Lives here: binding, the word that it is up, clean ends. Stays out: which app is run.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import uvicorn
from uvicorn.supervisors import ChangeReload

from penstock.cli.console import Mistake
from penstock.types import ASGIApp

__all__ = ("base_url", "bind", "make_config", "run_reloading", "run_server")

# Open streams are told to end at once and get 2 s; this is for apps that are not ours.
_SHUTDOWN_SECONDS = 3

_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(message)s", "datefmt": "%H:%M:%S"}},
    "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "uvicorn": {"handlers": ["err"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"handlers": ["err"], "level": "INFO", "propagate": False},
        "penstock": {"handlers": ["err"], "level": "INFO", "propagate": False},
    },
}


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host`` and ``port``; 0 picks a free one.

    Raises:
        Mistake: The port is taken or forbidden, or there is no such host.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as exc:
        raise Mistake(f"no such host: {host}", code=1) from exc
    listening = socket.socket(family, kind)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        # At once: of two that start together, the second must not get as far as saying it is up.
        listening.listen(2048)
    except OSError as exc:
        listening.close()
        reason = (exc.strerror or str(exc)).lower()
        raise Mistake(f"cannot use port {port} on {host}: {reason}; try --port 0", code=1) from exc
    listening.set_inheritable(True)
    return listening


def base_url(listening: socket.socket) -> str:
    """Return the address a browser on this machine takes."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_config(app: ASGIApp | str, *, access_log: bool, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for ``app``; its access log is optional."""
    return uvicorn.Config(
        app,
        log_config=_LOGGING,
        log_level=None,
        access_log=access_log,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        **options,
    )


class _Server(uvicorn.Server):
    """Says that it is up when it is, not before."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()


def run_server(
    config: uvicorn.Config, sockets: list[socket.socket], started: Callable[[], object]
) -> None:
    """Serve until told to stop; ``started()`` is called once requests are answered.

    Raises:
        Mistake: The app's own start-up failed.
        KeyboardInterrupt: Ctrl-C, after everything has been closed.
    """
    server = _Server(config, started)
    try:
        server.run(sockets)
    except SystemExit as exc:
        if not server.started:
            raise Mistake("the app's start-up failed; it is logged above", code=1) from exc
        raise


def run_reloading(target: Callable[..., None], listening: socket.socket, directory: str) -> None:
    """Run ``target(sockets=…)`` in a process that is started anew when a file changes."""
    config = uvicorn.Config(
        "", log_config=_LOGGING, log_level=None, reload=True, reload_dirs=[directory]
    )
    with closing(listening):
        ChangeReload(config, target=target, sockets=[listening]).run()
