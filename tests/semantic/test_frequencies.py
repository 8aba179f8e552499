"""How often a value occurs: counted, frozen with the model, and what it does to a weight."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from lakehouse.semantic import blocking, frequencies, inspection, matching, model, records
from lakehouse.semantic.resolution import connect

COMMON, RARE = 40, 2
"""How many people have the common name, and the rare one."""


def people() -> pa.Table:
    names = [("John", "Smith")] * COMMON + [("Zebulon", "Quixley")] * RARE + [("Ann", "Lee"), ("Bo", "Ray")]
    first, last = zip(*names, strict=True)
    columns = {
        "source": ["shop"] * len(names),
        "source_id": [f"{number:03d}" for number in range(len(names))],
        "first_name": list(first),
        "last_name": list(last),
        "city": ["Leeds"] * len(names),
    }
    sent = records.as_sent({name: pa.array(values) for name, values in columns.items()}, len(names))
    return records.normalise(sent)


def counted() -> dict[str, frequencies.Frequencies]:
    with connect() as con:
        blocking.register(con, people())
        return frequencies.count(con)


def test_listed_and_other_values_make_up_all_records() -> None:
    found = counted()
    total = COMMON + RARE + 2
    assert found["family_n"].values == {"smith": round(COMMON / total, 8)}
    others = RARE + 2
    assert found["family_n"].rest * 3 == pytest.approx(others / total, abs=1e-6)
    assert found["city_n"].values == {"leeds": 1.0}


def test_a_column_that_says_nothing_has_no_shares_and_its_term_is_not_used() -> None:
    nameless = people().set_column(
        people().schema.get_field_index("given_n"), "given_n", pa.nulls(people().num_rows, pa.string())
    )
    with connect() as con:
        blocking.register(con, nameless)
        found = frequencies.count(con)
    assert "given_n" not in found
    assert frequencies.usable(found) == ["city_n"]


def test_a_share_of_a_name_is_that_of_its_parts_and_each_value_is_looked_up_once() -> None:
    known = counted()
    with connect() as con:
        blocking.register(con, people())
        matching.prepare(con)
        rows = frequencies.lookup(con, known, "name_n").to_pylist()
    shares = {row["name_n"]: row["tf_name_n"] for row in rows}
    assert len(shares) == len(rows) == 4
    assert shares["john|smith"] == pytest.approx(known["given_n"].values["john"] * known["family_n"].values["smith"])
    assert shares["zebulon|quixley"] == pytest.approx(known["given_n"].rest * known["family_n"].rest)


def test_shares_are_frozen_with_the_model() -> None:
    parameters = replace(model.load(), shares=counted())
    assert model.parse(parameters.as_json()) == parameters
    assert model.load().shares == {}, "the stated model's u are of candidates, no shares of records"


def test_a_common_name_says_less_than_a_rare_one_and_the_parts_add_up() -> None:
    parameters = replace(model.load(), shares=counted())
    weights = {}
    for name, pair in {"common": ("000", "001"), "rare": (f"{COMMON:03d}", f"{COMMON + 1:03d}")}.items():
        told = inspection.explain(("shop", pair[0]), ("shop", pair[1]), people(), parameters)
        weights[name] = next(part.weight for part in told.parts if part.field == "name")
        assert matching.weight_of(told.probability) == pytest.approx(told.weight, abs=1e-6)
    m, u = parameters.fields["name"]["same name"]
    assert weights["common"] < weights["rare"]
    assert weights["common"] < matching.weight_of(m / (m + u)), "less than a name of which nothing is known"


def test_a_rare_value_is_never_proof() -> None:
    shares = {"given_n": frequencies.Frequencies({}, 1e-9), "family_n": frequencies.Frequencies({}, 1e-9)}
    parameters = replace(model.load(), shares=shares)
    told = inspection.explain(("shop", "000"), ("shop", "001"), people(), parameters)
    name = next(part.weight for part in told.parts if part.field == "name")
    m, _ = parameters.fields["name"]["same name"]
    assert name == pytest.approx(matching.weight_of(m / (m + model.RAREST["name_n"])), abs=1e-3)


def test_without_shares_all_values_weigh_the_same() -> None:
    assert model.terms(model.load(), model.LEVELS) == {}
    assert model.terms(replace(model.load(), shares=counted()), model.LEVELS) == {"name": "name_n", "address": "city_n"}
