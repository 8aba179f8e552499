"""Notebooks as tasks: strict parameters, every try kept, the failing cell's own error, kernels that do not meet."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from lakehouse import archive, runner


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notebooks of our own: one that works, one that fails."""
    for name, last in (("good", "number * 2"), ("bad", "raise ValueError(f'no {number}')")):
        cells = [
            nbformat.v4.new_code_cell("number = 1\nrun_id = 'x'", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(
                "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=[1], y=[number]))"
                if name == "good"
                else "number"
            ),
            nbformat.v4.new_code_cell(last),
        ]
        book = nbformat.v4.new_notebook(cells=cells)
        book.metadata["kernelspec"] = {"name": runner.KERNEL, "display_name": "x", "language": "python"}
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(runner, "NOTEBOOK_DIR", tmp_path)
    return tmp_path


def test_an_executed_copy_and_a_page_that_shows_its_picture_offline(notebooks: Path) -> None:
    done = runner.run_notebook("good", {"number": 21}, notebooks / "runs")
    copy = nbformat.read(done.notebook, as_version=4)
    assert copy.cells[-1].outputs[0]["data"]["text/plain"] == "42"
    html = done.html.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in html
    assert 'src="http' not in html


def test_a_caller_in_haste_writes_the_page_later(notebooks: Path) -> None:
    done = runner.run_notebook("good", {"number": 21}, notebooks / "runs", page=False)
    assert done.notebook.is_file()
    assert not done.html.exists()
    assert runner.export_html(done.notebook) == done.html
    assert done.html.is_file()


def test_a_cell_that_only_explains_is_left_out_where_it_is_asked_for_and_its_page_says_so(notebooks: Path) -> None:
    book = nbformat.read(notebooks / "good.ipynb", as_version=4)
    explains = nbformat.v4.new_code_cell("number = 'explained'", metadata={"tags": [runner.EXPLAINS]})
    book.cells.insert(1, explains)
    nbformat.write(book, notebooks / "good.ipynb")
    shown = {}
    for leave_out in (None, runner.EXPLAINS):
        done = runner.run_notebook("good", {"number": 2}, notebooks / "runs", leave_out=leave_out)
        last = nbformat.read(done.notebook, as_version=4).cells[-1]
        shown[leave_out] = last.outputs[0]["data"]["text/plain"], "not run by the pipeline" in done.html.read_text()
    assert shown == {None: ("'explainedexplained'", False), runner.EXPLAINS: ("4", True)}


def test_the_page_shows_each_parameter_once_with_the_value_of_the_run() -> None:
    declared = 'n = 1  # how many\nname: str = "a # b"  # its name\nnames = 3  # kept\nlast = 1'
    cells = [
        nbformat.v4.new_code_cell(declared, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            '# Parameters\nn = 21\nname = "x\\\\1"\nlast = [1, 2]\n', metadata={"tags": ["injected-parameters"]}
        ),
        nbformat.v4.new_code_cell("n"),
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    archive.merge_parameters(book)
    assert [cell.source for cell in book.cells] == [
        'n = 21  # how many\nname: str = "x\\\\1"  # its name\nnames = 3  # kept\nlast = [1, 2]', "n",
    ]  # fmt: skip
    archive.merge_parameters(book)
    assert len(book.cells) == 2


def test_a_failing_cell_is_the_error_and_its_copy_is_kept(notebooks: Path) -> None:
    with pytest.raises(runner.NotebookFailed, match=r"bad\.ipynb, cell \d+: ValueError: no 7"):
        runner.run_notebook("bad", {"number": 7}, notebooks / "runs")
    assert sorted(path.name for path in (notebooks / "runs").iterdir()) == ["try-1.html", "try-1.ipynb"]


def test_each_try_is_kept(notebooks: Path) -> None:
    (notebooks / "runs").mkdir()
    (notebooks / "runs" / "try-9.ipynb").touch()
    assert runner.next_try(notebooks / "runs") == 10


def test_a_parameter_that_is_not_declared_is_refused_before_anything_runs(notebooks: Path) -> None:
    with pytest.raises(
        runner.UnknownParameter, match="no parameter numbr; its parameters cell declares: number, run_id"
    ):
        runner.run_notebook("good", {"numbr": 1}, notebooks / "runs")
    assert not (notebooks / "runs").exists()


def test_a_notebook_that_is_not_there_is_named_with_those_that_are(notebooks: Path) -> None:
    with pytest.raises(runner.NotebookNotFound, match=r"there are: bad, good"):
        runner.run_notebook("goood", {}, notebooks / "runs")


def test_kernels_that_start_at_once_do_not_meet(notebooks: Path) -> None:
    def run(number: int) -> str:
        done = runner.run_notebook("good", {"number": number}, notebooks / f"runs-{number}")
        return nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0]["data"]["text/plain"]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, (1, 2, 3))) == ["2", "4", "6"]


def test_a_module_is_started_as_the_kernel_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = tmp_path / "kernels" / runner.KERNEL
    spec.mkdir(parents=True)
    argv = ["/python", "-I", "client.py", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    command = runner.notebook_python("lakehouse.archive", "a.ipynb")
    assert command == ["/python", "-I", "client.py", "-m", "lakehouse.archive", "a.ipynb"]
