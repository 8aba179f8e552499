"""The object store on the live stack: S3 with the key, and no way around it through its other ports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from lakehouse.engines.object_store import bucket, s3_client
from lakehouse.settings import Settings, get_settings

pytestmark = pytest.mark.stack
KEY, CONTENT = "_test/secret-object", b"for those with the key"
LOOK_OR_HARM = (
    "/dir/status",
    "/dir/assign?collection=warehouse",
    "/dir/lookup?volumeId=1",
    "/vol/status",
    "/vol/grow?count=1",
    "/vol/vacuum",
    "/col/delete?collection=warehouse",
    "/submit",
    "/buckets/",
    "/buckets/warehouse/",
    f"/buckets/warehouse/{KEY}",
    "/stats/disk",
    "/stats/memory",
    "/debug/pprof/heap",
    "/1,01",
)


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    found = get_settings()
    s3_client(found).put_object(Bucket=bucket(found), Key=KEY, Body=CONTENT)
    return found


def read(settings: Settings) -> bytes:
    return bytes(s3_client(settings).get_object(Bucket=bucket(settings), Key=KEY)["Body"].read())


@pytest.mark.parametrize("key", [("nobody", "nothing"), (None, None)])
def test_a_client_without_the_key_is_refused(settings: Settings, key: tuple[str | None, str | None]) -> None:
    if key[0] is None:
        assert httpx.get(f"{settings.s3_endpoint}/{bucket(settings)}/{KEY}").status_code == 403
        return
    stranger = get_session().create_client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
    )
    for call in ("list_objects_v2", "delete_bucket"):
        with pytest.raises(ClientError, match=r"InvalidAccessKeyId|AccessDenied"):
            getattr(stranger, call)(Bucket=bucket(settings))


@pytest.mark.parametrize("port", ["s3_master_port", "s3_volume_port", "s3_filer_port", "s3_console_port"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_the_other_ports_show_and_do_nothing(settings: Settings, port: str, method: str) -> None:
    with httpx.Client(base_url=f"http://{settings.host}:{getattr(settings, port)}", timeout=10) as client:
        for path in LOOK_OR_HARM:
            answer = client.request(method, path, content=b"x" if method in ("POST", "PUT") else None)
            # the console sends whoever is not signed in to its login
            closed = answer.status_code in (400, 401, 403, 404, 405) or "/login" in answer.headers.get("location", "")
            assert closed, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            assert CONTENT not in answer.content
    assert read(settings) == CONTENT


def shell(settings: Settings, conf: Path, line: str) -> str:
    """What the store's own administration shell says, which talks gRPC to master and filer."""
    done = subprocess.run(
        [
            settings.home / "env" / "bin" / "weed",
            f"-config_dir={conf}",
            "shell",
            f"-master={settings.host}:{settings.s3_master_port}",
            f"-filer={settings.host}:{settings.s3_filer_port}",
        ],
        input=f"{line}\nexit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout + done.stderr


def test_grpc_wants_the_stacks_certificate(settings: Settings, tmp_path: Path) -> None:
    line = f"fs.ls /buckets/{bucket(settings)}/_test"
    assert "secret-object" in shell(settings, settings.conf_dir / "object-store", line)
    # without it the shell finds no master for as long as one lets it
    with pytest.raises(subprocess.TimeoutExpired) as waited:
        shell(settings, tmp_path, line)
    assert b"secret-object" not in (waited.value.stdout or b"") + (waited.value.stderr or b"")


def test_what_holds_a_key_is_for_the_owner_alone(settings: Settings) -> None:
    conf = settings.conf_dir / "object-store"
    for name in ("s3.json", "security.toml", "certificate.pem"):
        assert (conf / name).stat().st_mode & 0o077 == 0, name
