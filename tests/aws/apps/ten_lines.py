from penstock.aws import stream_handler


@stream_handler(format="sse")
async def handler(event, context):
    for i in range(event.get("n", 3)):
        if event.get("fail") == i:
            raise ValueError("no more")
        yield {"i": i}
