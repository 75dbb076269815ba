"""Superset's configuration. No secret stands here, in the environment or on a command line: all are read from files.

WORKBENCH_HOME names the stack's state folder. This module runs in Superset's virtualenv and imports nothing of ours.
"""

import json
import os
import time
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy.pool import NullPool
from superset.config import THEME_DEFAULT

STATE = Path(os.environ["WORKBENCH_HOME"])
PLACE = STATE / "superset"
READER = "workbench_reader"
_ACTIVITY_SECONDS = 60.0


def _read_secret(name: str) -> str:
    return (STATE / "secrets" / name).read_text()


def _find_postgres() -> tuple[str, int]:
    """Return host and port of the stack's PostgreSQL as they are now: a restarted stack may have another port."""
    postgres = json.loads((STATE / "endpoints.json").read_text())["postgres"]
    return postgres["host"], int(postgres["port"])


def _metadata_uri() -> str:
    host, port = _find_postgres()
    password = quote(_read_secret("postgres-superset"), safe="")
    return f"postgresql+psycopg2://workbench_superset:{password}@{host}:{port}/superset"


SECRET_KEY = _read_secret("superset-secret-key")
GUEST_TOKEN_JWT_SECRET = SECRET_KEY + "guest"
GLOBAL_ASYNC_QUERIES_JWT_SECRET = SECRET_KEY + "async"

# Metadata live beside the data. Connections are not kept: the stack stops itself only when nobody is connected.
SQLALCHEMY_DATABASE_URI = _metadata_uri()
SQLALCHEMY_ENGINE_OPTIONS = {
    "poolclass": NullPool,
    "connect_args": {"application_name": "superset metadata", "connect_timeout": 10},
}
SQLALCHEMY_EXAMPLES_URI = None


def DB_CONNECTION_MUTATOR(
    uri: Any, params: dict[str, Any], username: str, security_manager: Any, source: Any
) -> tuple[Any, dict[str, Any]]:
    """Add where PostgreSQL is, and the reader's password, to the address that the assets hold."""
    if uri.username != READER:
        return uri, params
    host, port = _find_postgres()
    return uri.set(host=host, port=port, password=_read_secret("postgres-reader")), params


# The page loads nothing from elsewhere, whatever a chart or a text asks for.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
        "frame-ancestors": ["'none'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # loopback only
    "session_cookie_secure": False,
}
TALISMAN_DEV_CONFIG = TALISMAN_CONFIG
CONTENT_SECURITY_POLICY_WARNING = False
WTF_CSRF_ENABLED = True
# A name of its own: cookies know no ports, and another Superset on this machine would log us out.
SESSION_COOKIE_NAME = f"workbench_{os.environ.get('WORKBENCH_SUPERSET_PORT', 'superset')}"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)
ENABLE_CORS = False
RATELIMIT_STORAGE_URI = "memory://"
FAB_API_SWAGGER_UI = False
AUTH_ROLE_PUBLIC = "Public"
PUBLIC_ROLE_LIKE = None
AUTH_USER_REGISTRATION = False
# Refreshed tokens are not needed: the client that drops cached results logs in for each publication.
PREVENT_UNSAFE_DB_CONNECTIONS = True


def _cache(name: str, seconds: int) -> dict[str, Any]:
    return {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(PLACE / "cache" / name),
        "CACHE_DEFAULT_TIMEOUT": seconds,
        "CACHE_THRESHOLD": 2000,
        "CACHE_KEY_PREFIX": f"{name}_",
    }


# `cachekey/invalidate` deletes what the metadata database remembers, and from CACHE_CONFIG only: without this flag,
# or with two caches, it answers 201 and deletes nothing.
STORE_CACHE_KEYS_IN_METADATA_DB = True
CACHE_CONFIG = _cache("data", 24 * 3600)
DATA_CACHE_CONFIG = CACHE_CONFIG
FILTER_STATE_CACHE_CONFIG = {**_cache("filter", 7 * 86400), "REFRESH_TIMEOUT_ON_RETRIEVAL": True}
EXPLORE_FORM_DATA_CACHE_CONFIG = {**_cache("explore", 7 * 86400), "REFRESH_TIMEOUT_ON_RETRIEVAL": True}
THUMBNAIL_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

FEATURE_FLAGS = {
    "DASHBOARD_RBAC": True,
    "EMBEDDED_SUPERSET": False,
    "ALERT_REPORTS": False,
    "THUMBNAILS": False,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "DASHBOARD_VIRTUALIZATION": False,  # charts below the fold are drawn too: prints and screenshots are whole
    "ESCAPE_MARKDOWN_HTML": True,
}
# An open page looks again by itself; what did not change comes from the cache.
DASHBOARD_AUTO_REFRESH_MODE = "fetch"
ROW_LIMIT = 10_000
SQL_MAX_ROW = 50_000
SQLLAB_TIMEOUT = 30
SUPERSET_WEBSERVER_TIMEOUT = 60
LOG_LEVEL = "WARNING"
SILENCE_FAB = True

APP_NAME = "Analytics Workbench"
# What Superset's forms cannot say of a chart: a box plot's legend names nothing and its labels are
# better broken than turned; the first month needs its label.
THEME_DEFAULT = deepcopy(THEME_DEFAULT)
THEME_DEFAULT["token"] |= {
    "brandAppName": APP_NAME,
    "echartsOptionsOverridesByChartType": {
        "box_plot": {
            "legend": {"show": False},
            "xAxis": {"axisLabel": {"interval": 0, "width": 80, "overflow": "break", "lineHeight": 14}},
        },
        "echarts_timeseries_line": {"xAxis": {"axisLabel": {"showMinLabel": True, "alignMinLabel": "left"}}},
    },
}
THEME_DARK = None
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "workbench",
        "label": "Workbench",
        "description": "Okabe and Ito's colours, told apart with any kind of colour vision",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F"],
    }
]
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [
    {
        "id": "workbench_blue",
        "label": "Workbench blue",
        "description": "From few to many in one hue",
        "isDefault": True,
        "colors": ["#F1F6FA", "#CFE2F0", "#9CC4DF", "#5FA0C8", "#2A7FB3", "#0A5687"],
    }
]


def FLASK_APP_MUTATOR(app: Any) -> None:
    """Answer the login page's events without touching the session, and tell the stack that somebody is here."""
    from flask import request
    from flask_login import current_user

    told = {"at": 0.0}

    def look_at_request() -> tuple[str, int] | None:
        # The page's anonymous event may be answered after the login and would put the old session in its place.
        if request.path.startswith("/superset/log/") and not current_user.is_authenticated:
            return "", 204
        now = time.monotonic()
        if request.path != "/health" and now - told["at"] > _ACTIVITY_SECONDS:
            told["at"] = now
            try:
                os.utime(STATE / "activity")
            except OSError:
                pass
        return None

    app.before_request(look_at_request)
