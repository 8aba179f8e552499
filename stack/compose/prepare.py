"""What runs once in the network of containers before or after a service: `python -m stack.compose.prepare STEP`.

Every step is repeatable. The native profile does the same in the services' `prepare` and `after_start`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import httpx

from lakehouse.engines.kafka import ensure_topics
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

AIRFLOW = "/lakehouse/.lakehouse/airflow-env/bin/airflow"
TIMEOUT_SECONDS = 30
EXISTS = 409


class NotPrepared(LakehouseError):
    """A step failed; the message is the service's own answer."""


def topics(settings: Settings) -> None:
    """The topics of the event log, with their partitions."""
    ensure_topics(settings)


def catalog_request(settings: Settings) -> dict[str, object]:
    """Polaris' description of our catalog: its files are in the warehouse, and clients bring keys of their own."""
    return {
        "catalog": {
            "name": settings.catalog_warehouse,
            "type": "INTERNAL",
            "properties": {
                "default-base-location": settings.warehouse,
                "polaris.config.drop-with-purge.enabled": "true",
            },
            "storageConfigInfo": {
                "storageType": "S3",
                "allowedLocations": [settings.warehouse],
                "endpoint": settings.s3_endpoint,
                "endpointInternal": settings.s3_endpoint,
                "region": settings.s3_region,
                "pathStyleAccess": settings.s3_path_style,
                # the object store issues no temporary keys
                "stsUnavailable": True,
            },
        }
    }


def warehouse(settings: Settings) -> None:
    """The catalog in Polaris, and the right of its administrator to read and write in it."""
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.catalog_client_id,
        "client_secret": settings.catalog_client_secret.get_secret_value(),
        "scope": settings.catalog_scope,
    }
    answer = httpx.post(settings.catalog_oauth2_uri, data=form, timeout=TIMEOUT_SECONDS).raise_for_status()
    management = settings.catalog_uri.removesuffix("/catalog") + "/management/v1"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=management, headers=headers, timeout=TIMEOUT_SECONDS) as polaris:
        made = polaris.post("/catalogs", json=catalog_request(settings))
        if made.status_code != EXISTS and made.is_error:
            raise NotPrepared(f"the catalog was not made: {made.status_code} {made.text[:300]}")
        roles = f"/catalogs/{settings.catalog_warehouse}/catalog-roles/catalog_admin/grants"
        grant = polaris.put(roles, json={"type": "catalog", "privilege": "CATALOG_MANAGE_CONTENT"})
        if grant.is_error:
            raise NotPrepared(f"the right was not granted: {grant.status_code} {grant.text[:300]}")


def airflow(settings: Settings) -> None:
    """Airflow's tables, and the one user's password in the file that its user manager reads."""
    home = settings.var_dir / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({settings.airflow_user: settings.airflow_password.get_secret_value()}))
    done = subprocess.run([AIRFLOW, "db", "migrate"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPrepared(f"Airflow's database could not be migrated: {done.stderr.strip()[-1500:]}")


def clickhouse(settings: Settings) -> None:
    """The databases: one for dashboards, one that shows the lake."""
    from lakehouse.engines.clickhouse import clickhouse_client
    from stack.native.clickhouse.server import databases

    client = clickhouse_client(settings)
    try:
        for statement in databases(settings):
            # a session of its own a statement: what SET says is in the server's configuration
            if not statement.startswith("SET "):
                client.command(statement)
    finally:
        client.close()


def jobs(settings: Settings) -> None:
    """The raw tables exist and the job that fills them runs, from where it stopped."""
    from lakehouse.streaming.jobs import ensure_running

    ensure_running(settings)


STEPS: dict[str, Callable[[Settings], None]] = {
    "topics": topics,
    "warehouse": warehouse,
    "airflow": airflow,
    "clickhouse": clickhouse,
    "jobs": jobs,
}


def main(names: list[str]) -> int:
    """Run the named steps in order; 1 and a line on standard error if one fails."""
    if not names or set(names) - set(STEPS):
        sys.stderr.write(f"usage: python -m stack.compose.prepare {'|'.join(STEPS)} …\n")
        return 2
    settings = get_settings()
    for name in names:
        try:
            STEPS[name](settings)
        except (LakehouseError, ConnectionError, httpx.HTTPError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1
        sys.stdout.write(f"{name}: done\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
