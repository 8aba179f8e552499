"""Airflow's REST API: trigger a run, follow its tasks, read why one failed. Connects only when called."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import httpx

from lakehouse.engines.tls import context
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
NEXT_STEP = "start it with `lakehouse stack up airflow`, look at it with `lakehouse stack logs airflow-api-server`"
REPEATS = 3
FINISHED = ("success", "failed", "skipped", "upstream_failed", "removed")


class AirflowUnreachable(LakehouseError):
    """The API server does not answer, or refuses what was asked."""


class DatabaseRefused(AirflowUnreachable):
    """Airflow's database has rolled back what was asked."""


@dataclass(frozen=True)
class TaskState:
    """One task of one run; `seconds` is None until it ended, `state` is None until it is scheduled. Times are UTC."""

    task_id: str
    state: str | None
    seconds: float | None
    try_number: int
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class Airflow:
    """A client with a token of its own. Raises `AirflowUnreachable` with the answer of the server."""

    def __init__(self, settings: Settings | None = None) -> None:
        s = settings or get_settings()
        self.url = s.airflow_url
        credentials = {"username": s.airflow_user, "password": s.airflow_password.get_secret_value()}
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, verify=context(s))
        token = self._call("POST", "/auth/token", json=credentials)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def version(self) -> str:
        """Of Airflow itself."""
        return str(self._call("GET", "/api/v2/version")["version"])

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            text = error.response.text[:300]
            kind = DatabaseRefused if '"Database error"' in text else AirflowUnreachable
            raise kind(f"{method} {path}: {error.response.status_code} {text}", NEXT_STEP) from error
        except httpx.HTTPError as error:
            raise AirflowUnreachable(f"Airflow does not answer at {self.url}: {error!r}", NEXT_STEP) from error
        return answer.json() if answer.content else None

    def _change(self, method: str, path: str, **arguments: Any) -> Any:
        """A change that may be asked for twice: again when the database has rolled it back.

        API server and scheduler lock rows of a run in different orders, and PostgreSQL ends one of two that wait for
        each other.
        """
        for _ in range(REPEATS):
            try:
                return self._call(method, path, **arguments)
            except DatabaseRefused as error:
                log.warning("%s; asked for again", error.message)
        return self._call(method, path, **arguments)

    def get(self, path: str, **query: Any) -> Any:
        """What the API answers to a GET."""
        return self._call("GET", path, params=query)

    def import_errors(self) -> list[str]:
        """What Airflow could not import of the DAG files."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in found]

    def dag_ids(self) -> set[str]:
        """The DAGs Airflow knows by now."""
        return {dag["dag_id"] for dag in self._call("GET", "/api/v2/dags")["dags"]}

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, day: date | None = None) -> str:
        """Start a run; returns its id. `day` is its logical date, of which there can be one run; without it: none."""
        body = {"logical_date": f"{day:%Y-%m-%d}T00:00:00Z" if day else None, "conf": conf or {}}
        return self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def runs(self, dag_id: str) -> list[str]:
        """Ids of the runs of a DAG, the one that was started last at the end."""
        return list(self.configurations(dag_id))

    def configurations(self, dag_id: str) -> dict[str, dict[str, Any]]:
        """Run id → what the run was started with, the one that was started last at the end."""
        query = {"order_by": "run_after", "limit": 1000}
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        return {run["dag_run_id"]: run["conf"] or {} for run in found}

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Let the tasks of a run that failed, and those after them, run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self._change("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)

    def clear(self, dag_id: str, run_id: str, task_ids: Collection[str], downstream: bool = True) -> list[str]:
        """Let these tasks, and by default those after them, run again; the names of all that will."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": sorted(task_ids), "only_failed": False,
                "include_downstream": downstream, "reset_dag_runs": True}  # fmt: skip
        cleared = self._change("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)["task_instances"]
        return sorted({task["task_id"] for task in cleared})

    def backfill(self, dag_id: str, first: date, last: date, conf: dict[str, Any] | None = None) -> int:
        """A run for each scheduled date from `first` to `last` that has none or a failed one; the backfill's id."""
        body = {"dag_id": dag_id, "from_date": f"{first:%Y-%m-%d}T00:00:00Z", "to_date": f"{last:%Y-%m-%d}T00:00:00Z",
                "dag_run_conf": conf or {}, "reprocess_behavior": "failed", "max_active_runs": 1}  # fmt: skip
        return int(self._call("POST", "/api/v2/backfills", json=body)["id"])

    def backfilling(self, dag_id: str) -> bool:
        """Whether a backfill of a DAG is open: only one can be. Airflow closes it some 30 s after its last run."""
        found = self._call("GET", "/api/v2/backfills", params={"dag_id": dag_id})["backfills"]
        return any(one["completed_at"] is None for one in found)

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Take a run out of Airflow's books, so that its logical date is free; the archive stays."""
        self._change("DELETE", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def downstream(self, dag_id: str) -> dict[str, set[str]]:
        """The graph of a DAG: each task, and the tasks right after it."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/tasks")["tasks"]
        return {task["task_id"]: set(task["downstream_task_ids"]) for task in found}

    def page(self, address: str) -> str:
        """A page of the API server as text, asked for as this user."""
        try:
            answer = self._http.get(address)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise AirflowUnreachable(f"{address}: {error!r}", NEXT_STEP) from error
        return answer.text

    def active_runs(self, dag_id: str) -> list[str]:
        """Runs of a DAG that are queued or running."""
        query = {"state": ["queued", "running"]}
        return [
            run["dag_run_id"] for run in self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        ]

    def fail(self, dag_id: str, run_id: str) -> None:
        """End a run: what runs of it is stopped, and it counts as failed."""
        self._change("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All tasks of a run, in the order they started."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        found.sort(key=lambda task: task["start_date"] or "9999")
        return [_task_state(task) for task in found]

    def task_pids(self, dag_id: str, run_id: str) -> set[int]:
        """The processes that ran a run's tasks, by their ids on the machines where they did."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["pid"] for task in found if task["pid"]}

    def tries(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Every try of every task of a run that has started, in the order they did."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found = [one for task in self.tasks(dag_id, run_id)
                 for one in self._call("GET", f"{path}/{task.task_id}/tries")["task_instances"]]  # fmt: skip
        return [_task_state(one) for one in sorted(found, key=lambda one: one["start_date"] or "") if one["start_date"]]

    def log(self, dag_id: str, run_id: str, task: TaskState) -> str:
        """The log of a task's last try as text."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}"
        content = self._call("GET", path, headers={"Accept": "application/json"})["content"]
        return "\n".join(_log_line(line) for line in content)

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str]:
        """The extra links of a task: `Executed notebook` is the page of its last try."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        return self._call("GET", path)["extra_links"]


def _task_state(task: dict[str, Any]) -> TaskState:
    started, ended = (datetime.fromisoformat(task[name]) if task[name] else None for name in ("start_date", "end_date"))
    return TaskState(task["task_id"], task["state"], task["duration"], task["try_number"], started, ended)


def _log_line(line: Any) -> str:
    """One line of a task's log as text, with the exception it carries, if any."""
    if not isinstance(line, dict):
        return str(line)
    raised = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or []]
    return " ".join([str(line.get("event", "")), *raised])
