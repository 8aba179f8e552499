"""The scoring model: what agreement and disagreement of each field say about two records being one person.

Every level has two frozen probabilities: m, how often two records of one person agree that way, and u, how often two
records of different people do. The match weight of a level is log2(m/u). The levels are here, the probabilities in
`models/*.json`, one file a version: a score does not depend on what else arrived that day.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.semantic import frequencies
from lakehouse.semantic.frequencies import Frequencies

if TYPE_CHECKING:
    from splink import SettingsCreator

MODELS = Path(__file__).parent / "models"
DEFAULT = "people"
MATCH_PROBABILITY = 0.95
"""Pairs that score at least this are edges."""

DIFFERENT_NAME, HOUSEHOLD_NAME = 0, 1
"""Levels of the comparison `name` which say that the given names are incompatible; see `NAME_LEVELS`."""


def _first(cheap: str, then: str) -> str:
    """SQL: both hold; the second is looked at only where the first does.

    What `AND` and `OR` join DuckDB orders by an estimate of its own, and to count edits costs much more than to compare
    two texts.
    """
    return f"CASE WHEN {cheap} THEN {then} ELSE false END"


def _or_else(cheap: str, otherwise: str) -> str:
    """SQL: one of them holds; the second is looked at only where the first does not."""
    return f"CASE WHEN {cheap} THEN true ELSE {otherwise} END"


def _close(column: str, similarity: float) -> str:
    """SQL: two texts of some length that a typo can have made of one."""
    l, r = f"{column}_l", f"{column}_r"  # noqa: E741
    typo = _first(f"abs(length({l}) - length({r})) <= 1", f"damerau_levenshtein({l}, {r}) = 1")
    alike = _or_else(f"jaro_winkler_similarity({l}, {r}) >= {similarity}", typo)
    return _first(f"length({l}) > 3 AND length({r}) > 3", alike)


_GIVEN_CLOSE = f"({_or_else('given_key_l = given_key_r', _close('given_n', 0.92))})"
_INITIAL = "((length(given_n_l) = 1 OR length(given_n_r) = 1) AND left(given_n_l, 1) = left(given_n_r, 1))"
_FAMILY_CLOSE = f"({_or_else('family_n_l = family_n_r', _close('family_n', 0.93))})"
_SWAPPED = _first(
    "jaro_winkler_similarity(given_n_l, family_n_r) >= 0.92", "jaro_winkler_similarity(family_n_l, given_n_r) >= 0.92"
)

_Level = tuple[str, str]
"""(SQL condition, label); from the strongest to the weakest, the first that holds counts."""

NAME_LEVELS: tuple[_Level, ...] = (
    ("given_n_l = given_n_r AND family_n_l = family_n_r", "same name"),
    (_first("family_n_l = family_n_r", _GIVEN_CLOSE), "short form or typo of given name"),
    (_SWAPPED, "given and family name swapped"),
    (_first(_GIVEN_CLOSE, _FAMILY_CLOSE), "typo of family name"),
    (_first(_INITIAL, _FAMILY_CLOSE), "initial and family name"),
    (_first("family_n_l IS NULL OR family_n_r IS NULL", _GIVEN_CLOSE), "given name, no family name"),
    (_first("given_n_l IS NULL OR given_n_r IS NULL", _FAMILY_CLOSE), "family name, no given name"),
    (_GIVEN_CLOSE, "given name, other family name"),
    (_FAMILY_CLOSE, "family name, other given name: a household"),
)
_SAME_LOCAL = "split_part(email_e_l, '@', 1) = split_part(email_e_r, '@', 1)"
# namesakes choose the same local part: then it adds little to what the names have said already
_NAME_ONLY = (
    "NOT regexp_matches(split_part(email_e_l, '@', 1), '[0-9]')"
    " AND contains(split_part(email_e_l, '@', 1), replace(family_n_l, ' ', ''))"
)
EMAIL_LEVELS: tuple[_Level, ...] = (
    ("email_e_l = email_e_r", "same mailbox"),
    (_first(_SAME_LOCAL, "damerau_levenshtein(email_e_l, email_e_r) <= 2"), "a typo in the domain"),
    (_first(_SAME_LOCAL, _NAME_ONLY), "same local part elsewhere, of the name alone"),
    (f"{_SAME_LOCAL} AND length(split_part(email_e_l, '@', 1)) >= 5", "same local part at another domain"),
    (
        _first(
            "split_part(email_e_l, '@', 2) = split_part(email_e_r, '@', 2)"
            " AND abs(length(email_e_l) - length(email_e_r)) <= 1",
            "damerau_levenshtein(split_part(email_e_l, '@', 1), split_part(email_e_r, '@', 1)) <= 1",
        ),
        "a typo in the mailbox",
    ),
)
PHONE_LEVELS: tuple[_Level, ...] = (
    ("phone_e_l = phone_e_r", "same number"),
    ("damerau_levenshtein(phone_e_l, phone_e_r) = 1", "one digit differs"),
)
ADDRESS_LEVELS: tuple[_Level, ...] = (
    ("street_n_l = street_n_r AND zip_n_l = zip_n_r", "same street and postcode"),
    (
        _first("zip_n_l = zip_n_r", "jaro_winkler_similarity(street_n_l, street_n_r) >= 0.9"),
        "similar street, same postcode",
    ),
    ("street_n_l = street_n_r", "same street"),
    ("zip_n_l = zip_n_r", "same postcode"),
    ("city_n_l = city_n_r", "same city"),
)
_DAY_MONTH = (
    "(left(birth_n_l, 4) = left(birth_n_r, 4) AND substr(birth_n_l, 6, 2) = right(birth_n_r, 2)"
    " AND right(birth_n_l, 2) = substr(birth_n_r, 6, 2))"
)
_PARTS = (
    "(left(birth_n_l, 4) = left(birth_n_r, 4))::INT + (substr(birth_n_l, 6, 2) = substr(birth_n_r, 6, 2))::INT"
    " + (right(birth_n_l, 2) = right(birth_n_r, 2))::INT"
)
BIRTH_LEVELS: tuple[_Level, ...] = (
    ("birth_n_l = birth_n_r", "same date"),
    (_or_else(_DAY_MONTH, "damerau_levenshtein(birth_n_l, birth_n_r) = 1"), "one digit or day and month differ"),
    (f"{_PARTS} = 2", "two of three parts"),
)
ID_LEVELS: tuple[_Level, ...] = (
    ("id_n_l = id_n_r", "same number"),
    ("damerau_levenshtein(id_n_l, id_n_r) = 1", "one character differs"),
)
LEVELS: dict[str, tuple[_Level, ...]] = {
    "name": NAME_LEVELS, "email": EMAIL_LEVELS, "phone": PHONE_LEVELS, "address": ADDRESS_LEVELS,
    "birth": BIRTH_LEVELS, "identifier": ID_LEVELS,
}  # fmt: skip
"""Field → its levels; the last one, "different", is what is left."""
ELSE = "different"
NULL = {
    "name": "(given_n_l IS NULL AND family_n_l IS NULL) OR (given_n_r IS NULL AND family_n_r IS NULL)",
    "email": "email_e_l IS NULL OR email_e_r IS NULL",
    "phone": "phone_e_l IS NULL OR phone_e_r IS NULL",
    "address": "(zip_n_l IS NULL AND city_n_l IS NULL) OR (zip_n_r IS NULL AND city_n_r IS NULL)",
    "birth": "birth_n_l IS NULL OR birth_n_r IS NULL",
    "identifier": "id_n_l IS NULL OR id_n_r IS NULL",
}
TERM_OF = {"same name": "name_n", "same city": "city_n"}
"""Levels whose weight follows from how often the value occurs → the term of `frequencies` that says so."""
RAREST = {"name_n": 2e-5, "city_n": 5e-3}
"""A smaller share counts as this: a rare value is strong evidence, and no proof. Father and son share a rare name."""
FILLED = {"name": "coalesce(given_n, family_n)", "email": "email_e", "phone": "phone_e",
          "address": "coalesce(zip_n, city_n)", "birth": "birth_n", "identifier": "id_n"}  # fmt: skip
"""SQL: null where a record says nothing of a field."""
POSSIBLE_NAMES = tuple(sql for sql, _ in NAME_LEVELS[:-1])
"""SQL: given names that can be one person's; the same as a level of `name` above `HOUSEHOLD_NAME`."""
CERTAIN = (BIRTH_LEVELS[0][0], ID_LEVELS[0][0], ID_LEVELS[1][0])
"""SQL: what `SAME_PERSON` says by levels."""
SAME_PERSON = {"birth": "gamma_birth = 3", "identifier": "gamma_identifier >= 1"}
"""What outweighs incompatible given names: the same date of birth, the same office's number or one
a typo away."""


