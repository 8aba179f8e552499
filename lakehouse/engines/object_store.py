"""The object store's client: S3 with signed requests. Connects only when called."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from lakehouse.engines.tls import ca_bundle
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from botocore.client import BaseClient


def bucket(settings: Settings) -> str:
    """The warehouse's bucket."""
    return urlparse(settings.warehouse).netloc


@lru_cache(maxsize=4)
def _client(endpoint: str, region: str, path_style: bool, access: str, secret: str, ca: str | None) -> BaseClient:
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if path_style else "virtual"},
        connect_timeout=3,
        read_timeout=5,
        retries={"max_attempts": 1},
    )
    return get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        verify=ca or True,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=config,
    )


def s3_client(settings: Settings) -> BaseClient:
    """A client with the settings' keys. Raises only when it is used."""
    return _client(
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_path_style,
        settings.s3_access_key.get_secret_value(),
        settings.s3_secret_key.get_secret_value(),
        ca_bundle(settings),
    )
