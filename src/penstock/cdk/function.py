"""A Python function whose answers stream, with the URL that streams them.

Lives here: the function, its URL, and what it may read. Stays out: what stands before the URL
(``distribution.py``, ``rest_api.py``), and how a zip is made (``penstock.bundling``).

Source: Lambda, "Configuring a Lambda function to stream responses"; ``AWS::Lambda::Url``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeAlias, cast

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from penstock.bundling import Architecture, bundle
from penstock.errors import InvalidOption

__all__ = ("Secrets", "StreamingFunction")

# The variable's name to its secret, or to the name of one that exists; or names that are both.
Secrets: TypeAlias = Mapping[str, "secretsmanager.ISecret | str"] | Sequence[str]

_RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        lambda_.Runtime.PYTHON_3_11,
        lambda_.Runtime.PYTHON_3_12,
        lambda_.Runtime.PYTHON_3_13,
        lambda_.Runtime.PYTHON_3_14,
    )
}

# Streaming from a model, and both ways of asking it.
_BEDROCK_ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


class StreamingFunction(Construct):
    """A Python function that streams.

    Args:
        scope: Where it stands.
        id: Its name there.
        entry: Folder with your code, and its ``requirements.txt`` where it has one; it is bundled
            with penstock. A zip that ``penstock bundle`` made is taken as it is.
        handler: ``module.name`` of the handler in it.
        code: Any other code asset, in place of ``entry``.
        streaming: Give it a Function URL in RESPONSE_STREAM mode. False: no URL at all, for what
            is invoked directly or stands behind ``StreamingRestApi``.
        auth: Who may call the URL: "AWS_IAM", or "NONE" for everybody in the world.
        cors: Which pages of other origins may; None: none.
        secrets: What ``secrets=`` of the endpoint asks for: names of variables, each with its
            secret or with the name of one. The function may read them; ``SECRET_<NAME>`` says
            where.
        bedrock: Let it ask Bedrock's models; or the ARNs of those that it may ask.
        environment: Variables of your own.
        timeout: A stream lives no longer; 15 minutes is Lambda's most.
        memory_size: MiB; the CPU's share grows with it.
        architecture: "arm64" or "x86_64".
        runtime: Python of the managed runtime.
        provisioned_concurrency: Environments that are kept warm; the URL is then that of the
            alias ``live``.
        log_retention: How long its log is kept.
        **options: Whatever else ``aws_lambda.Function`` takes.

    Attributes:
        function: The function.
        target: What is called: the function, or its alias ``live``.
        url: The Function URL; None without ``streaming``.

    Raises:
        InvalidOption: An argument that cannot mean what it says.

    Example:
        ``StreamingFunction(self, "Chat", entry="app", handler="main.handler")``
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        handler: str,
        entry: str | Path | None = None,
        code: lambda_.Code | None = None,
        streaming: bool = True,
        auth: str = "AWS_IAM",
        cors: lambda_.FunctionUrlCorsOptions | None = None,
        secrets: Secrets = (),
        bedrock: bool | Sequence[str] = False,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_size: int = 1024,
        architecture: Architecture = "arm64",
        runtime: str = "python3.13",
        provisioned_concurrency: int | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        **options: Any,
    ) -> None:
        super().__init__(scope, id)
        _check(auth, runtime, architecture, entry, code)
        named = _by_name(self, secrets)
        if named:
            options.setdefault("params_and_secrets", _secrets_extension())
        self.function = lambda_.Function(
            self,
            "Function",
            handler=handler,
            code=code or _code(entry, runtime, architecture),
            runtime=_RUNTIMES[runtime],
            architecture=_architecture(architecture),
            timeout=timeout or Duration.minutes(15),
            memory_size=memory_size,
            environment=_environment(environment, secrets, streaming),
            tracing=options.pop("tracing", lambda_.Tracing.ACTIVE),
            log_group=options.pop("log_group", None) or _log_group(self, log_retention),
            **options,
        )
        for secret in named.values():
            secret.grant_read(self.function)
        if bedrock:
            self.function.add_to_role_policy(_bedrock_statement(self, bedrock))
        # The casts: jsii's classes fill their interfaces, but its stubs do not say so.
        self.target = cast("lambda_.IFunction", self.function)
        if provisioned_concurrency is not None:
            alias = lambda_.Alias(
                self,
                "Live",
                alias_name="live",
                version=cast("lambda_.IVersion", self.function.current_version),
                provisioned_concurrent_executions=provisioned_concurrency,
            )
            self.target = cast("lambda_.IFunction", alias)
        self.url: lambda_.IFunctionUrl | None = None
        if streaming:
            url = self.target.add_function_url(
                auth_type=lambda_.FunctionUrlAuthType[auth],
                invoke_mode=lambda_.InvokeMode.RESPONSE_STREAM,
                cors=cors,
            )
            self.url = cast("lambda_.IFunctionUrl", url)
        elif cors is not None:
            raise InvalidOption("cors", cors, "None without streaming=True: there is no URL")


