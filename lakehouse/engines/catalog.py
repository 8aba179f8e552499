"""The Iceberg catalog's client for Python: pyiceberg over the REST protocol. Connects only when called."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lakehouse.engines.tls import ca_bundle
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CATALOG_NAME = "lakehouse"


class _DeletedAlready(logging.Filter):
    """The server deletes a table's outdated metadata files with the commit; pyiceberg then tries the same and warns."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Failed to delete metadata file")


_DELETED_ALREADY = _DeletedAlready()


class CatalogUnavailable(LakehouseError):
    """The catalog does not answer, or does not take the credential."""


def iceberg_catalog(settings: Settings | None = None) -> Catalog:
    """The catalog `lakehouse`, with its credential and the object store's keys from the settings.

    Raises `CatalogUnavailable`.
    """
    import requests
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import RESTError

    s = settings or get_settings()
    logging.getLogger("pyiceberg.catalog").addFilter(_DELETED_ALREADY)
    try:
        return load_catalog(CATALOG_NAME, **_properties(s))
    except (requests.RequestException, RESTError) as error:
        raise CatalogUnavailable(
            f"the catalog does not answer at {s.catalog_uri}: {error}", "run `lakehouse stack up catalog`"
        ) from error


def _properties(s: Settings) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": "rest",
        "uri": s.catalog_uri,
        "credential": f"{s.catalog_client_id}:{s.catalog_client_secret.get_secret_value()}",
        "oauth2-server-uri": s.catalog_oauth2_uri,
        "scope": s.catalog_scope,
        "warehouse": s.catalog_warehouse,
        "s3.endpoint": s.s3_endpoint,
        "s3.access-key-id": s.s3_access_key.get_secret_value(),
        "s3.secret-access-key": s.s3_secret_key.get_secret_value(),
        "s3.region": s.s3_region,
        "s3.force-virtual-addressing": str(not s.s3_path_style).lower(),
    }
    if bundle := ca_bundle(s):
        properties["ssl"] = {"cabundle": bundle}
    return properties
