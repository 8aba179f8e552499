"""Learners on one machine: copies of their own, progress of all, a reset that touches nobody else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from ipykernel.ipkernel import IPythonKernel
from typer.testing import CliRunner

from lakehouse.commands import exercises, lab
from lakehouse.endpoints import Answer
from lakehouse.lesson import learners, leftovers, sheets, workspaces
from lakehouse.lesson.scratch import owner
from lakehouse.lesson.sheets import solutions
from lakehouse.runner import PROJECT_ROOT
from lakehouse.waiting import wait_until
from stack.native.secrets import ensure_secrets

SHEET = solutions()[0]


@pytest.fixture(autouse=True)
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for module in (learners, workspaces):
        monkeypatch.setattr(module, "get_settings", lambda: SimpleNamespace(data_dir=tmp_path))
    # commands set it for what they call; this puts back what was there
    monkeypatch.setenv("WORKBOOK_LEARNER", "me")
    return tmp_path


def test_a_learner_gets_copies_and_keeps_what_they_changed() -> None:
    own = workspaces.prepare("ada")
    lesson, sheet = own / "notebooks" / "05_staging.ipynb", own / "exercises" / f"{SHEET.stem}.ipynb"
    assert lesson.exists()
    assert (own / "notebooks" / "index.ipynb").exists()
    sheet.write_text("solved", encoding="utf-8")

    workspaces.prepare("ada")

    assert sheet.read_text(encoding="utf-8") == "solved"
    assert workspaces.sheet_of(SHEET, "ada") == sheet
    assert workspaces.sheet_of(SHEET, "bob") == sheets.sheet_of(SHEET)


def test_a_name_that_leads_out_of_the_folder_is_refused() -> None:
    with pytest.raises(learners.BadName):
        workspaces.prepare("../ada")


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("scratch_ada_05", "ada"),
        ("scratch_ada_b_05", "ada_b"),
        ("scratch.ada.01.7f.shopify.orders", "ada"),
        ("scratch.ada_b.01.7f.shopify.orders", "ada_b"),
        ("scratch-ada-15-101500", "ada"),
        ("scratch_adam_05", None),
        ("scratch-adam-15", None),
        ("core", None),
        ("webhooks-to-raw", None),
    ],
)
def test_a_scratch_name_has_one_owner(namespace: str, expected: str | None) -> None:
    assert owner(namespace, ["ada", "ada_b"]) == expected


def test_the_progress_of_all_is_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    question = next(iter(learners.all_questions()))
    for name, outcome in (("ada", "right"), ("bob", "wrong"), ("solution", "right")):
        monkeypatch.setenv("WORKBOOK_LEARNER", name)
        learners.remember(question, outcome)
    learners.next_hint(question)

    shown = CliRunner().invoke(exercises.app, ["progress"]).stdout

    assert "2 learners" in shown
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip().startswith(("ada", "bob"))}
    assert "1" in rows["ada"]
    assert "1" not in rows["bob"][1:-4]
    assert "solution" not in shown


def test_nobody_is_a_table_of_words() -> None:
    assert "nobody" in CliRunner().invoke(exercises.app, ["progress"]).stdout


def test_a_reset_of_one_learner_leaves_the_others_and_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(
        leftovers, "drop_all_of", lambda name: (dropped.append(name) or {"jobs": ["scratch_ada_03"]}, [])
    )
    before = sheets.sheet_of(SHEET).stat().st_mtime_ns
    for name in ("ada", "bob"):
        workspaces.prepare(name)
        monkeypatch.setenv("WORKBOOK_LEARNER", name)
        learners.remember("05.1", "right")

    done = CliRunner().invoke(exercises.app, ["reset", "--learner", "ada", "--all"])

    assert done.exit_code == 0, done.output
    assert dropped == ["ada"]
    assert "scratch_ada_03" in done.stdout
    assert not workspaces.folder("ada").exists()
    assert learners.known() == ["bob"]
    assert workspaces.folder("bob").exists()
    assert sheets.sheet_of(SHEET).stat().st_mtime_ns == before


def test_a_reset_that_could_not_look_everywhere_says_so_and_does_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Answer("Flink", "http://127.0.0.1:9", "", "refused", "start it: lakehouse stack up flink", 0.1)
    monkeypatch.setattr(leftovers, "drop_all_of", lambda name: ({"namespaces": []}, [silent]))
    workspaces.prepare("ada")

    done = CliRunner().invoke(exercises.app, ["reset", "--learner", "ada", "--all"])

    assert isinstance(done.exception, leftovers.NotWhole)
    assert "Flink" in done.exception.message
    assert "lakehouse stack up flink; then the same command again" in done.exception.next_step
    assert not workspaces.folder("ada").exists()


def test_one_sheet_of_a_learner_is_begun_anew() -> None:
    own = workspaces.prepare("ada") / "exercises" / f"{SHEET.stem}.ipynb"
    own.write_text("solved", encoding="utf-8")

    done = CliRunner().invoke(exercises.app, ["reset", SHEET.stem[:2], "--learner", "ada"])

    assert done.exit_code == 0, done.output
    assert own.read_text(encoding="utf-8") == sheets.text(sheets.sheet(SHEET))


def test_a_taken_port_is_named_with_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.native.processes.listener", lambda port: "python (pid 7)" if port == 8888 else "")
    with pytest.raises(lab.PortTaken, match=r"8888 is taken by python \(pid 7\)") as taken:
        lab._free(8888)
    assert "--port 8889" in taken.value.next_step
    assert lab._free(8889) == 8889


def test_the_address_that_is_printed_opens_the_index_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "lakehouse.cli", "lab", "--learner", "ada", "--port", str(port)]
    environment = {**os.environ, "LAKEHOUSE_DATA_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        address = httpx.URL(running.stdout.readline().split()[1])
        here = address.copy_with(path="/", query=None)
        with httpx.Client(base_url=here, params=address.params, trust_env=False, timeout=30) as browser:
            wait_until(lambda: answers(browser), timeout=60, every=0.2, what="JupyterLab to answer")
            assert browser.get(address).url.path == "/lab/tree/notebooks/index.ipynb"
            opened = browser.get("/api/contents/notebooks/index.ipynb").json()
            assert opened["content"]["cells"][0]["source"].startswith("# The workbook")
            for path in ("notebooks/index.ipynb", "notebooks/02_event_log.ipynb"):
                save_as_the_lab_does(browser, path)
                saved = tmp_path / "learners" / "ada" / path
                assert saved.read_bytes() == (PROJECT_ROOT / path).read_bytes(), path
            news = browser.get("/lab/api/settings/@jupyterlab/apputils-extension:notification").json()
            defaults = news["schema"]["properties"]
            assert (defaults["fetchNews"]["default"], defaults["checkForUpdates"]["default"]) == ("false", False)
    finally:
        running.terminate()
        running.communicate(timeout=30)


def save_as_the_lab_does(browser: httpx.Client, path: str) -> None:
    """Open a notebook, take the kernel's word on its language into the metadata, save."""
    opened = browser.get(f"/api/contents/{path}").json()
    content = opened["content"]
    content["metadata"]["language_info"] = IPythonKernel.language_info
    said = {"type": "notebook", "format": "json", "content": content}
    assert browser.get("/api/kernelspecs").is_success  # gives the cookie that a change asks for
    crumb = {"X-XSRFToken": browser.cookies.get("_xsrf", "")}
    done = browser.put(f"/api/contents/{path}", json=said, headers=crumb)
    assert done.is_success, done.text
    assert done.json()["last_modified"] != opened["last_modified"]


def answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/api").is_success
    except httpx.TransportError:
        return False
