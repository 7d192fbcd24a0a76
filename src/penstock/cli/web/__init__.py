"""Pages that the command line serves: one file each on the wire, no build step, no assets.

Lives here: how a page is put together and sent. Its parts that several pages share are files beside
this one; a page names them as ``{{web/stream.js}}``.
"""

from __future__ import annotations

import re
from importlib.resources import files

from penstock import Context, Endpoint, Response, endpoint

__all__ = ("load_page", "page_endpoint")

_INCLUDE = re.compile(r"\{\{(\w+/[\w.]+)\}\}")

# Everything is inline, and nothing may come from elsewhere.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    ),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}


def load_page(name: str) -> bytes:
    """Return the page ``name``, a path inside ``penstock/cli``, with the parts it includes."""
    return _INCLUDE.sub(lambda found: _read(found[1]), _read(name)).encode()


def page_endpoint(page: bytes, *, connects_to: str = "'self'") -> Endpoint:
    """Return an endpoint that answers GET with ``page``.

    Args:
        connects_to: What its scripts may fetch from, as a content security policy says it.
    """
    policy = _HEADERS["content-security-policy"].replace(
        "connect-src 'self'", f"connect-src {connects_to}"
    )
    headers = _HEADERS | {"content-security-policy": policy}

    def get_page(ctx: Context) -> Response:
        return Response(page, headers=headers, content_type="text/html; charset=utf-8")

    return endpoint().get(get_page)


def _read(name: str) -> str:
    return files("penstock.cli").joinpath(*name.split("/")).read_text(encoding="utf-8")
