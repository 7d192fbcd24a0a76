"""What the constructs synthesise: a table of properties for each resource."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import InvalidOption

ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]


def of_type(template: Any, kind: str) -> list[Any]:
    """Return the properties of every resource of a kind."""
    found = template["Resources"].values()
    return [each.get("Properties", {}) for each in found if each["Type"] == kind]


def only(template: Any, kind: str) -> Any:
    [properties] = of_type(template, kind)
    return properties


def statements(template: Any) -> dict[str, Any]:
    """Return what the function's role allows: the first action of each statement to it all."""
    found = of_type(template, "AWS::IAM::Policy")
    each = [one for policy in found for one in policy["PolicyDocument"]["Statement"]]
    return {_first_action(one): one for one in each}


def _first_action(statement: Any) -> str:
    action = statement["Action"]
    return str(action if isinstance(action, str) else action[0])


@pytest.fixture(scope="session")
def plain(synth: Any, code: Any) -> Any:
    from penstock.cdk import StreamingFunction

    return synth(lambda stack: StreamingFunction(stack, "F", code=code, handler="main.handler"))


@pytest.fixture(scope="session")
def rich(cdk: Any, synth: Any, code: Any) -> Any:
    """Everything that can be asked for, at once."""
    from penstock.cdk import StreamingDistribution, StreamingFunction, StreamingRestApi

    def build(stack: Any) -> None:
        secret = cdk.aws_secretsmanager.Secret(stack, "Own")
        zone = cdk.aws_route53.HostedZone.from_hosted_zone_attributes(
            stack, "Zone", hosted_zone_id="Z1", zone_name="example.com"
        )
        cors = cdk.aws_lambda.FunctionUrlCorsOptions(allowed_origins=["https://example.com"])
        function = StreamingFunction(
            stack,
            "F",
            code=code,
            handler="main.handler",
            secrets={"API_KEY": "prod/key", "OWN": secret},
            bedrock=True,
            environment={"COLOUR": "blue"},
            cors=cors,
            timeout=cdk.Duration.minutes(2),
            memory_size=512,
            architecture="x86_64",
            runtime="python3.14",
            provisioned_concurrency=2,
            log_retention=cdk.aws_logs.RetentionDays.ONE_WEEK,
        )
        StreamingDistribution(
            stack,
            "Site",
            handler=function,
            host="chat.example.com",
            zone=zone,
            read_timeout=cdk.Duration.seconds(120),
            web_acl_id="arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1",
            access_logs=cdk.aws_s3.Bucket(
                stack, "Logs", object_ownership=cdk.aws_s3.ObjectOwnership.OBJECT_WRITER
            ),
        )
        StreamingRestApi(stack, "Api", handler=function)

    return synth(build)


def test_a_function_streams_and_is_private_by_default(plain: Any) -> None:
    # I1
    function, url = only(plain, "AWS::Lambda::Function"), only(plain, "AWS::Lambda::Url")
    assert url["InvokeMode"] == "RESPONSE_STREAM"
    assert url["AuthType"] == "AWS_IAM"
    assert "Cors" not in url
    assert function["Timeout"] == 900
    assert function["MemorySize"] == 1024
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "python3.13"
    assert function["TracingConfig"] == {"Mode": "Active"}
    # L5: the function cannot see how its URL was set up
    assert function["Environment"]["Variables"] == {"PENSTOCK_INVOKE_MODE": "stream"}
    assert only(plain, "AWS::Logs::LogGroup")["RetentionInDays"] == 30
    assert not of_type(plain, "AWS::Lambda::Permission")
    assert list(statements(plain)) == ["xray:PutTraceSegments"]


