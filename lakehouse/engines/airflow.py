"""Airflow's REST API: trigger a run, follow its tasks, read why one failed. Connects only when called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

TIMEOUT_SECONDS = 60
NEXT_STEP = "start it with `lakehouse stack up airflow`, look at it with `lakehouse stack logs airflow-api-server`"
FINISHED = ("success", "failed", "skipped", "upstream_failed", "removed")


class AirflowUnreachable(LakehouseError):
    """The API server does not answer, or refuses what was asked."""


@dataclass(frozen=True)
class TaskState:
    """One task of one run; `seconds` is None until it ended, `state` is None until it is scheduled."""

    task_id: str
    state: str | None
    seconds: float | None
    try_number: int

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class Airflow:
    """A client with a token of its own. Raises `AirflowUnreachable` with the answer of the server."""

    def __init__(self, settings: Settings | None = None) -> None:
        s = settings or get_settings()
        self.url = s.airflow_url
        credentials = {"username": s.airflow_user, "password": s.airflow_password.get_secret_value()}
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS)
        token = self._call("POST", "/auth/token", json=credentials)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            text = error.response.text[:300]
            raise AirflowUnreachable(f"{method} {path}: {error.response.status_code} {text}", NEXT_STEP) from error
        except httpx.HTTPError as error:
            raise AirflowUnreachable(f"Airflow does not answer at {self.url}: {error!r}", NEXT_STEP) from error
        return answer.json()

    def import_errors(self) -> list[str]:
        """What Airflow could not import of the DAG files."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in found]

    def dag_ids(self) -> set[str]:
        """The DAGs Airflow knows by now."""
        return {dag["dag_id"] for dag in self._call("GET", "/api/v2/dags")["dags"]}

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        body = {"logical_date": None, "conf": conf or {}}
        return self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def runs(self, dag_id: str) -> list[str]:
        """Ids of the runs of a DAG, the one that was started last at the end."""
        query = {"order_by": "run_after", "limit": 1000}
        return [
            run["dag_run_id"] for run in self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        ]

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Let the tasks of a run that failed, and those after them, run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self._call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)

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
        self._call("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All tasks of a run, in the order they started."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        found.sort(key=lambda task: task["start_date"] or "9999")
        return [TaskState(t["task_id"], t["state"], t["duration"], t["try_number"]) for t in found]

    def log(self, dag_id: str, run_id: str, task: TaskState) -> str:
        """The log of a task's last try as text."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}"
        content = self._call("GET", path, headers={"Accept": "application/json"})["content"]
        return "\n".join(_log_line(line) for line in content)

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str]:
        """The extra links of a task: `Executed notebook` is the page of its last try."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        return self._call("GET", path)["extra_links"]


def _log_line(line: Any) -> str:
    """One line of a task's log as text, with the exception it carries, if any."""
    if not isinstance(line, dict):
        return str(line)
    raised = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or []]
    return " ".join([str(line.get("event", "")), *raised])