class UnknownModel(LakehouseError):
    """There is no such model, or it does not fit the levels."""


@dataclass(frozen=True)
class Parameters:
    """One version of the model: `fields[field][label]` is (m, u); `prior` is the share of matches among all pairs.

    `shares` says by column how often its values occur; without it, all values of a level weigh the same.
    """

    version: str
    prior: float
    fields: Mapping[str, Mapping[str, tuple[float, float]]]
    source: str = ""
    shares: Mapping[str, Frequencies] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "source": self.source,
            "prior": self.prior,
            "fields": {name: {label: list(mu) for label, mu in levels.items()} for name, levels in self.fields.items()},
            "term_frequencies": {column: known.as_json() for column, known in self.shares.items()},
        }


def labels(name: str) -> list[str]:
    """The levels of a field by label, strongest first, with the rest."""
    return [label for _, label in LEVELS[name]] + [ELSE]


@cache
def load(name: str = DEFAULT) -> Parameters:
    """The frozen parameters of a model: one of this folder's by name, or any by its path. Raises `UnknownModel`."""
    file = Path(name) if name.endswith(".json") else MODELS / f"{name}.json"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in MODELS.glob("*.json")))
        raise UnknownModel(f"there is no model {name!r}", f"use one of: {known}")
    found = json.loads(file.read_text(encoding="utf-8"))
    for field in LEVELS:
        if list(found["fields"].get(field, {})) != labels(field):
            raise UnknownModel(f"{file.name} does not name the levels of {field}: {', '.join(labels(field))}")
    return parse(found)


