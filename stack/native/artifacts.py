"""Jars by Maven coordinates, each with its sha256, one shared copy of each in `.lakehouse/jars`.

`stack/native/jars/<set>.txt` has one line a file: `group:artifact:version[:packaging] sha256:<hex>`. Nothing is
resolved transitively at installation: what is listed is what is on the class path.

Use: `python -m stack.native.artifacts fetch [set…]`, `python -m stack.native.artifacts lock <set>`.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lakehouse.settings import HOME
from stack.native.service import CannotPrepare

LISTS = Path(__file__).parent / "jars"
JAR_DIR = HOME / "jars"
DOWNLOADS_AT_ONCE = 4
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository; `sha256` is empty until it is locked."""

    coordinate: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Group, artifact, version, packaging."""
        group, artifact, version, *rest = self.coordinate.split(":")
        return group, artifact, version, rest[0] if rest else "jar"

    @property
    def path(self) -> Path:
        _, artifact, version, packaging = self.parts
        return JAR_DIR / f"{artifact}-{version}.{packaging}"


def sets() -> list[str]:
    """The names of all lists."""
    return sorted(path.stem for path in LISTS.glob("*.txt"))


def read_list(name: str) -> list[Artifact]:
    """The artifacts of one list. Raises `CannotPrepare` for a line that is not a coordinate."""
    artifacts = []
    for line in (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if not text:
            continue
        coordinate, _, digest = text.partition(" sha256:")
        if coordinate.count(":") not in (2, 3):
            raise CannotPrepare(f"{name}.txt: {text!r} is not group:artifact:version[:packaging] sha256:<hex>")
        artifacts.append(Artifact(coordinate.strip(), digest.strip()))
    return artifacts


def jars(name: str) -> list[Path]:
    """Local paths of a list's files, in its order. Raises `CannotPrepare` if one was not fetched."""
    paths = [artifact.path for artifact in read_list(name)]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise CannotPrepare(f"{', '.join(missing)} is not installed; run `make setup`.")
    return paths


def class_path(name: str) -> str:
    """A list's jars as a Java class path."""
    return ":".join(str(path) for path in jars(name))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(artifact: Artifact) -> None:
    from jgo.maven import MavenContext

    group, name, version, packaging = artifact.parts
    JAR_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JAR_DIR) as cache:
        context = MavenContext(repo_cache=Path(cache), timeout=TIMEOUT_SECONDS)
        try:
            found = context.project(group, name).at_version(version).artifact(packaging=packaging).resolve()
        except (RuntimeError, OSError) as error:
            raise CannotPrepare(
                f"{artifact.coordinate} could not be fetched: {error}. Run `make setup` again."
            ) from error
        digest = _sha256(found)
        if artifact.sha256 and digest != artifact.sha256:
            raise CannotPrepare(
                f"{artifact.coordinate} has sha256 {digest}, the lock says {artifact.sha256}: it was not installed."
            )
        # a rename: another process never sees half a file
        shutil.move(found, artifact.path)


def fetch(name: str) -> int:
    """Fetch what a list lacks; returns how many files were downloaded. A file of another hash is fetched again."""
    wanted = []
    for artifact in read_list(name):
        if artifact.path.exists() and artifact.sha256 and _sha256(artifact.path) != artifact.sha256:
            artifact.path.unlink()
        if not artifact.path.exists():
            wanted.append(artifact)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for _ in pool.map(_download, wanted):
            pass
    return len(wanted)


def lock(name: str) -> None:
    """Fetch a list and write each file's sha256 into it; lines that have one keep it."""
    fetch(name)
    known = {artifact.coordinate: artifact.path for artifact in read_list(name)}
    target = LISTS / f"{name}.txt"
    lines = []
    for line in target.read_text(encoding="utf-8").splitlines():
        coordinate = line.split(" sha256:")[0].strip()
        lines.append(f"{coordinate} sha256:{_sha256(known[coordinate])}" if coordinate in known else line)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """`fetch [set…]` or `lock set…`; one line of progress a list."""
    from rich.console import Console

    console = Console(stderr=True)
    if not arguments or arguments[0] not in ("fetch", "lock"):
        console.print("usage: python -m stack.native.artifacts fetch|lock [set…]")
        return 2
    action, names = arguments[0], arguments[1:] or sets()
    try:
        for name in names:
            if action == "lock":
                lock(name)
                console.print(f"  {name}: locked")
            else:
                console.print(f"  {name}: {fetch(name)} of {len(read_list(name))} files downloaded")
    except CannotPrepare as error:
        console.print(f"error: {error}", style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
