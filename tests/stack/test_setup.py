"""What set-up writes: the kernel of Airflow's tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from stack import setup


def test_the_tasks_kernel_is_the_client_run_by_the_notebooks_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernels = tmp_path / "share" / "jupyter" / "kernels"
    monkeypatch.setattr(setup, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(setup, "AIRFLOW_ENV", tmp_path)
    monkeypatch.setattr(setup, "TASKS_KERNEL", kernels / "lakehouse" / "kernel.json")
    setup._tasks_kernel()
    spec = KernelSpecManager(kernel_dirs=[str(kernels)]).get_kernel_spec("lakehouse")
    started = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert spec.argv == [sys.executable, "-I", "-S", str(setup.WARM_CLIENT), *started]
    assert spec.display_name == "Lakehouse (Python 3.11)"


def test_an_older_installation_gets_that_kernel() -> None:
    step = next(step for step in setup.STEPS if step.result == setup.TASKS_KERNEL)
    before = [other.name for other in setup.STEPS[: setup.STEPS.index(step)]]
    assert step.profile == setup.CORE
    assert step.stamp.name not in ("uv", "notebook-environment", "airflow-environment")  # those it has already
    assert {"notebook environment", "airflow environment"} <= set(before)
    assert step.inputs == (setup.WARM_CLIENT,)
    assert setup.WARM_CLIENT.is_file()