def parse(found: Mapping[str, Any]) -> Parameters:
    """Parameters from what `as_json` gives."""
    fields = {name_: {label: (m, u) for label, (m, u) in levels.items()} for name_, levels in found["fields"].items()}
    shares = frequencies.parse(found.get("term_frequencies", {}))
    return Parameters(found["version"], found["prior"], fields, found["source"], shares)


def terms(parameters: Parameters, fields: Iterable[str]) -> dict[str, str]:
    """Of these fields, those whose weight follows from how often a value occurs → the term that is looked up."""
    usable = frequencies.usable(parameters.shares)
    return {
        name: TERM_OF[label]
        for name in fields
        for label in parameters.fields[name]
        if label in TERM_OF and TERM_OF[label] in usable
    }


def _comparison(name: str, parameters: Parameters) -> dict[str, object]:
    known, looked_up = parameters.fields[name], terms(parameters, [name])
    levels: list[dict[str, object]] = []
    for sql, label in (*LEVELS[name], ("ELSE", ELSE)):
        m, u = known[label]
        level = {"sql_condition": sql, "label_for_charts": label, "m_probability": m, "u_probability": u}
        levels.append(level)
        if TERM_OF.get(label) in looked_up.values():
            level |= {
                "tf_adjustment_column": looked_up[name],
                "tf_minimum_u_value": RAREST[looked_up[name]],
                # the level is of two columns, and its own u is the one that the share takes the place of
                "disable_tf_exact_match_detection": True,
            }
    null = {"sql_condition": NULL[name], "label_for_charts": "not given", "is_null_level": True}
    return {"output_column_name": name, "comparison_levels": [null, *levels]}


def splink_settings(parameters: Parameters | None = None, fields: Iterable[str] = tuple(LEVELS)) -> SettingsCreator:
    """The model as Splink takes it, of some fields. Its blocking rule is never used: pairs come from `blocking`."""
    from splink import SettingsCreator, block_on

    chosen = parameters or load()
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="idx",
        probability_two_random_records_match=chosen.prior,
        comparisons=[_comparison(name, chosen) for name in fields],
        blocking_rules_to_generate_predictions=[block_on("email_e")],
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=True,
    )