def _check(
    auth: str,
    runtime: str,
    architecture: str,
    entry: str | Path | None,
    code: lambda_.Code | None,
) -> None:
    if auth not in ("AWS_IAM", "NONE"):
        raise InvalidOption("auth", auth, '"AWS_IAM", or "NONE" for everybody in the world')
    if runtime not in _RUNTIMES:
        raise InvalidOption("runtime", runtime, f"one of {', '.join(_RUNTIMES)}")
    if architecture not in ("arm64", "x86_64"):
        raise InvalidOption("architecture", architecture, '"arm64" or "x86_64"')
    if (entry is None) == (code is None):
        raise InvalidOption("entry", entry, "the folder of your code, or code= in its place")


def _code(entry: str | Path | None, runtime: str, architecture: Architecture) -> lambda_.Code:
    assert entry is not None
    path = Path(entry)
    if path.suffix == ".zip":
        return lambda_.Code.from_asset(str(path))
    # The asset is copied from here, under the hash of its bytes: equal code deploys nothing.
    made = Path(mkdtemp(prefix="penstock-")) / "function.zip"
    python = runtime.removeprefix("python")
    bundle(path, made, python_version=python, architecture=architecture)
    return lambda_.Code.from_asset(str(made))


def _architecture(name: str) -> lambda_.Architecture:
    return lambda_.Architecture.ARM_64 if name == "arm64" else lambda_.Architecture.X86_64


def _environment(
    own: Mapping[str, str] | None, secrets: Secrets, streaming: bool
) -> dict[str, str]:
    environment = {
        f"SECRET_{name}": secret if isinstance(secret, str) else secret.secret_arn
        for name, secret in _pairs(secrets)
    }
    if streaming:
        # A function cannot see how its URL was set up: it is told.
        environment["PENSTOCK_INVOKE_MODE"] = "stream"
    return environment | dict(own or {})


def _by_name(scope: Construct, secrets: Secrets) -> dict[str, secretsmanager.ISecret]:
    return {
        name: secretsmanager.Secret.from_secret_name_v2(scope, f"Secret{name}", secret)
        if isinstance(secret, str)
        else secret
        for name, secret in _pairs(secrets)
    }


def _pairs(secrets: Secrets) -> Iterable[tuple[str, secretsmanager.ISecret | str]]:
    if isinstance(secrets, str):
        raise InvalidOption("secrets", secrets, "a list of names, or a mapping of them")
    if isinstance(secrets, Mapping):
        return secrets.items()
    return [(name, name) for name in secrets]


def _secrets_extension() -> lambda_.ParamsAndSecretsLayerVersion:
    """AWS's extension that fetches and keeps secrets beside the function."""
    return lambda_.ParamsAndSecretsLayerVersion.from_version(
        lambda_.ParamsAndSecretsVersions.V1_0_103
    )


def _log_group(scope: Construct, retention: logs.RetentionDays) -> logs.LogGroup:
    return logs.LogGroup(scope, "Log", retention=retention, removal_policy=RemovalPolicy.DESTROY)


def _bedrock_statement(scope: Construct, models: bool | Sequence[str]) -> iam.PolicyStatement:
    if isinstance(models, str):
        raise InvalidOption("bedrock", models, "True, or a list of ARNs")
    partition = Stack.of(scope).partition
    account = Stack.of(scope).account
    every = [
        f"arn:{partition}:bedrock:*::foundation-model/*",
        f"arn:{partition}:bedrock:*:{account}:inference-profile/*",
    ]
    resources = every if isinstance(models, bool) else list(models)
    return iam.PolicyStatement(actions=list(_BEDROCK_ACTIONS), resources=resources)
