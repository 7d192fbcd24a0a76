"""API Gateway before a function: a REST API whose integration streams.

Lives here: the API and its one integration. Stays out: the function.

Source: API Gateway, "Stream the integration response for your proxy integrations". HTTP APIs and
WebSocket APIs do not stream.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from penstock.cdk.function import StreamingFunction
from penstock.errors import InvalidOption

__all__ = ("StreamingRestApi",)

_AUTH = {
    "AWS_IAM": apigateway.AuthorizationType.IAM,
    "NONE": apigateway.AuthorizationType.NONE,
}


class StreamingRestApi(Construct):
    """A REST API that hands every request to one function and streams what it answers.

    Regional: a silent stream may last five minutes there, at an edge-optimised API 30 seconds.

    Args:
        scope: Where it stands.
        id: Its name there.
        handler: A ``StreamingFunction``, or any function that streams.
        auth: Who may call it: "AWS_IAM", or "NONE" for everybody in the world.
        timeout: How long a stream may take; at most 15 minutes.
        cors: Preflight answers by API Gateway; None: the function's own.
        **options: Whatever else ``aws_apigateway.RestApi`` takes.

    Attributes:
        api: The REST API.
        url: Where it answers.

    Raises:
        InvalidOption: An argument that cannot mean what it says.

    Example:
        ``StreamingRestApi(self, "Api", handler=chat)``
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        handler: StreamingFunction | lambda_.IFunction,
        auth: str = "AWS_IAM",
        timeout: Duration | None = None,
        cors: apigateway.CorsOptions | None = None,
        **options: Any,
    ) -> None:
        super().__init__(scope, id)
        if auth not in _AUTH:
            raise InvalidOption("auth", auth, '"AWS_IAM", or "NONE" for everybody in the world')
        if isinstance(handler, StreamingFunction):
            # A REST API's event does not say whether its integration streams.
            handler.function.add_environment("PENSTOCK_INVOKE_MODE", "stream")
            target = handler.target
        else:
            target = handler
        integration = apigateway.LambdaIntegration(
            target,
            proxy=True,
            response_transfer_mode=apigateway.ResponseTransferMode.STREAM,
            timeout=timeout or Duration.minutes(15),
            allow_test_invoke=False,  # it buffers, and needs a permission of its own
        )
        method = apigateway.MethodOptions(authorization_type=_AUTH[auth])
        self.api = apigateway.RestApi(
            self,
            "Api",
            endpoint_types=options.pop("endpoint_types", [apigateway.EndpointType.REGIONAL]),
            default_cors_preflight_options=cors,
            # The role for its log is one for the whole account: not ours to set by the way.
            cloud_watch_role=options.pop("cloud_watch_role", False),
            **options,
        )
        self.api.root.add_method("ANY", integration, authorization_type=_AUTH[auth])
        self.api.root.add_proxy(default_integration=integration, default_method_options=method)
        self.url = self.api.url
