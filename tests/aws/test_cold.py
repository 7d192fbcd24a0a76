"""What a cold start loads."""
# done-when: the import of the handlers costs little more than asyncio's

from __future__ import annotations

import subprocess
import sys

import pytest

# Whatever else would load it: orjson brings uuid and datetime with it.
NOT_LOADED = ("penstock.chunk", "penstock.llm", "penstock.providers.reading", "penstock.client") + (
    "hashlib",
    "http",
    "boto3",
    "datetime",
    "uuid",
)


@pytest.mark.parametrize("name", ["stream_handler", "asgi_handler"])
def test_an_import_loads_what_it_needs(name: str) -> None:
    code = f"""
import asyncio, sys
sys.modules["orjson"] = None
before = set(sys.modules)
from penstock.aws import {name}
print(*sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "penstock.aws.app_handler" in loaded
    assert not set(NOT_LOADED) & set(loaded)
