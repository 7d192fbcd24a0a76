from aws_lambda_powertools import Logger

from penstock.aws import stream_handler

logger = Logger(service="s")


@stream_handler(format="ndjson")
async def stream(event, context):
    yield {"i": 0}
    logger.info("inside")
    if event.get("fail"):
        raise ValueError("told")


@logger.inject_lambda_context
def handler(event, context):
    return stream(event, context)
