"""Start the crawler when a run of the Glue job succeeded. This file is the function's code on AWS as it stands."""

import json
import os
from typing import Any

import boto3


def handler(event: dict[str, Any], context: Any) -> None:
    """Start the crawler; one that runs already raises, since it may have listed before the run published."""
    boto3.client("glue").start_crawler(Name=os.environ["CRAWLER_NAME"])
    print(json.dumps({"event": "crawler started", "run": event.get("detail", {}).get("jobRunId")}))
