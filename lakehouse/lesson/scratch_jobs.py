"""Flink jobs of a lesson's own: they write to a scratch namespace, are called like it, and end with the lesson."""

from __future__ import annotations

import shutil
from pathlib import Path

from lakehouse.engines.flink import NEXT_STEP, FlinkRest, SqlGateway
from lakehouse.lesson.event_log import drop_scratch_log, scratch_log
from lakehouse.lesson.learners import learner
from lakehouse.lesson.scratch import PREFIX, drop_scratch, scratch
from lakehouse.settings import get_settings
from lakehouse.waiting import wait_until

ENDED_SECONDS = 60


def scratch_pipeline(lesson: str) -> tuple[str, str]:
    """An empty namespace for tables, which is also the name of jobs, and the beginning of the names of topics.

    What an interrupted run left is ended and dropped, the job first: it would write on into dropped tables.
    """
    drop_jobs(f"{PREFIX}_{learner()}_{lesson}")
    return scratch(lesson), scratch_log(lesson)


def drop_scratch_pipeline(namespace: str) -> None:
    """End and delete all of it: jobs, tables, topics, groups, checkpoints."""
    drop_jobs(namespace)
    drop_scratch(namespace)
    drop_scratch_log(f"{namespace}.")


def checkpoint_folder(name: str) -> Path:
    """Where the jobs of that name keep their checkpoints: apart from production's, and deleted as a whole."""
    return get_settings().var_dir / "flink" / "scratch" / name


def properties(name: str, checkpoint_seconds: float, resume_from: str | None = None) -> dict[str, str]:
    """What a session of the SQL Gateway needs for a job of that name; `resume_from` is a checkpoint's path."""
    wanted = {
        "execution.checkpointing.interval": f"{int(checkpoint_seconds * 1000)}ms",
        "execution.checkpointing.dir": f"file://{checkpoint_folder(name)}",
    }
    return wanted | ({"execution.state-recovery.path": resume_from} if resume_from else {})


def last_checkpoint(job_id: str) -> str:
    """The path of a job's newest completed checkpoint."""
    return str(FlinkRest().checkpoints(job_id)["latest"]["completed"]["external_path"])


def cancel(job_id: str) -> None:
    """End a job as a crash would: without a last checkpoint. Returns when it has ended."""
    with SqlGateway() as gateway:
        gateway.execute(f"STOP JOB '{job_id}'")
    rest = FlinkRest()
    wait_until(
        lambda: next(job.state for job in rest.jobs() if job.job_id == job_id) == "CANCELED",
        timeout=ENDED_SECONDS, every=0.2, what=f"the job {job_id} to end", next_step=NEXT_STEP,
    )  # fmt: skip


def drop_jobs(name: str) -> None:
    """Cancel what still runs under that name and delete its checkpoints; nothing where there is none.

    Raises `ValueError` for a name that is no scratch namespace.
    """
    if not name.startswith(f"{PREFIX}_"):
        raise ValueError(f"{name} is no job of a lesson; those begin with {PREFIX}_")
    while job := FlinkRest().running(name):
        cancel(job.job_id)
    shutil.rmtree(checkpoint_folder(name), ignore_errors=True)
