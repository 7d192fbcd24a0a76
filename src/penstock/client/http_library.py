"""httpx and httpx2, which look alike: whichever the caller has, or passes.

Lives here: finding the library, the clients made of it, its requests, heads and errors in our
words. This is the one place that imports it.
Stays out: blocking and awaiting (``sync``, ``aio``).
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from penstock.client.steps import Head, Lost, RequestSpec
from penstock.errors import ExtraNotInstalled, InvalidOption

__all__ = ("HttpLibrary",)

_CONNECT_SECONDS = 10.0


class HttpLibrary:
    """The HTTP library that a stream is read with, and its client.

    Args:
        client: The caller's client, or None for one of our own.
        kind: "Client" or "AsyncClient".
        read_timeout: Seconds of silence before it raises; None: no limit.

    Attributes:
        client: What requests are sent with.
        is_ours: It is to be closed at the end.
        errors: What it raises for a request that failed.

    Raises:
        InvalidOption: ``client`` is not such a client.
        ExtraNotInstalled: There is neither library.
    """

    def __init__(self, client: Any, kind: str, read_timeout: float | None) -> None:
        module = _installed() if client is None else _library_of(client)
        if module is None or not (client is None or isinstance(client, getattr(module, kind))):
            raise InvalidOption("client", client, f"an httpx2.{kind} or httpx.{kind}")
        self._module = module
        self.is_ours = client is None
        if client is None:
            timeout = module.Timeout(_CONNECT_SECONDS, pool=None)
            self.client = getattr(module, kind)(timeout=timeout, verify=_trust(module))
        else:
            self.client = client
        own = self.client.timeout
        self._timeout = module.Timeout(
            connect=own.connect, write=own.write, pool=own.pool, read=read_timeout
        )
        self.errors: tuple[type[Exception], ...] = (module.HTTPError, module.InvalidURL)
        # Of these another attempt would meet the same again.
        self._final = (
            module.InvalidURL, module.UnsupportedProtocol, module.LocalProtocolError,
            module.TooManyRedirects, module.DecodingError,
        )  # fmt: skip

    def build(self, request: RequestSpec, url: str, params: Any) -> Any:
        """Return the library's request."""
        return self.client.build_request(
            request.method,
            request.url or url,
            params=params if request.url is None else None,
            headers=request.headers,
            content=request.content,
            timeout=self._timeout,
        )

    def auth(self, auth: Any) -> dict[str, Any]:
        """Return the options of ``send`` for ``auth``; None leaves the client's own."""
        return {} if auth is None else {"auth": auth}

    def auth_after(self, response: Any, auth: Any) -> dict[str, Any]:
        """Return the same for following a redirect: no credentials for another origin."""
        here, there = response.request.url, response.next_request.url
        if (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port):
            return self.auth(auth)
        return {"auth": None}

    def head(self, response: Any) -> Head:
        """Return the head of ``response``."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        following = response.next_request
        # An empty Location is this same address, by the letter: a loop.
        redirect = str(following.url) if following is not None and headers.get("location") else None
        return Head(response.status_code, headers, str(response.url), redirect)

    def lost(self, error: Exception) -> Lost:
        """Return what ``error`` means."""
        if isinstance(error, self._module.ReadTimeout):
            why = "nothing came within read_timeout="
        elif isinstance(error, self._module.ConnectTimeout):
            why = "no connection in time"
        else:
            why = str(error) or type(error).__name__
        return Lost(error, why, isinstance(error, self._final))


@cache
def _trust(module: Any) -> Any:
    """Return what a client of our own trusts: once, since it takes longer than the rest of it."""
    return module.create_ssl_context()


def _installed() -> Any:
    try:
        import httpx2
    except ImportError:
        try:
            import httpx
        except ImportError as exc:
            raise ExtraNotInstalled("client") from exc
        return httpx
    return httpx2


def _library_of(client: Any) -> Any:
    """Return the library that ``client``'s class, or one above it, comes from."""
    names = [each.__module__.partition(".")[0] for each in type(client).__mro__]
    found = [name for name in ("httpx2", "httpx") if name in names]
    return sys.modules[found[0]] if found else None
