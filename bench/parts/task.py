"""What a task costs for being a notebook: the seconds beside those of its own work, and what they are made of.

Through Airflow: a run of the whole pipeline that finds nothing new, its tasks taken apart. By `run_notebook` alone: a
notebook that only imports the project and opens a Spark session, all of which is overhead.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.context import Bench, PartFailed, run_dag
from bench.figures import Figure, Goal, Measured
from bench.load import percentile
from bench.notebook_times import Times, of_try
from lakehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from lakehouse.commands._airflow import FinishedRun

GOAL = Goal(8)
PEOPLE, QUICK_PEOPLE = 300, 100
RUNS, QUICK_RUNS = 7, 2
SESSION = "spark = lesson.spark_session()\nassert spark.sql('SELECT 1').collect()[0][0] == 1"
CELLS = (("parameters", "unused = 0"), ("", "from lakehouse import lesson"), ("", SESSION))


def probe(folder: Path) -> Path:
    """A notebook that does nothing but what every step's notebook has to."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [new_code_cell(source, metadata={"tags": [tag] if tag else []}) for tag, source in CELLS]
    kernel = {"name": "lakehouse", "display_name": "lakehouse", "language": "python"}
    made = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, folder / "probe.ipynb")
    return folder / "probe.ipynb"


def by_runner(bench: Bench, runs: int) -> list[Times]:
    """Each run in a process of its own, as Airflow's interpreter. The first one, which warms up, is left out."""
    folder = bench.settings.data_dir / "probe"
    notebook = probe(folder)
    interpreter = bench.settings.home / "airflow-env" / "bin" / "python"
    found = []
    for number in range(runs + 1):
        arguments = [str(notebook), str(folder / f"run-{number}"), repr(time.time())]
        command = [str(interpreter), "-m", "bench.one_notebook", *arguments]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            raise PartFailed(f"run_notebook: {done.stderr.strip()[-1500:]}")
        said = json.loads(done.stdout.strip().splitlines()[-1])
        found.append(of_try(Path(said["notebook"]), said["began"], said["ended"]))
    return found[1:]


def times_of(bench: Bench, done: FinishedRun) -> dict[str, Times]:
    """The parts of each task of a run that is a notebook."""
    from lakehouse.commands._airflow import DAG_ID

    folder = bench.settings.runs_dir / DAG_ID / done.run_id.replace("/", "_")
    found = {}
    for task in done.tasks:
        if task.started is None or task.ended is None:
            raise PartFailed(f"Airflow does not say when {task.task_id} ran")
        executed = folder / task.task_id / f"try-{task.try_number}.ipynb"
        if executed.parent.exists():
            found[task.task_id] = of_try(executed, task.started.timestamp(), task.ended.timestamp())
    return found


def medians(some: list[Times]) -> dict[str, float]:
    """p50 of each part over several tasks."""
    return {part.name: round(percentile([getattr(one, part.name) for one in some], 0.5), 3) for part in fields(Times)}


def _text(parts: dict[str, float], leave_out: tuple[str, ...] = ()) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items() if name not in leave_out)


def run(bench: Bench) -> Measured:
    """A small world all the way, then a run with nothing new, then the probe."""
    from lakehouse.commands.demo import run_demo

    bench.stack.only()
    if not (bench.settings.world_dir / "manifest.json").exists():
        bench.say("a small world goes all the way")
        run_demo(bench.settings, people=bench.size(PEOPLE, QUICK_PEOPLE))
    bench.say("a run with nothing new, and one that leaves no task out")
    idle, whole = run_dag(bench), run_dag(bench, everything=True)
    tasks = times_of(bench, whole)
    bench.say("run_notebook alone")
    alone = by_runner(bench, bench.size(RUNS, QUICK_RUNS))
    in_airflow, probed = medians(list(tasks.values())), medians(alone)
    session = probed["cells"]
    overhead = percentile([one.overhead for one in tasks.values()], 0.5) + session
    busy = sum(one.total for one in tasks.values())
    own = sum(one.cells for one in tasks.values())
    details: dict[str, Any] = {
        "tasks": {name: asdict(one) for name, one in tasks.items()},
        "run_seconds": {"idle": round(idle.seconds, 2), "everything": round(whole.seconds, 2)},
        "alone": [asdict(one) for one in alone],
    }
    return Measured(
        (
            Figure("overhead of a task in Airflow, p50", overhead, "s", GOAL,
                   f"{_text(in_airflow, ('cells',))}, session {session:.1f}"),
            Figure("a notebook that does nothing, p50", percentile([one.total for one in alone], 0.5), "s", GOAL,
                   f"run_notebook in a new process: {_text(probed, ('cells',))}, session {session:.1f}"),
            Figure("a run with nothing new", idle.seconds, "s", None, idle.outcome),
            Figure("a run with nothing new, no task left out", whole.seconds, "s", None,
                   f"{len(tasks)} notebooks of {busy:.0f} s together, {own:.0f} s of it in their cells"),
        ),
        details,
    )  # fmt: skip
