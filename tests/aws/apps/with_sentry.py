"""Sentry's integration beside the hook; its events are printed, not sent."""

import os

import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration


def show(event, hint):
    print("SENTRY", event["exception"]["values"][-1]["type"], flush=True)


def start():
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        integrations=[AwsLambdaIntegration()],
        auto_enabling_integrations=False,  # it would import whatever is installed: seconds
        before_send=show,
    )


if os.environ["SENTRY_ORDER"] == "sentry first":
    start()

from penstock.aws import stream_handler  # noqa: E402


@stream_handler(format="ndjson")
async def handler(event, context):
    yield {"i": 0}
    if event.get("fail"):
        raise ValueError("for Sentry")


if os.environ["SENTRY_ORDER"] == "penstock first":
    start()
