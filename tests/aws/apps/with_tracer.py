from aws_lambda_powertools import Tracer

from penstock.aws import stream_handler

tracer = Tracer(service="s")


@stream_handler(format="ndjson", throw=True)
async def stream(event, context):
    yield {"i": 0}
    with tracer.provider.in_subsegment("inside"):
        pass
    if event.get("fail"):
        raise ValueError("told")


@tracer.capture_lambda_handler
def handler(event, context):
    return stream(event, context)
