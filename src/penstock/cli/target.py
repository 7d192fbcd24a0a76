"""From ``module:app`` to the app, or to one line that says what is wrong with it.

Lives here: the import, and every way in which it fails for a person who is trying things out.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from penstock.cli.console import Mistake
from penstock.types import ASGIApp

__all__ = ("load_target", "split_target")

_EXAMPLE = "penstock serve main:app"


def split_target(target: str) -> tuple[str, str]:
    """Return the module's name and the app's.

    Raises:
        Mistake: It is not written as module:app.
    """
    module, colon, name = target.partition(":")
    if module.endswith(".py") or "/" in module or os.sep in module:
        dotted = module.removesuffix(".py").replace(os.sep, "/").strip("./").replace("/", ".")
        raise Mistake(f"give a module, not a file: penstock serve {dotted}:{name or 'app'}")
    if not (module and colon and name):
        raise Mistake(f"expected module:app, got {target!r}; as in  {_EXAMPLE}")
    return module, name


def load_target(target: str) -> ASGIApp:
    """Return the ASGI app that ``target`` names, imported with the working directory on the path.

    Raises:
        Mistake: It cannot be imported, is not there, or is no ASGI app.
    """
    module_name, name = split_target(target)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    app: Any = _import(module_name)
    for part in name.split("."):
        app = _member(app, part, module_name)
    _check_app(app, target)
    checked: ASGIApp = app
    return checked


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name == exc.name or name.startswith(f"{exc.name}.")):
            raise Mistake(f"no module named {exc.name!r} in {os.getcwd()}") from exc
        raise Mistake(_failure(name, exc)) from exc
    # Whatever the user's own module raises while it is imported, SystemExit included.
    except (Exception, SystemExit) as exc:
        raise Mistake(_failure(name, exc)) from exc


def _failure(module: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        where = f"{os.path.basename(error.filename or module)}, line {error.lineno}"
        return f"{module} cannot be imported: {error.msg} ({where})"
    frames = traceback.extract_tb(error.__traceback__)
    # The last frame that is neither ours nor the import system's.
    own = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    where = f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
    return f"{module} cannot be imported: {type(error).__name__}: {error}{where}"


def _member(owner: Any, name: str, module: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as exc:
        close = difflib.get_close_matches(name, dir(owner), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise Mistake(f"{module} has no {name!r}{hint}") from exc


def _check_app(app: Any, target: str) -> None:
    if inspect.isasyncgenfunction(app) or inspect.isgeneratorfunction(app):
        raise Mistake(f"{target} is a generator function; put @endpoint above it")
    if not callable(app):
        raise Mistake(f"{target} is {type(app).__name__}, not an ASGI app")
    if inspect.isclass(app):
        raise Mistake(f"{target} is a class; serve an instance of it")
    try:
        parameters = inspect.signature(app).parameters.values()
    except ValueError:
        return  # of a compiled app: uvicorn will see
    required = [p for p in parameters if p.default is p.empty and p.kind in (0, 1)]
    if [p.name for p in required] == ["environ", "start_response"]:
        raise Mistake(f"{target} is a WSGI app; serve runs ASGI apps. Try  gunicorn {target}")
    if len(required) > 3 or (len(required) < 3 and not any(p.kind == 2 for p in parameters)):
        raise Mistake(f"{target} is not an ASGI app: it takes {len(required)} arguments, not 3")
