"""Where tasks stand, for the message of a wait in vain."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ("stacks",)


def stacks() -> str:
    """Return where each task of the running loop awaits, but for the one that asks."""
    this = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not this]
    return "".join(f"\n  {task.get_name()} awaits in\n{_stack(task)}" for task in tasks)


def _stack(task: asyncio.Task[Any]) -> str:
    # Not task.get_stack(): of a task that is suspended it gives the outermost frame only.
    lines: list[str] = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = _first(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is None:
            break
        code = frame.f_code
        lines.append(f"    {code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        awaited = _first(awaited, "cr_await", "ag_await", "gi_yieldfrom")
    return "\n".join(lines)


def _first(thing: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(thing, name, None))), None)
