"""What a cold start loads."""
# done-when: the import of the handlers costs little more than asyncio's

from __future__ import annotations

import subprocess
import sys

import pytest

NOT_LOADED = (
    *("penstock.chunk", "penstock.llm", "penstock.providers.reading", "penstock.client"),
    *("penstock.formats.sse", "penstock.formats.ndjson", "penstock.formats.text"),
    *("penstock.formats.sse_decoder", "penstock.formats.ndjson_decoder"),
    *("penstock.wsgi", "penstock.portal"),
    *("boto3", "datetime", "hashlib", "http", "orjson", "uuid"),
)


@pytest.mark.parametrize("name", ["stream_handler", "asgi_handler"])
def test_an_import_loads_what_it_needs(name: str) -> None:
    code = f"""
import asyncio, sys
before = set(sys.modules)
from penstock.aws import {name}
print(*sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "penstock.aws.app_handler" in loaded
    assert not set(NOT_LOADED) & set(loaded)


def test_a_handler_loads_its_own_format_and_what_writes_json() -> None:
    # As it is made: an invocation has less processor time than a start.
    code = """
import sys
from penstock.aws import stream_handler
@stream_handler(format="ndjson")
async def handler(event, context):
    yield 1
print(*sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert {"penstock.formats.ndjson", "orjson"} <= loaded
    assert not {"penstock.formats.sse", "penstock.formats.text"} & loaded
