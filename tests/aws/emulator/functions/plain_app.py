"""A function of a few lines, for awslambdaric as it is."""

import os
import time

started = time.time()
count = 0


def handler(event, context):
    global count
    count += 1
    print("printed")
    if "fail" in event:
        raise ValueError(event["fail"])
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "until" in event:
        with open(f"{event['until']}-{os.getpid()}", "w"):
            pass
        while not os.path.exists(event["until"]):
            time.sleep(0.01)
    custom = context.client_context.custom if context.client_context else None
    return {
        "count": count,
        "pid": os.getpid(),
        "remaining": context.get_remaining_time_in_millis(),
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "custom": custom,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "env": os.environ.get("GIVEN"),
    }
