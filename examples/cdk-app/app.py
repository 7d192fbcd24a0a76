"""A chat endpoint on Lambda, behind CloudFront and behind a REST API."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from penstock.cdk import StreamingDistribution, StreamingFunction, StreamingRestApi


class ChatStack(cdk.Stack):
    """The function, and two ways to it."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        chat = StreamingFunction(self, "Chat", entry="function", handler="main.handler")
        site = StreamingDistribution(self, "Site", handler=chat)
        api = StreamingRestApi(self, "Api", handler=chat)
        cdk.CfnOutput(self, "SiteUrl", value=site.url)
        cdk.CfnOutput(self, "ApiUrl", value=api.url)


app = cdk.App()
ChatStack(app, "ChatStack")
app.synth()
