"""Tables of people from elsewhere: which column is taken for what, and what is said of a table that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from lakehouse.cli import app
from lakehouse.semantic import datasets, records, trial
from lakehouse.semantic.datasets import UnusableTable, from_table, guess_mapping, read_file
from lakehouse.semantic.resolution import resolve


def csv(folder: Path, text: str) -> Path:
    file = folder / "people.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_columns_are_recognised_by_their_usual_names() -> None:
    found = guess_mapping(["Rec_ID", "Given Name", "surname", "Date of Birth", "address_1", "Postcode", "weight"])
    assert found == {
        "source_id": "Rec_ID", "first_name": "Given Name", "last_name": "surname", "birth_date": "Date of Birth",
        "street": "address_1", "zip": "Postcode",
    }  # fmt: skip


def test_a_mapping_that_is_given_comes_first() -> None:
    assert guess_mapping(["name", "rufname"], {"first_name": "rufname"}) == {
        "first_name": "rufname",
        "full_name": "name",
    }


@pytest.mark.parametrize(
    ("mapping", "message"),
    [({"age": "weight"}, "unknown attribute: age"), ({"email": "mail"}, "no column mail"), ({}, "says anything")],
)
def test_a_wrong_mapping_says_what_is_wrong(mapping: dict[str, str], message: str) -> None:
    with pytest.raises(UnusableTable, match=message):
        guess_mapping(["id", "weight"], mapping)


def test_a_csv_is_read_as_text(tmp_path: Path) -> None:
    file = csv(tmp_path, "id,name,zip,cluster\n1,Anna Meyer,01234,a\n2,Anna Meyer,01234,a\n3,,,b\n")
    found = read_file(file)
    assert found.people.column("zip").to_pylist() == ["01234", "01234", None]
    assert found.truth == {("people.csv", "1"): "a", ("people.csv", "2"): "a", ("people.csv", "3"): "b"}


@pytest.mark.parametrize(
    ("text", "truth", "message"),
    [
        ("id,name\n", None, "has no rows"),
        ("id,name\n1,Anna\n1,Bruno\n", None, "not unique"),
        ("id,name\n1,Anna\n", "who", "has no column who"),
        ("a,b\n1,2\n", None, "says anything of a person"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_clear_error(
    tmp_path: Path, text: str, truth: str | None, message: str
) -> None:
    with pytest.raises(UnusableTable, match=message):
        read_file(csv(tmp_path, text), truth=truth)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnusableTable, match="there is no file"):
        read_file(tmp_path / "nobody.csv")


def test_records_that_say_nothing_are_alone() -> None:
    names = ("id", "name", "email")
    table = pa.table(
        {name: pa.array([str(n) if name == "id" else None for n in range(300)], pa.string()) for name in names}
    )
    found = trial.run(from_table("empty", table))
    assert len(set(found.resolution.entity)) == 300


def test_one_mailbox_for_everybody_makes_no_giant_and_is_flagged() -> None:
    rows = 50_000
    sent = records.as_sent(
        {
            "source": pa.array(["file"] * rows), "source_id": pa.array([str(n) for n in range(rows)]),
            "email": pa.array(["one@example.com"] * rows),
        },
        rows,
    )  # fmt: skip
    result = resolve(records.normalise(sent))
    assert result.stats["largest_entity", ""] == 1
    assert result.stats["dropped_block", "email_exact: one@example.com"] == rows


def test_febrl3_is_found_without_its_truth() -> None:
    found = trial.run(datasets.febrl3())
    assert found.evaluation is not None
    assert found.evaluation.pairwise.f1 >= 0.9999


def test_febrl4_is_found_without_its_truth() -> None:
    dataset = datasets.febrl4()
    found = trial.run(dataset)
    assert found.evaluation is not None
    assert found.evaluation.pairwise.f1 >= 0.999
    passes, total = trial.pass_recall(found.resolution.people, dataset.truth, between_sources=True)
    assert total == 5000
    assert sum(one.added for one in passes) >= 0.999 * total


def test_the_command_prints_both_engines(tmp_path: Path) -> None:
    lines = ["id,first_name,last_name,birth_date,city,person"]
    names = ["Anna", "Bruno", "Carla", "Dieter", "Emil", "Frida", "Gerd", "Heike"]
    for n in range(240):
        who = n // 2
        lines.append(
            f"{n},{names[who % 8]},Name{who:03d},19{who % 80 + 10}-0{who % 9 + 1}-1{who % 9},City{who % 7},{who}"
        )
    file = csv(tmp_path, "\n".join(lines) + "\n")
    said = CliRunner().invoke(app, ["er", "evaluate", "--dataset", str(file), "--truth", "person"])
    assert said.exit_code == 0, said.output
    for text in ("this engine", "plain Splink", "exactly right", "largest entity", "true pairs", "birth_name"):
        assert text in said.output


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        app, ["er", "evaluate", "--dataset", str(csv(tmp_path, "id,name\n1,A\n")), "--map", "email"]
    )
    assert "ATTRIBUTE=COLUMN" in said.output + str(said.exception)
    assert said.exit_code != 0


def test_names_and_addresses_alone_are_enough_to_learn_from() -> None:
    dataset = datasets.febrl3()
    people = dataset.people
    for name in ("national_id", "birth_date"):
        people = people.set_column(people.column_names.index(name), name, pa.nulls(people.num_rows, pa.string()))
    found = trial.run(replace(dataset, people=people))
    assert found.evaluation is not None
    assert found.evaluation.pairwise.precision >= 0.99
    assert found.evaluation.pairwise.recall >= 0.6
