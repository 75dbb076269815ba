"""`python -m local_aws.s3 --home HOME --port P --rclone-port R`: the front, in the foreground, until SIGTERM."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from local_aws.errors import LocalAwsError
from local_aws.s3.front import Front


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code (4 where it cannot start)."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.s3", description="S3 over the lake, on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--rclone-port", type=int, required=True, help="the port of rclone behind it")
    options = parser.parse_args(arguments)
    try:
        front = Front(options.home, options.port, options.rclone_port)
    except (LocalAwsError, OSError) as error:
        print(f"s3: {error}", file=sys.stderr)
        return 4
    for number in (signal.SIGTERM, signal.SIGINT):
        # In a thread: a handler that takes the listener's lock must not run inside accept.
        signal.signal(number, lambda *_: threading.Thread(target=front.stop).start())
    print(f"s3: listening on 127.0.0.1:{front.port}", file=sys.stderr, flush=True)
    front.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
