"""Whom clients trust for TLS: the authorities in `ca_file`, or the system's. Nothing here turns the check off."""

from __future__ import annotations

import os
import ssl

from lakehouse.settings import Settings

VARIABLES = (
    "SSL_CERT_FILE",  # Arrow's S3 client, which takes no path
    "REQUESTS_CA_BUNDLE",  # wins over what a session of `requests` is told
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",  # Spark Connect's gRPC, read when its first channel is made
)


def ca_bundle(settings: Settings) -> str | None:
    """The path of the authorities' file, None for the client's own default.

    Libraries that are told by the environment alone are told there, so it holds for the whole process.
    """
    if settings.ca_file is None:
        return None
    os.environ.update(dict.fromkeys(VARIABLES, str(settings.ca_file)))
    return str(settings.ca_file)


def context(settings: Settings) -> ssl.SSLContext:
    """For httpx."""
    return ssl.create_default_context(cafile=ca_bundle(settings))
