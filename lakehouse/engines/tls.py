"""Whom clients trust for TLS: the authorities in `ca_file`, or the system's. Nothing here turns the check off."""

from __future__ import annotations

import ssl

from lakehouse.settings import Settings


def ca_bundle(settings: Settings) -> str | None:
    """The path for clients that take one; None means the client's own default."""
    return str(settings.ca_file) if settings.ca_file else None


def context(settings: Settings) -> ssl.SSLContext:
    """For httpx."""
    return ssl.create_default_context(cafile=ca_bundle(settings))
