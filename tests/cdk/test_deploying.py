"""The examples as their tools see them: ``cdk synth`` and ``cfn-lint``, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.conftest import require

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent


def run(command: list[Any], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool with this interpreter's programs first on the path."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``cdk synth`` makes of the example."""
    cli = ROOT / "node_modules" / ".bin" / "cdk"
    require(cli.exists() and shutil.which("node"), "node and aws-cdk (make setup)")
    out = tmp_path_factory.mktemp("cdk.out")
    done = run(
        [cli, "synth", "--quiet", "--no-notices", "--output", out],
        EXAMPLES / "cdk-app",
        JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="20",
        CDK_DISABLE_CLI_TELEMETRY="true",
    )
    assert done.returncode == 0, done.stderr
    return out


def test_the_example_synthesises_with_its_code(synthesised: Path) -> None:
    # I1, I2, I3: the asset is the bundle, of the example's folder and penstock
    template = json.loads((synthesised / "ChatStack.template.json").read_text())
    kinds = {each["Type"] for each in template["Resources"].values()}
    assert {"AWS::Lambda::Url", "AWS::CloudFront::Distribution", "AWS::ApiGateway::Method"} <= kinds
    [asset] = synthesised.glob("asset.*.zip")
    names = ZipFile(asset).namelist()
    assert "main.py" in names
    assert "penstock/core/pump.py" in names


def test_the_synthesised_example_passes_cfn_lint(synthesised: Path) -> None:
    # I4
    lint = [BIN / "cfn-lint", "--ignore-checks", "W3005", "--"]
    done = run([*lint, synthesised / "ChatStack.template.json"], synthesised)
    assert done.returncode == 0, done.stdout


def test_the_sam_template_passes_cfn_lint() -> None:
    # I4
    done = run([BIN / "cfn-lint", "template.yaml"], EXAMPLES / "sam-app")
    assert done.returncode == 0, done.stdout


def test_the_sam_template_is_valid_for_sam() -> None:
    # I4
    sam = ROOT / ".venv" / "sam"
    require((sam / "samcli").is_dir(), "the SAM command line (make setup)")
    command = [sys.executable, "-m", "samcli", "validate", "--lint", "--region", "us-east-1"]
    environment = {"PYTHONPATH": str(sam), "SAM_CLI_TELEMETRY": "0"}
    done = run(command, EXAMPLES / "sam-app", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_the_sam_template_says_what_the_constructs_say() -> None:
    # I4: the same modes and the same locks
    text = (EXAMPLES / "sam-app" / "template.yaml").read_text()
    for line in (
        "InvokeMode: RESPONSE_STREAM",
        "AuthType: AWS_IAM",
        "ResponseTransferMode: RESPONSE_STREAM",
        "DefaultAuthorizer: AWS_IAM",
        "InvokedViaFunctionUrl: true",
        "OriginReadTimeout: 60",
        "Compress: false",
        "PENSTOCK_INVOKE_MODE: stream",
    ):
        assert line in text, line
