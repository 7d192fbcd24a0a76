"""A local Lambda on loopback: Runtime API, Function URL, Invoke and InvokeWithResponseStream.

Lives here: what the function meets on AWS, as strict as AWS, for tests and for trying things out.
It needs ``penstock[lambda]``. Stays out: the function's side, ``penstock.aws``.

    from penstock.aws.emulator import LocalLambda

    async with LocalLambda("app.handler") as fn:
        result = await fn.invoke({"name": "Ada"})
"""

from __future__ import annotations

from penstock.errors import ExtraNotInstalled

try:
    from penstock.aws.emulator.journal import Line
    from penstock.aws.emulator.local_lambda import FunctionFailed, InvokeResult, LocalLambda
    from penstock.aws.emulator.pool import Throttled
except ModuleNotFoundError as exc:
    if exc.name != "h11":
        raise
    raise ExtraNotInstalled("lambda") from exc

__all__ = ("FunctionFailed", "InvokeResult", "Line", "LocalLambda", "Throttled")
