"""Secrets into the environment, before a handler needs them.

Lives here: which variable names which secret, where its value is asked for, how long it is kept.
Stays out: when that happens (an endpoint's set-up).

Asked is AWS's Parameters and Secrets extension, on localhost, then Secrets Manager by boto3.

Source: AWS Secrets Manager user guide, "AWS Parameters and Secrets Lambda Extension".
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from penstock.errors import ConfigurationError, InvalidOption

__all__ = ("check_names", "load_secrets")

# Seconds: for one request of the extension, and between its tries.
_TIMEOUT = 3.0
_PAUSES = (0.1, 0.4)
# Seconds that a value is good for; a secret that was rotated is seen after it.
_TTL = 300.0
_MAX_CACHED = 256
_DEFAULT_PORT = 2773

# Secret's name to its value and when it was fetched.
_cache: dict[str, tuple[str, float]] = {}


class _Refused(Exception):
    """The extension answered, and will answer the same again."""


def check_names(names: Any) -> tuple[str, ...]:
    """Return ``names`` when they can be environment variables.

    Raises:
        InvalidOption: They cannot.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise InvalidOption("secrets", names, 'a list of variables, such as ["API_KEY"]')
    found = tuple(names)
    for name in found:
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidOption("secrets", name, "the name of an environment variable")
    return found


async def load_secrets(
    names: Iterable[str], *, ttl: float = _TTL, now: Callable[[], float] = time.monotonic
) -> dict[str, str]:
    """Fill the environment variables ``names``, and return them with their values.

    ``SECRET_NAME``, else ``NAME_SECRET``, names the secret that ``NAME`` is filled with; without
    either ``NAME`` stays as it is, and one that is not there stays so.

    Args:
        names: Environment variables.
        ttl: Seconds for which a value is not asked for again in this container.
        now: Where time comes from.

    Raises:
        ConfigurationError: A secret that is named could not be fetched; the message says which
            variable, and nothing of the value or of where it was asked for.
        InvalidOption: What cannot be a variable.

    Example:
        ``await load_secrets(["API_KEY"])``, with ``SECRET_API_KEY=prod/api-key`` in the function's
        environment; then ``os.environ["API_KEY"]``
    """
    names = check_names(names)
    wanted = {name: secret for name in names if (secret := _secret_of(name))}
    missing = sorted({secret for secret in wanted.values() if not _is_fresh(secret, ttl, now())})
    fetched = await asyncio.gather(
        *(asyncio.to_thread(_fetch, secret) for secret in missing), return_exceptions=True
    )
    failed = set()
    for secret, value in zip(missing, fetched, strict=True):
        if isinstance(value, BaseException):
            failed.add(secret)
        else:
            _keep(secret, value, now())
    for name, secret in wanted.items():
        if secret in failed:
            # Not chained: what it says may name hosts, accounts, or more.
            raise ConfigurationError(
                f"the secret for {name} could not be fetched, neither from the extension nor by "
                "boto3: check its name and the function's permissions"
            ) from None
        os.environ[name] = _cache[secret][0]
    return {name: os.environ[name] for name in names if name in os.environ}


def _secret_of(name: str) -> str | None:
    return os.environ.get(f"SECRET_{name}") or os.environ.get(f"{name}_SECRET")


def _is_fresh(secret: str, ttl: float, now: float) -> bool:
    return secret in _cache and now - _cache[secret][1] < ttl


def _keep(secret: str, value: str, now: float) -> None:
    while len(_cache) >= _MAX_CACHED:
        del _cache[next(iter(_cache))]
    _cache[secret] = value, now


def _fetch(secret: str) -> str:
    """Return the secret's value; blocks.

    Raises:
        Exception: boto3's, when the extension had none.
    """
    token = os.environ.get("AWS_SESSION_TOKEN")
    if token:  # without one the extension refuses
        for pause in (*_PAUSES, None):
            try:
                return _ask_extension(secret, token)
            except _Refused:
                break
            except (OSError, ValueError, KeyError):
                if pause is None:
                    break
                time.sleep(pause)
    return _ask_boto3(secret)


def _ask_extension(secret: str, token: str) -> str:
    import json
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import quote

    port = int(os.environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT") or _DEFAULT_PORT)
    connection = HTTPConnection("localhost", port, timeout=_TIMEOUT)
    try:
        connection.request(
            "GET",
            f"/secretsmanager/get?secretId={quote(secret, safe='')}",
            headers={"X-Aws-Parameters-Secrets-Token": token},
        )
        response = connection.getresponse()
        body = response.read()
    except HTTPException as exc:
        raise OSError("the extension's answer cannot be read") from exc
    finally:
        connection.close()
    if 400 <= response.status < 500:
        raise _Refused
    if response.status != 200:
        raise OSError("the extension failed")
    return _value(json.loads(body))


def _ask_boto3(secret: str) -> str:
    import boto3  # not before a secret is wanted: it is slow to load

    with closing(boto3.client("secretsmanager")) as client:
        return _value(client.get_secret_value(SecretId=secret))


def _value(answer: Any) -> str:
    value = answer.get("SecretString")
    if value is None:
        from base64 import b64decode

        binary = answer["SecretBinary"]
        value = (b64decode(binary) if isinstance(binary, str) else bytes(binary)).decode()
    return str(value)
