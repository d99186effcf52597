"""Sample function: it answers its Function URL, and fails on demand."""

import json
import os
from typing import Any


def handle(event: dict[str, Any], context: object) -> Any:
    if "requestContext" in event:
        return {"statusCode": 200, "body": json.dumps({"path": event["rawPath"], "word": os.environ["WORD"]})}
    if "Records" in event:
        return {"batchItemFailures": []}
    raise ValueError(event["time"])
