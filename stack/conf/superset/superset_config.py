"""Superset's configuration, for the native profile and for Compose: everything that differs comes from the environment.

Needed: SUPERSET_SECRET_KEY and SUPERSET__SQLALCHEMY_DATABASE_URI (Superset reads both itself), SUPERSET_HOME.
"""

from __future__ import annotations

from copy import deepcopy

from superset.config import TALISMAN_CONFIG as _DEFAULT_TALISMAN

APP_NAME = "Lakehouse"

# numbers on a dashboard are as new as the marts: no answer of a query is kept
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# one process: its memory is where attempts to sign in are counted
RATELIMIT_ENABLED = True
RATELIMIT_STORAGE_URI = "memory://"

FEATURE_FLAGS = {"DASHBOARD_RBAC": False, "ALERT_REPORTS": False, "THUMBNAILS": False}

# nobody but who signs in sees anything
PUBLIC_ROLE_LIKE = None
AUTH_ROLE_PUBLIC = "Public"
AUTH_USER_REGISTRATION = False

# the browser talks to this server alone: no map tiles, no pixel that counts installations
TALISMAN_ENABLED = True
TALISMAN_CONFIG = deepcopy(_DEFAULT_TALISMAN)
TALISMAN_CONFIG["content_security_policy"] |= {
    "img-src": ["'self'", "blob:", "data:"],
    "connect-src": ["'self'"],
    "font-src": ["'self'", "data:"],
    "style-src": ["'self'", "'unsafe-inline'"],
}
TALISMAN_CONFIG["session_cookie_secure"] = False

SQLLAB_TIMEOUT = 60
SUPERSET_WEBSERVER_TIMEOUT = 60
ROW_LIMIT = 10_000
LOG_LEVEL = "WARNING"