def test_a_function_with_everything(rich: Any) -> None:
    # I1, M6
    function = only(rich, "AWS::Lambda::Function")
    variables = function["Environment"]["Variables"]
    assert variables["COLOUR"] == "blue"
    assert variables["SECRET_API_KEY"] == "prod/key"
    assert variables["SECRET_OWN"] == {"Ref": next(n for n in rich["Resources"] if n[:3] == "Own")}
    assert variables["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"] == "2773"
    assert "Parameters-and-Secrets" in json.dumps(function["Layers"])
    assert (function["Timeout"], function["MemorySize"]) == (120, 512)
    assert (function["Architectures"], function["Runtime"]) == (["x86_64"], "python3.14")
    allowed = statements(rich)
    assert "prod/key-??????" in json.dumps(
        [one for one in _all_statements(rich) if "secretsmanager:GetSecretValue" in one["Action"]]
    )
    bedrock = allowed["bedrock:InvokeModel"]
    assert "bedrock:InvokeModelWithResponseStream" in bedrock["Action"]
    assert all("bedrock" in json.dumps(each) for each in bedrock["Resource"])
    alias, url = only(rich, "AWS::Lambda::Alias"), only(rich, "AWS::Lambda::Url")
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert url["Qualifier"] == alias["Name"] == "live"
    assert url["Cors"]["AllowOrigins"] == ["https://example.com"]
    retention = {each["RetentionInDays"] for each in of_type(rich, "AWS::Logs::LogGroup")}
    assert retention == {7}


def _all_statements(template: Any) -> list[Any]:
    return [
        one
        for policy in of_type(template, "AWS::IAM::Policy")
        for one in policy["PolicyDocument"]["Statement"]
    ]


