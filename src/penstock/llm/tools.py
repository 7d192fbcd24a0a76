"""Tools: a function's signature as the schema that a model reads, and running what it calls.

Lives here: names, types and docstrings to JSON Schema; one call to one result.
Stays out: how a provider wants the schema (``with_*``), how often the model is asked (``rounds``).
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.chunk import ToolCall, ToolResult
from penstock.errors import HttpError, InvalidOption
from penstock.formats._json import dumps
from penstock.llm.schema import function_schema

__all__ = ("Tool", "run_tool", "tool_schema", "tools_of")

logger = logging.getLogger("penstock")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as every provider can be told of it.

    Attributes:
        name: What the model calls it.
        description: What it does.
        parameters: JSON Schema of its arguments, an object.
        function: What runs it; None: the application does, elsewhere.
        native: The provider's own declaration, handed on as it is.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    function: Callable[..., Any] | None = None
    native: Any = None


def tool_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return ``{"name", "description", "parameters"}`` of a function, for a model.

    The description is the docstring's, up to its sections; a parameter's is its line under
    ``Args:``, or the text in ``Annotated[..., "text"]``. Its schema is made of the annotation.

    Raises:
        InvalidOption: It is no function, or takes ``*args``, ``**kwargs`` or positional-only ones.

    Example:
        ``tool_schema(get_weather)["parameters"]["properties"]["city"]``
    """
    if not callable(function):
        raise InvalidOption("tools", function, "functions, or a provider's own declarations")
    return function_schema(function)


def tools_of(tools: Sequence[Any] | None) -> list[Tool]:
    """Return what the caller gave as ``tools=``.

    Raises:
        InvalidOption: One is neither a function nor a mapping, or two have the same name.
    """
    found: dict[str, Tool] = {}
    for each in tools or ():
        tool = _tool(each)
        if tool.name in found:
            raise InvalidOption("tools", tool.name, "tools with names of their own")
        found[tool.name] = tool
    return list(found.values())


def _tool(given: Any) -> Tool:
    if isinstance(given, Tool):
        return given
    if isinstance(given, Mapping):
        inner = given.get("function", given)
        if isinstance(inner, Mapping):
            parameters = inner.get("parameters", inner.get("input_schema"))
            if isinstance(parameters, Mapping) and isinstance(inner.get("name"), str):
                about = str(inner.get("description", ""))
                return Tool(inner["name"], about, dict(parameters))
        name = str(given.get("name") or given.get("type") or f"native-{id(given)}")
        return Tool(name, "", {}, None, given)
    schema = tool_schema(given)
    return Tool(schema["name"], schema["description"], schema["parameters"], given)


async def run_tool(tool: Tool | None, call: ToolCall) -> ToolResult:
    """Run what the model called; a failure is a result too, which the model may read.

    The text of an exception stays in the log; only a 4xx ``HttpError`` says what it wants to say.
    """
    if tool is None or tool.function is None:
        return ToolResult(call.id, call.name, error=f"There is no tool called {call.name}.")
    if not isinstance(call.input, Mapping):
        return ToolResult(call.id, call.name, error="The arguments are not an object.")
    try:
        inspect.signature(tool.function).bind(**call.input)
    except TypeError as exc:
        return ToolResult(call.id, call.name, error=f"Wrong arguments: {exc}.")
    try:
        result = await _call(tool.function, dict(call.input))
        return ToolResult(call.id, call.name, _plain(result))
    except HttpError as exc:
        if exc.status < 500:
            return ToolResult(call.id, call.name, error=exc.detail or exc.title)
        logger.exception("the tool %s failed", call.name)
    except Exception:
        logger.exception("the tool %s failed", call.name)
    return ToolResult(call.id, call.name, error="The tool failed.")


async def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    # It may block; its context is that of the stream.
    result = await asyncio.to_thread(function, **arguments)
    return await result if inspect.isawaitable(result) else result


def _plain(result: Any) -> Any:
    """Return the result as JSON has it: a provider's SDK would not know our users' classes."""
    return json.loads(dumps(result))
