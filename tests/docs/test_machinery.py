"""The machinery of the documents' tests: what it lets pass, and that it fails when it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import DocumentError, examples
from tests.docs.run import run_apart, run_example

APP = """
```python
async def app(scope, receive, send):
    status = 200 if scope["path"] == "/" else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    message = await receive()
    while True:
        body = b"tick " + scope["query_string"] + message["body"]
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if (scope["path"] != "/") or (await receive())["type"] == "http.disconnect":
            break

def wsgi(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"tock"
```
"""
PASS = {
    "python": "```python\nassert 1 + 1 == 2\n```",
    "await": "```python\nimport asyncio\nawait asyncio.sleep(0)\n```",
    "in a list": "- so:\n\n  ```python\n  if True:\n      x = 1\n  ```",
    "annotations": "```python\nimport typing\nclass A:\n    x: 'A'\ntyping.get_type_hints(A)\n```",
    "continue": "```python\nx = 1\n```\n<!-- test: continue -->\n```python\nassert x\n```",
    "raises": "<!-- test: raises ValueError -->\n```python\nint('x')\n```",
    "output": "```python\nprint('a')\n```\n<!-- test: output -->\n```text\na\n```",
    "skip": "<!-- test: skip-run: needs an account -->\n```python\nnothing_here\n```",
    "apart": "<!-- test: apart -->\n```python\nimport this\n```",
    "get": APP + '<!-- test: get /?n=2 expects "tick n=2" -->',
    "post": APP + '<!-- test: post / {"a": 1} expects "tick {"a": 1}" -->',
    "status": APP + "<!-- test: get /nothing expects 404 -->",
    "wsgi": APP + '<!-- test: get / of wsgi expects "tocktock" -->',
    "bash": '```bash\npip install "penstock[cli]"  # the command line\nmake test ARGS=-v\n```',
    "console": "```console\n$ echo hi\nhi)\n```",
    "run": "<!-- test: run -->\n```bash\necho a \\\n  b\n```\n<!-- test: output -->\n```\na b\n```",
    "file": "<!-- test: file m.py -->\n```python\nx = 1\n```\n",
    "json": '```json\n{"a": 1}\n```',
    "others": "```js\nlet a = (\n```",
}
FAIL = {
    "python": "```python\nassert 1 + 1 == 3\n```",
    "await": "```python\nasync def f():\n    raise ValueError\nawait f()\n```",
    "fresh names": "```python\nx = 1\n```\n\n```python\nassert x\n```",
    "raises nothing": "<!-- test: raises ValueError -->\n```python\n1\n```",
    "raises another": "<!-- test: raises KeyError -->\n```python\nint('x')\n```",
    "output": "```python\nprint('a')\n```\n<!-- test: output -->\n```text\nb\n```",
    "skip, no Python": "<!-- test: skip-run: why -->\n```python\nif\n```",
    "apart": "<!-- test: apart -->\n```python\n1 / 0\n```",
    "get": "```python\ndef app(environ, start):\n    start('200 OK', [])\n    return [b'a']\n```\n"
    '<!-- test: get / expects "b" -->',
    "status": APP + "<!-- test: get /nothing expects 200 -->",
    "no such app": APP + "<!-- test: get / of nobody expects 200 -->",
    "bash": "```bash\necho (\n```",
    "penstock": "```bash\npenstock nothing\n```",
    "make": "```bash\nmake nothing\n```",
    "extra": '```bash\npip install "penstock[nothing]"\n```',
    "run": "<!-- test: run -->\n```bash\nfalse\n```",
    "json": "```json\n{a: 1}\n```",
}
NOT_UNDERSTOOD = {
    "unknown": "<!-- test: please -->\n```python\n```",
    "no reason": "<!-- test: skip-run: -->\n```python\n```",
    "no block before": '<!-- test: get / expects "x" -->',
    "no block after": "<!-- test: run -->\n",
    "text between": "<!-- test: run -->\nso:\n```bash\n```",
    "no end": "```python\n1",
}


def run_all(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    for example in examples(path):
        if example.apart:
            run_apart(example)
        else:
            run_example(example, tmp_path)


@pytest.mark.parametrize("text", PASS.values(), ids=PASS)
def test_passes(text: str, tmp_path: Path) -> None:
    run_all(tmp_path, text)


@pytest.mark.parametrize("text", FAIL.values(), ids=FAIL)
def test_fails(text: str, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # each in its own way
        run_all(tmp_path, text)
    assert not isinstance(caught.value, DocumentError)


@pytest.mark.parametrize("text", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_not_understood(text: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"page\.md"):
        run_all(tmp_path, text)
