"""The one place that touches another project's class: AWS's runtime client for Python.

awslambdaric knows no streamed response. Here it is told, for one invocation at a time, that the
invocation is answered already, so that it does not answer again. Everything else stays its own:
the loop, the log, the context, X-Ray, SnapStart.

Lives here: the wrapping of three methods, and the guard that looks whether they are what they were
in every version so far (2.0 to 4.2). Stays out: the answer itself.

Both concrete classes are wrapped, each around what it resolves to, and never their base: Sentry's
wrapper on a subclass, when it came first, would not see ours on the base.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from penstock.aws.invocation import at_runtime_api, begin, end

__all__ = ("install",)

logger = logging.getLogger("penstock")

_MODULE = "awslambdaric.lambda_runtime_client"
_CLASSES = ("LambdaRuntimeClient", "LambdaMultiConcurrentRuntimeClient")
# Method to the positional arguments it must take, after self.
_METHODS = {
    "wait_next_invocation": (),
    "post_invocation_result": ("id", "{}", "application/json"),
    "post_invocation_error": ("id", "{}", ""),
}


# The methods as they were at the last look, and what came of it.
_looked: list[Any] = []
_is_hooked = False


def install() -> bool:
    """Hook into awslambdaric where it runs this process; return whether it is.

    Harmless when it was done before, and quick: every invocation looks. An awslambdaric of an
    unknown shape is left alone, with one warning that names its version: handlers then answer by a
    buffered reply.
    """
    global _is_hooked
    module = sys.modules.get(_MODULE)  # not imported: who runs under it has it
    if module is None:
        return False
    classes = [getattr(module, name) for name in _CLASSES if hasattr(module, name)]
    if not _looked or _methods(classes) != _looked:  # somebody may have wrapped them since
        _is_hooked = _hook(classes)
        _looked[:] = _methods(classes)
    return _is_hooked


def _methods(classes: list[Any]) -> list[Any]:
    return [getattr(cls, name, None) for cls in classes for name in _METHODS]


def _hook(classes: list[Any]) -> bool:
    problem = _problem(classes)
    if problem:
        logger.warning(
            "awslambdaric %s has %s, which this penstock does not know: responses are buffered, "
            "not streamed; update penstock, or pin awslambdaric",
            _version(),
            problem,
        )
        return False
    for cls in classes:
        _wrap(cls, "wait_next_invocation", _lending)
        _wrap(cls, "post_invocation_result", _holding_back)
        _wrap(cls, "post_invocation_error", _holding_back)
    return True


def _problem(classes: list[Any]) -> str:
    """Return what is not as it was; empty when all is well."""
    if not classes:
        return "no LambdaRuntimeClient"
    for cls in classes:
        for name, arguments in _METHODS.items():
            method = getattr(cls, name, None)
            if not callable(method):
                return f"no {cls.__name__}.{name}"
            try:
                inspect.signature(method).bind(None, *arguments)
            except (TypeError, ValueError):
                return f"another {cls.__name__}.{name}"
    return ""


def _version() -> str:
    return str(getattr(sys.modules.get("awslambdaric"), "__version__", "of an unknown version"))


def _wrap(cls: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    method = getattr(cls, name)
    if not _is_ours(method):
        setattr(cls, name, wrapper(method))


def _is_ours(method: Any) -> bool:
    """Whether we have wrapped ``method``, below what others put around it since."""
    while method is not None:
        if getattr(method, "_penstock", False) is True and "_penstock" in vars(method):
            return True
        method = getattr(method, "__wrapped__", None)
    return False


def _lending(wait: Any) -> Any:
    @wraps(wait)
    def wait_next_invocation(self: Any, *args: Any, **options: Any) -> Any:
        request = wait(self, *args, **options)
        # Nothing in here may raise: awslambdaric would end the process.
        address = getattr(self, "lambda_runtime_address", None)
        invocation_id = getattr(request, "invocation_id", None)
        if request_id := getattr(request, "invoke_id", None):
            begin(at_runtime_api(request_id, address, invocation_id))
        return request

    return _marked(wait_next_invocation)


def _holding_back(post: Any) -> Any:
    @wraps(post)
    def post_unless_answered(self: Any, invoke_id: str, *args: Any, **options: Any) -> Any:
        if end(invoke_id):
            return None
        return post(self, invoke_id, *args, **options)

    return _marked(post_unless_answered)


def _marked(function: Any) -> Any:
    function._penstock = True
    return function
