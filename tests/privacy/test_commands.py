"""`lakehouse privacy`: it shows before it does, and says so where nothing is stored."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lakehouse.cli import app
from lakehouse.privacy.person import Scope


def test_a_person_is_named_in_one_way() -> None:
    both = CliRunner().invoke(app, ["privacy", "find", "--email", "a@x.org", "--entity", "e"])
    assert both.exit_code == 2
    assert "either --email or --entity" in both.output
    assert CliRunner().invoke(app, ["privacy", "erase"]).exit_code == 2


@pytest.mark.stack
def test_nobody_is_no_error() -> None:
    done = CliRunner().invoke(app, ["privacy", "erase", "--email", "nobody.at.all@nowhere.example", "--yes"])
    assert done.exit_code == 0, done.output
    assert "nothing is stored of this person" in done.output


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_without_yes_it_is_only_shown() -> None:
    rows = Scope().rows("semantic.entity_index", "entity_id")
    entity = min(rows.column("entity_id").to_pylist())
    shown = CliRunner().invoke(app, ["privacy", "erase", "--entity", entity])
    assert "--yes" in shown.output
    assert entity in Scope().rows("semantic.entity_index", "entity_id").column("entity_id").to_pylist()
