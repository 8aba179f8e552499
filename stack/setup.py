"""Set-up from package registries alone. Standard library only: it runs before anything is installed.

Each step is stamped with the hash of what it was made from (lock files, sources): a second run does nothing
and downloads nothing. Needs no root.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".lakehouse"
REQUIREMENTS = ROOT / "requirements"
BOOTSTRAP, ENV = HOME / "bootstrap", HOME / "env"
AIRFLOW_ENV, SUPERSET_ENV = HOME / "airflow-env", HOME / "superset-env"
PYTHON = ENV / "bin" / "python"
CORE = "core"
"""What everybody needs; steps of other profiles are made when their profile is named."""
METRICS = ROOT / "stack" / "native" / "metrics"
KERNEL = ("lakehouse", "Lakehouse (Python 3.11)")
WARM_CLIENT = ROOT / "lakehouse" / "warm" / "client.py"
TASKS_KERNEL = AIRFLOW_ENV / "share" / "jupyter" / "kernels" / KERNEL[0] / "kernel.json"


@dataclass(frozen=True)
class Step:
    """One step: what it is made from, what must exist afterwards, and how it is made."""

    name: str
    inputs: tuple[Path, ...]
    result: Path
    make: Callable[[], None]
    profile: str = CORE

    @property
    def stamp(self) -> Path:
        return HOME / "stamps" / self.name.replace(" ", "-")

    def digest(self) -> str:
        digest = hashlib.sha256(str(ROOT).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def run(*command: str | Path, **environment: str | Path) -> None:
    """Run a command quietly, with more in its environment; its output is shown only when it fails."""
    text = [str(part) for part in command]
    more = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(text, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"\n{(done.stdout + done.stderr).strip()[-3000:]}\n")
        raise SystemExit(
            f"\nerror: `{' '.join(text[:4])} …` failed (above).\n"
            "next:  if a download was cut off, run `make setup` again; else see Troubleshooting in README.md"
        )


def _uv() -> Path:
    return BOOTSTRAP / "bin" / "uv"


def _bootstrap() -> None:
    shutil.rmtree(BOOTSTRAP, ignore_errors=True)
    run(sys.executable, "-m", "venv", BOOTSTRAP)
    run(BOOTSTRAP / "bin" / "pip", "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS / "uv.txt")


def _environment(folder: Path, lock: str) -> None:
    if not (folder / "bin" / "python").exists():
        run(_uv(), "venv", "--quiet", "--python", sys.executable, folder)
    # compiled once here: else each of a dozen processes would compile the same thousands of modules at its start
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode")
    run(_uv(), *sync, "--python", folder / "bin" / "python", REQUIREMENTS / lock)


def _notebook_environment() -> None:
    _environment(ENV, "notebook.txt")
    install = ("pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    run(_uv(), *install, "--python", PYTHON)
    _kernel(ENV)


def _airflow_environment() -> None:
    _environment(AIRFLOW_ENV, "airflow.txt")


def _tasks_kernel() -> None:
    """As in the notebooks' environment, but forked from the scheduler's warm server where that answers."""
    _kernel(AIRFLOW_ENV)
    spec = json.loads(TASKS_KERNEL.read_text(encoding="utf-8"))
    spec["argv"] = [str(PYTHON), "-I", "-S", str(WARM_CLIENT), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    TASKS_KERNEL.write_text(json.dumps(spec, indent=1), encoding="utf-8")


def _superset_environment() -> None:
    _environment(SUPERSET_ENV, "superset.txt")


def _kernel(prefix: Path) -> None:
    name, title = KERNEL
    run(PYTHON, "-m", "ipykernel", "install", "--prefix", prefix, "--name", name, "--display-name", title)


def _trino_java() -> None:
    target = HOME / "trino-java"
    shutil.rmtree(target, ignore_errors=True)
    lock = REQUIREMENTS / "trino-java.txt"
    run(_uv(), "pip", "install", "--quiet", "--require-hashes", "--python", PYTHON, "--target", target, "-r", lock)


def _jars() -> None:
    run(PYTHON, "-m", "stack.native.artifacts", "fetch")


def _builds() -> None:
    run(PYTHON, "-m", "stack.native.build")


def _metrics_store() -> None:
    """VictoriaMetrics and vmalert, from source: no registry has them ready. Go and what it fetched go afterwards."""
    toolchain, work, target = HOME / "go", HOME / "go-work", HOME / "metrics"
    lock = REQUIREMENTS / "go.txt"
    run(_uv(), "pip", "install", "--quiet", "--require-hashes", "--python", PYTHON, "--target", toolchain, "-r", lock)
    build = ("-modcacherw", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{work}/bin/")
    run(
        *(toolchain / "go" / "bin" / "go", "build", "-C", METRICS, *build, "tool"),
        # its own Go and no C compiler; where modules come from is the person's setting
        GOTOOLCHAIN="local",
        GOROOT=toolchain / "go",
        GOFLAGS="",
        CGO_ENABLED="0",
        GOPATH=work / "path",
        GOCACHE=work / "cache",
    )
    shutil.rmtree(target, ignore_errors=True)
    (work / "bin").rename(target)
    shutil.rmtree(work)
    shutil.rmtree(toolchain)


STEPS = (
    Step("uv", (REQUIREMENTS / "uv.txt",), BOOTSTRAP / "bin" / "uv", _bootstrap),
    Step(
        "notebook environment",
        (REQUIREMENTS / "notebook.txt", ROOT / "pyproject.toml"),
        ENV / "bin" / "lakehouse",
        _notebook_environment,
    ),
    Step("airflow environment", (REQUIREMENTS / "airflow.txt",), AIRFLOW_ENV / "bin" / "airflow", _airflow_environment),
    # its input is what else is in its command: where an older set-up made a kernel, its stamp is missing
    Step("kernel of tasks", (WARM_CLIENT,), TASKS_KERNEL, _tasks_kernel),
    Step("java for trino", (REQUIREMENTS / "trino-java.txt",), HOME / "trino-java", _trino_java),
    Step("jars", tuple(sorted((ROOT / "stack/native/jars").glob("*.txt"))), HOME / "jars", _jars),
    Step(
        "catalog and trino",
        (*sorted((ROOT / "stack/native/catalog").glob("*.java")), ROOT / "stack/native/jars/trino.txt"),
        HOME / "catalog",
        _builds,
    ),
    Step(
        "metrics store",
        (REQUIREMENTS / "go.txt", METRICS / "go.mod", METRICS / "go.sum"),
        HOME / "metrics" / "vmalert",
        _metrics_store,
        profile="observe",
    ),
    Step(
        "superset environment",
        (REQUIREMENTS / "superset.txt",),
        SUPERSET_ENV / "bin" / "superset",
        _superset_environment,
        profile="dashboards",
    ),
)


def main(profiles: Sequence[str]) -> None:
    """Run the steps that are not up to date, of the core and of the profiles, with a line and the seconds of each."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"error: this is Python {sys.version.split()[0]}.\nnext:  make setup PYTHON=python3.11")
    (HOME / "stamps").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    unknown = set(profiles) - {step.profile for step in STEPS}
    if unknown:
        raise SystemExit(f"error: no set-up step belongs to {', '.join(sorted(unknown))}.\nnext:  see `make help`")
    steps = [step for step in STEPS if step.profile in (CORE, *profiles)]
    for number, step in enumerate(steps, start=1):
        if step.result.exists() and step.stamp.exists() and step.stamp.read_text() == step.digest():
            continue
        sys.stdout.write(f"  set-up {number}/{len(steps)}  {step.name:<22}")
        sys.stdout.flush()
        began = time.monotonic()
        step.make()
        step.stamp.write_text(step.digest())
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
