"""CloudFront before a function's URL: a name of your own, one way in, streams left alone.

Lives here: the distribution, its certificate and its names. Stays out: the function.

A stream reaches the viewer as it comes, as long as nothing on the way compresses, caches or waits.

Source: CloudFront, "Restrict access to an AWS Lambda function URL origin".
"""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from penstock.cdk.function import StreamingFunction
from penstock.errors import InvalidOption

__all__ = ("StreamingDistribution",)

# CloudFront's most without a raised quota is 60 seconds, with one 180.
_MAX_READ_TIMEOUT = 180


class StreamingDistribution(Construct):
    """A CloudFront distribution that streams from a function's URL.

    Only the distribution may call the URL (origin access control). A browser that sends a body
    must send its SHA-256 in ``x-amz-content-sha256`` then; CloudFront answers 403 without.

    Args:
        scope: Where it stands.
        id: Its name there.
        handler: A ``StreamingFunction``, or a Function URL.
        host: Name that people type, such as "chat.example.com"; needs ``zone`` or
            ``certificate``.
        zone: Hosted zone of ``host``: the names, and the certificate unless there is one.
        certificate: For ``host``, in us-east-1.
        read_timeout: How long the function may be silent; keep-alives must come more often. Over
            60 seconds needs a raised quota.
        web_acl_id: ARN of a WAF web ACL, made in us-east-1.
        access_logs: Bucket for the access log.
        **options: Whatever else ``aws_cloudfront.Distribution`` takes.

    Attributes:
        distribution: The distribution.
        url: Where it answers.

    Raises:
        InvalidOption: An argument that cannot mean what it says.

    Example:
        ``StreamingDistribution(self, "Site", handler=chat, host="chat.example.com", zone=zone)``
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        handler: StreamingFunction | lambda_.IFunctionUrl,
        host: str | None = None,
        zone: route53.IHostedZone | None = None,
        certificate: acm.ICertificate | None = None,
        read_timeout: Duration | None = None,
        web_acl_id: str | None = None,
        access_logs: s3.IBucket | None = None,
        **options: Any,
    ) -> None:
        super().__init__(scope, id)
        if host is None and (zone is not None or certificate is not None):
            raise InvalidOption("host", host, "the name that zone= and certificate= are for")
        if host is not None and certificate is None:
            certificate = _certificate(self, host, zone)
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            default_behavior=_behavior(self, handler, _read_timeout(read_timeout)),
            domain_names=[host] if host is not None else None,
            certificate=certificate,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            web_acl_id=web_acl_id,
            enable_logging=access_logs is not None or None,
            log_bucket=access_logs,
            **options,
        )
        if host is not None and zone is not None:
            _name(self, host, zone, self.distribution)
        self.url = f"https://{host or self.distribution.distribution_domain_name}"


def _read_timeout(given: Duration | None) -> Duration:
    timeout = given or Duration.seconds(60)
    if not 1 <= timeout.to_seconds() <= _MAX_READ_TIMEOUT:
        expected = f"1 to {_MAX_READ_TIMEOUT} seconds"
        raise InvalidOption("read_timeout", f"{timeout.to_seconds():g} s", expected)
    return timeout


def _behavior(
    scope: Construct, handler: StreamingFunction | lambda_.IFunctionUrl, read_timeout: Duration
) -> cloudfront.BehaviorOptions:
    return cloudfront.BehaviorOptions(
        origin=_origin(handler, read_timeout),
        allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
        cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
        # The URL answers to its own name only, so the viewer's Host stays behind.
        origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        response_headers_policy=_security_headers(scope),
        compress=False,  # a compressor waits for more
    )


def _origin(
    handler: StreamingFunction | lambda_.IFunctionUrl, read_timeout: Duration
) -> cloudfront.IOrigin:
    url = handler.url if isinstance(handler, StreamingFunction) else handler
    if url is None:
        raise InvalidOption("handler", handler, "a function with a URL: streaming=True")
    if url.auth_type == lambda_.FunctionUrlAuthType.NONE:
        return origins.FunctionUrlOrigin(url, read_timeout=read_timeout)
    # Grants the distribution both permissions that a signed call takes.
    return origins.FunctionUrlOrigin.with_origin_access_control(url, read_timeout=read_timeout)


def _security_headers(scope: Construct) -> cloudfront.ResponseHeadersPolicy:
    """What browsers should be told; nothing that touches a body or its type."""
    behavior = cloudfront.ResponseSecurityHeadersBehavior(
        content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
        frame_options=cloudfront.ResponseHeadersFrameOptions(
            frame_option=cloudfront.HeadersFrameOption.DENY, override=False
        ),
        referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
            referrer_policy=cloudfront.HeadersReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN,
            override=False,
        ),
        strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
            access_control_max_age=Duration.days(365), include_subdomains=True, override=False
        ),
    )
    return cloudfront.ResponseHeadersPolicy(
        scope, "SecurityHeaders", security_headers_behavior=behavior
    )


def _certificate(scope: Construct, host: str, zone: route53.IHostedZone | None) -> acm.Certificate:
    if zone is None:
        raise InvalidOption("zone", zone, f"the hosted zone of {host}, or give certificate=")
    return acm.Certificate(
        scope,
        "Certificate",
        domain_name=host,
        validation=acm.CertificateValidation.from_dns(zone),
    )


def _name(
    scope: Construct,
    host: str,
    zone: route53.IHostedZone,
    distribution: cloudfront.IDistribution,
) -> None:
    # The cast: jsii's classes fill their interfaces, but its stubs do not say so.
    alias = cast("route53.IAliasRecordTarget", targets.CloudFrontTarget(distribution))
    target = route53.RecordTarget.from_alias(alias)
    route53.ARecord(scope, "A", zone=zone, record_name=host, target=target)
    route53.AaaaRecord(scope, "AAAA", zone=zone, record_name=host, target=target)
