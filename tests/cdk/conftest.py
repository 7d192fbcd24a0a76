"""One app, synthesised once: jsii's Node process takes seconds to say anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"


@pytest.fixture(scope="session")
def cdk() -> Any:
    """``aws_cdk``, loaded once."""
    import aws_cdk

    return aws_cdk


@pytest.fixture(scope="session")
def code(cdk: Any) -> Any:
    """Some code, for constructs that are about something else."""
    return cdk.aws_lambda.Code.from_inline("def handler(event, context): ...")


@pytest.fixture(scope="session")
def synth(cdk: Any) -> Callable[[Callable[[Any], object]], Any]:
    """Synthesise a stack that ``build(stack)`` fills; return its template as a dict."""

    def synthesised(build: Callable[[Any], object]) -> Any:
        app = cdk.App()
        environment = cdk.Environment(account="123456789012", region="us-east-1")
        stack = cdk.Stack(app, "Stack", env=environment)
        build(stack)
        return cdk.assertions.Template.from_stack(stack).to_json()

    return synthesised


@pytest.fixture
def stack(cdk: Any) -> Any:
    """An empty stack."""
    return cdk.Stack(cdk.App(), "Stack")