def test_a_distribution_leaves_streams_alone(rich: Any) -> None:
    # I2
    config = only(rich, "AWS::CloudFront::Distribution")["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]
    assert behavior["AllowedMethods"] == ALL_METHODS
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # CachingDisabled
    # AllViewerExceptHostHeader
    assert behavior["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    assert behavior["Compress"] is False
    [origin] = config["Origins"]
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] == 120
    assert config["HttpVersion"] == "http2and3"
    assert config["Aliases"] == ["chat.example.com"]
    assert config["WebACLId"].endswith("webacl/x/1")
    assert "Bucket" in config["Logging"]
    headers = only(rich, "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    assert set(headers) == {"Name", "SecurityHeadersConfig"}


def test_only_the_distribution_may_call_the_url(rich: Any) -> None:
    # I2: a signed call takes both permissions
    access = only(rich, "AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    assert access["OriginAccessControlOriginType"] == "lambda"
    assert access["SigningBehavior"] == "always"
    given = [
        (each["Action"], each.get("InvokedViaFunctionUrl", False))
        for each in of_type(rich, "AWS::Lambda::Permission")
        if each["Principal"] == "cloudfront.amazonaws.com"
    ]
    assert sorted(given) == [("lambda:InvokeFunction", True), ("lambda:InvokeFunctionUrl", False)]


def test_a_host_has_a_certificate_and_both_records(rich: Any) -> None:
    # I2
    assert only(rich, "AWS::CertificateManager::Certificate")["DomainName"] == "chat.example.com"
    records = of_type(rich, "AWS::Route53::RecordSet")
    assert sorted(each["Type"] for each in records) == ["A", "AAAA"]
    assert {each["Name"] for each in records} == {"chat.example.com."}


def test_a_rest_api_streams(rich: Any) -> None:
    # I3
    methods = of_type(rich, "AWS::ApiGateway::Method")
    assert len(methods) == 2  # the root, and everything under it
    for method in methods:
        integration = method["Integration"]
        assert method["HttpMethod"] == "ANY"
        assert method["AuthorizationType"] == "AWS_IAM"
        assert integration["ResponseTransferMode"] == "STREAM"
        assert integration["Type"] == "AWS_PROXY"
        assert integration["TimeoutInMillis"] == 900_000
        uri = json.dumps(integration["Uri"])
        assert "2021-11-15/functions/" in uri
        assert "/response-streaming-invocations" in uri
    api = only(rich, "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert not of_type(rich, "AWS::ApiGateway::Account")  # a setting of the whole account


def test_everybody_in_the_world_only_in_so_many_words(synth: Any, code: Any) -> None:
    # I1: a public URL takes both permissions as well
    from penstock.cdk import StreamingDistribution, StreamingFunction, StreamingRestApi

    def build(stack: Any) -> None:
        function = StreamingFunction(stack, "F", code=code, handler="main.handler", auth="NONE")
        StreamingDistribution(stack, "Site", handler=function)
        StreamingRestApi(stack, "Api", handler=function, auth="NONE")

    template = synth(build)
    assert only(template, "AWS::Lambda::Url")["AuthType"] == "NONE"
    given = {
        each["Action"]
        for each in of_type(template, "AWS::Lambda::Permission")
        if each["Principal"] == "*"
    }
    assert given == {"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}
    assert not of_type(template, "AWS::CloudFront::OriginAccessControl")
    methods = of_type(template, "AWS::ApiGateway::Method")
    assert {each["AuthorizationType"] for each in methods} == {"NONE"}


def test_a_function_without_a_url(synth: Any, code: Any) -> None:
    # I1, I3: behind the REST API it is told to stream
    from penstock.cdk import StreamingFunction, StreamingRestApi

    def build(stack: Any) -> None:
        direct = StreamingFunction(
            stack, "Direct", code=code, handler="a.b", streaming=False, bedrock=["arn:aws:x"]
        )
        assert direct.url is None
        behind = StreamingFunction(stack, "Behind", code=code, handler="a.b", streaming=False)
        StreamingRestApi(stack, "Api", handler=behind)

    template = synth(build)
    assert not of_type(template, "AWS::Lambda::Url")
    modes = [
        each.get("Environment", {}).get("Variables", {}).get("PENSTOCK_INVOKE_MODE")
        for each in of_type(template, "AWS::Lambda::Function")
    ]
    assert sorted(modes, key=str) == [None, "stream"]
    assert statements(template)["bedrock:InvokeModel"]["Resource"] == "arn:aws:x"


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "auth": ({"auth": "none"}, "auth= must be"),
    "runtime": ({"runtime": "python3.8"}, "runtime= must be one of python3.11"),
    "architecture": ({"architecture": "arm"}, "architecture= must be"),
    "no code": ({"code": None}, "entry= must be the folder"),
    "secrets as a str": ({"secrets": "API_KEY"}, "secrets= must be a list"),
    "bedrock as a str": ({"bedrock": "arn:aws:x"}, "bedrock= must be True, or a list"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_once(name: str, stack: Any, code: Any) -> None:
    from penstock.cdk import StreamingFunction

    options, said = MISTAKES[name]
    with pytest.raises(InvalidOption, match=said):
        StreamingFunction(stack, "F", **{"code": code, "handler": "a.b", **options})


def test_a_distribution_told_wrong(cdk: Any, stack: Any, code: Any) -> None:
    from penstock.cdk import StreamingDistribution, StreamingFunction

    function = StreamingFunction(stack, "F", code=code, handler="a.b")
    silent = StreamingFunction(stack, "G", code=code, handler="a.b", streaming=False)
    with pytest.raises(InvalidOption, match="hosted zone of a.example"):
        StreamingDistribution(stack, "A", handler=function, host="a.example")
    with pytest.raises(InvalidOption, match="1 to 180 seconds"):
        StreamingDistribution(stack, "B", handler=function, read_timeout=cdk.Duration.minutes(5))
    with pytest.raises(InvalidOption, match="streaming=True"):
        StreamingDistribution(stack, "C", handler=silent)


# It wants what CDK itself writes to be left out.
LINT: list[Any] = [Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", "W3005", "--"]


@pytest.mark.parametrize("name", ["plain", "rich"])
def test_every_template_passes_cfn_lint(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # I4
    path = tmp_path / "template.json"
    path.write_text(json.dumps(request.getfixturevalue(name)))
    done = subprocess.run([*LINT, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
