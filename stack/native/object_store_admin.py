"""What only the object store's own shell can do: make the warehouse's bucket refuse writes, as a full quota does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from stack.native.services.object_store import bucket

SHELL_SECONDS = 60


class ShellFailed(LakehouseError):
    """The object store's shell did not do what was asked; the message is what it said."""


def shell(settings: Settings, *commands: str) -> str:
    """Run commands in SeaweedFS's shell, with this stack's certificate; returns what it said. Raises `ShellFailed`."""
    done = subprocess.run(
        [
            str(settings.home / "env" / "bin" / "weed"), f"-config_dir={settings.conf_dir / 'object-store'}", "shell",
            f"-master={settings.host}:{settings.s3_master_port}", f"-filer={settings.host}:{settings.s3_filer_port}",
        ],
        input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=SHELL_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode or "error:" in done.stdout:
        raise ShellFailed(f"{'; '.join(commands)}: {(done.stdout + done.stderr).strip()[-500:]}")
    return done.stdout


@contextmanager
def read_only(settings: Settings) -> Iterator[str]:
    """Within the `with` the bucket is over its quota: every write is refused, everything can be read and deleted.

    Gives what the store said of it. The quota is taken away afterwards, whatever happened.
    """
    name = bucket(settings)
    try:
        yield shell(settings, f"s3.bucket.quota -name={name} -op=set -sizeMB=1", "s3.bucket.quota.enforce -apply")
    finally:
        shell(settings, f"s3.bucket.quota -name={name} -op=remove")
