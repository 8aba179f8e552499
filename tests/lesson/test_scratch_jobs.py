"""A lesson's own Flink jobs: their checkpoints lie apart, and they end with the lesson."""

from __future__ import annotations

import pytest

from lakehouse.engines.flink import FlinkRest, SqlGateway
from lakehouse.lesson import scratch_jobs, wait_until


def test_jobs_of_others_are_not_ended() -> None:
    with pytest.raises(ValueError, match="webhooks-to-raw is no job of a lesson"):
        scratch_jobs.drop_jobs("webhooks-to-raw")


@pytest.mark.stack
def test_a_job_is_ended_with_its_checkpoints_and_can_go_on_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    name, topics = scratch_jobs.scratch_pipeline("jobs")
    assert (name, topics) == ("scratch_ada_jobs", "scratch_ada_jobs.")
    first = _submit(name, None)
    rest = FlinkRest()
    wait_until(lambda: rest.checkpoints(first)["counts"]["completed"], timeout=60, what="a checkpoint")
    path = scratch_jobs.last_checkpoint(first)
    assert path.startswith(f"file:{scratch_jobs.checkpoint_folder(name)}")
    scratch_jobs.cancel(first)
    second = _submit(name, path)
    wait_until(lambda: rest.checkpoints(second)["latest"]["restored"], timeout=60, what="the job to go on")
    scratch_jobs.drop_scratch_pipeline(name)
    assert rest.running(name) is None
    assert not scratch_jobs.checkpoint_folder(name).exists()


def _submit(name: str, resume_from: str | None) -> str:
    with SqlGateway(properties=scratch_jobs.properties(name, 1, resume_from)) as gateway:
        gateway.execute("CREATE TEMPORARY TABLE ticks (n BIGINT) WITH ('connector'='datagen', 'rows-per-second'='1')")
        gateway.execute("CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector'='blackhole')")
        return str(gateway.execute("INSERT INTO nowhere SELECT n FROM ticks", {"pipeline.name": name})[0][0])
