"""An SDK's value as JSON has it, for what is handed on whole.

Lives here: models, enums and bytes to mappings, lists and scalars. Stays out: writing JSON.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from enum import Enum
from typing import Any

__all__ = ("plain",)


def plain(value: Any) -> Any:
    """Return ``value`` as mappings, lists and scalars; absent fields of models are left out."""
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        value = dump(mode="python", exclude_none=True)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    if value is None or isinstance(value, (str, int, float)):
        return value
    fields = getattr(value, "__dict__", None)
    return value if fields is None else {k: plain(v) for k, v in fields.items() if v is not None}
