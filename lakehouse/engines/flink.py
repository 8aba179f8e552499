"""Flink's two doors: the SQL Gateway takes statements, the REST API tells of jobs. Connects only when called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import httpx

from lakehouse.engines.tls import context
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until

TIMEOUT_SECONDS = 60
STATEMENT_TIMEOUT_SECONDS = 120
NEXT_STEP = "look at `lakehouse stack status` and `lakehouse stack logs flink-jobmanager`"
RUNNING_STATES = ("CREATED", "INITIALIZING", "RUNNING", "RESTARTING", "RECONCILING")


class FlinkError(LakehouseError):
    """Flink does not answer, or refuses a statement; the message is its root cause."""


@dataclass(frozen=True)
class Job:
    """One job. `started_at` is of this attempt's submission; checkpoints are counted since then."""

    job_id: str
    name: str
    state: str
    started_at: datetime


def _root_cause(text: str) -> str:
    """The last `Caused by:` of a Java stack trace says what happened; what precedes it is wrapping."""
    plain = text.replace("\\n", "\n").replace("\\t", " ").replace('\\"', '"')
    causes = re.findall(r"(?:Caused by: )?([\w.$]+(?:Exception|Error): .+?)(?=\n\s+at |\n\tat |\Z)", plain, re.DOTALL)
    return " ".join(causes[-1].split())[:600] if causes else plain.strip()[:500]


class _Http:
    """Requests to one of Flink's REST servers, with the login that may stand before it."""

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings or get_settings()

    def _call(self, method: str, url: str, **arguments: Any) -> Any:
        s = self._settings
        auth = (s.flink_user, s.flink_password.get_secret_value()) if s.flink_password else None
        trust: dict[str, Any] = {"verify": context(s)} if url.startswith("https:") else {}
        try:
            answer = httpx.request(method, url, timeout=TIMEOUT_SECONDS, auth=auth, **trust, **arguments)
        except httpx.HTTPError as error:
            raise FlinkError(f"Flink does not answer at {url}: {error!r}", NEXT_STEP) from error
        if answer.status_code >= 400:
            raise FlinkError(f"{method} {httpx.URL(url).path}: {_root_cause(answer.text)}", NEXT_STEP)
        return answer.json() if answer.content else {}


class SqlGateway(_Http):
    """A session of the SQL Gateway, closed at the end of the `with`. Raises `FlinkError`."""

    def __init__(self, settings: Settings | None = None, properties: dict[str, str] | None = None) -> None:
        super().__init__(settings)
        self._url = self._settings.flink_gateway_url
        handle = self._call("POST", f"{self._url}/v3/sessions", json={"properties": properties or {}})["sessionHandle"]
        self._session = f"{self._url}/v3/sessions/{handle}"

    def __enter__(self) -> SqlGateway:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._call("DELETE", self._session)

    def execute(self, statement: str, config: dict[str, str] | None = None) -> list[list[Any]]:
        """Run one statement to its end; its rows, of which there may be none. A job's statement gives its id."""
        body = {"statement": statement, "executionConfig": config or {}}
        operation = self._call("POST", f"{self._session}/statements", json=body)["operationHandle"]
        url = f"{self._session}/operations/{operation}"
        states: list[str] = []

        def ended() -> bool:
            states.append(self._call("GET", f"{url}/status")["status"])
            return states[-1] not in ("PENDING", "RUNNING", "INITIALIZED")

        wait_until(ended, timeout=STATEMENT_TIMEOUT_SECONDS, what="a Flink statement", next_step=NEXT_STEP, every=0.1)
        return self._rows(url)

    def _rows(self, url: str) -> list[list[Any]]:
        """Page by page; a query's job may still run, and a page without rows says only where to ask next."""
        rows: list[list[Any]] = []
        following = f"{url}/result/0?rowFormat=JSON"

        def ended() -> bool:
            nonlocal following
            while True:
                page = self._call("GET", following)
                found = page.get("results", {}).get("data", [])
                rows.extend(row["fields"] for row in found)
                if page["resultType"] == "EOS" or "nextResultUri" not in page:
                    return True
                following = f"{self._url}{page['nextResultUri']}"
                if not found:
                    return False

        wait_until(ended, timeout=STATEMENT_TIMEOUT_SECONDS, what="a statement's rows", next_step=NEXT_STEP, every=0.1)
        return rows


class FlinkRest(_Http):
    """Jobs, checkpoints, savepoints. Raises `FlinkError`."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.url = self._settings.flink_rest_url

    def jobs(self) -> list[Job]:
        """All jobs that Flink remembers, newest first."""
        found = self._call("GET", f"{self.url}/jobs/overview")["jobs"]
        found.sort(key=lambda job: -job["start-time"])
        return [
            Job(job["jid"], job["name"], job["state"], datetime.fromtimestamp(job["start-time"] / 1000, UTC))
            for job in found
        ]

    def running(self, name: str) -> Job | None:
        """The job of that name that runs or is coming back."""
        return next((job for job in self.jobs() if job.name == name and job.state in RUNNING_STATES), None)

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Counts and the latest completed checkpoint."""
        return self._call("GET", f"{self.url}/jobs/{job_id}/checkpoints")

    def vertex_metrics(self, job_id: str, suffix: str) -> list[tuple[str, float]]:
        """(vertex, largest value over its subtasks) of the metrics whose name ends so; NaN where there is no value."""
        found = []
        for vertex in self._call("GET", f"{self.url}/jobs/{job_id}")["vertices"]:
            url = f"{self.url}/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
            names = [metric["id"] for metric in self._call("GET", url) if metric["id"].endswith(suffix)]
            for metric in self._call("GET", url, params={"get": ",".join(names)}) if names else ():
                found.append((str(vertex["name"]).split(" -> ")[0], float(metric.get("max", "nan"))))
        return found

    def exceptions(self, job_id: str) -> str:
        """The newest failure of a job as one line, or an empty text."""
        failure = self.last_failure(job_id)
        return failure[1] if failure else ""

    def last_failure(self, job_id: str) -> tuple[float, str] | None:
        """When a job failed last, in seconds since 1970, and why, as one line; None if it never has."""
        entries = self._call("GET", f"{self.url}/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return (entries[0]["timestamp"] / 1000, _root_cause(entries[0]["stacktrace"])) if entries else None

    def cancel(self, job_id: str) -> None:
        """Ask a job to end without a savepoint; its retained checkpoints stay."""
        self._call("PATCH", f"{self.url}/jobs/{job_id}", params={"mode": "cancel"})

    def stop_with_savepoint(self, job_id: str, folder: str, timeout: float = 120) -> str:
        """Stop a job after a last checkpoint; returns the savepoint's path."""
        body = {"targetDirectory": folder, "drain": False, "formatType": "CANONICAL"}
        request = self._call("POST", f"{self.url}/jobs/{job_id}/stop", json=body)["request-id"]
        answers: list[dict[str, Any]] = []

        def ended() -> bool:
            answers.append(self._call("GET", f"{self.url}/jobs/{job_id}/savepoints/{request}"))
            return answers[-1]["status"]["id"] == "COMPLETED"

        wait_until(ended, timeout=timeout, what="the savepoint", next_step=NEXT_STEP, every=0.3)
        operation = answers[-1]["operation"]
        if "location" not in operation:
            raise FlinkError(f"no savepoint: {_root_cause(str(operation.get('failure-cause')))}", NEXT_STEP)
        return operation["location"]
