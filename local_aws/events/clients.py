"""boto clients that speak to the running stack with one role's key, and follow nothing of the user's AWS settings."""

from __future__ import annotations

import os
from typing import Any

from local_aws.endpoints import Endpoints
from local_aws.secrets import aws_keys


def make_client(endpoints: Endpoints, service: str, role: str) -> Any:
    """Return a client of a service."""
    import botocore.session
    from botocore.config import Config

    keys = aws_keys(endpoints.home, role)
    nothing = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
    session = botocore.session.Session(session_vars={**nothing, "profile": (None, None, None, None)})
    return session.create_client(
        service,
        region_name=endpoints.region,
        endpoint_url=endpoints.s3 if service == "s3" else endpoints.aws,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token="",
        config=Config(
            retries={"mode": "standard", "max_attempts": 4},
            proxies={},
            use_fips_endpoint=False,
            use_dualstack_endpoint=False,
            connect_timeout=3,
            s3={"addressing_style": "path"},
        ),
    )
