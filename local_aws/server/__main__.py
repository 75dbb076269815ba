"""Serve the control plane: `python -m local_aws.server --home HOME --port P`, in the foreground, on loopback."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import waitress

from local_aws.errors import LocalAwsError
from local_aws.server.app import ControlPlane
from local_aws.server.context import open_context
from local_aws.server.records import load_moto
from local_aws.server.services import Services

THREADS = 16
CONNECTIONS = 800  # clients keep them open between calls; a soft limit of files is often 1,024
LARGEST_BODY = 16 * 2**20  # Glue and Athena take less; uploads go to the S3 endpoint


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 4 where the state or the port cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.server", description="The embedded AWS's control plane")
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1")
    options = parser.parse_args(arguments)
    try:
        serve(options.home.absolute(), options.port)
    except LocalAwsError as error:
        print(error, file=sys.stderr)
        return 4
    except OSError as error:
        print(f"127.0.0.1:{options.port} cannot be served ({error.strerror}): name another port.", file=sys.stderr)
        return 4
    return 0


def serve(home: Path, port: int) -> None:
    """Serve the state folder `home` on 127.0.0.1:`port` until a signal ends it."""
    context = open_context(home)
    services = Services(context)
    try:
        server = waitress.create_server(
            ControlPlane(context, services),
            host="127.0.0.1",
            port=port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
            max_request_body_size=LARGEST_BODY,
            ident=None,
        )
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        print(f"control plane of {home} on 127.0.0.1:{port}", file=sys.stderr, flush=True)
        threading.Thread(target=load_moto, daemon=True).start()
        server.run()
    finally:
        services.close()
        context.store.close()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
