"""The scoring model: what agreement and disagreement of each field say about two records being one person.

Every level has two frozen probabilities: m, how often two records of one person agree that way, and u, how often two
records of different people do. They are stated here, not trained on the run's data, so that a score does not depend
on what else arrived that day. The match weight of a level is log2(m/u).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splink import SettingsCreator

VERSION = "2026-11-1"
PRIOR = 0.0005
"""Of all candidate pairs' universe, the share that are one person; a pair needs evidence of 1 in 2,000 to be even."""

MATCH_PROBABILITY = 0.95
"""Pairs that score at least this are edges."""

DIFFERENT_NAME = 0
HOUSEHOLD_NAME = 1
"""Levels of the comparison `name` which say that the given names are incompatible; see `NAME_LEVELS`."""

_GIVEN_CLOSE = (
    "(given_key_l = given_key_r"
    " OR (length(given_n_l) > 3 AND length(given_n_r) > 3"
    " AND (jaro_winkler_similarity(given_n_l, given_n_r) >= 0.92 OR damerau_levenshtein(given_n_l, given_n_r) = 1)))"
)
_INITIAL = "((length(given_n_l) = 1 OR length(given_n_r) = 1) AND left(given_n_l, 1) = left(given_n_r, 1))"
_FAMILY_CLOSE = (
    "(family_n_l = family_n_r OR (length(family_n_l) > 3 AND length(family_n_r) > 3"
    " AND (jaro_winkler_similarity(family_n_l, family_n_r) >= 0.93"
    " OR damerau_levenshtein(family_n_l, family_n_r) = 1)))"
)
_SWAPPED = "(given_n_l = family_n_r AND family_n_l = given_n_r)"

# (condition, label, m, u); from the strongest to the weakest, the first that holds counts
_Level = tuple[str, str, float, float]

NAME_LEVELS: tuple[_Level, ...] = (
    ("given_n_l = given_n_r AND family_n_l = family_n_r", "same name", 0.62, 0.0006),
    (f"{_GIVEN_CLOSE} AND family_n_l = family_n_r", "short form or typo of given name", 0.14, 0.0008),
    (f"{_SWAPPED}", "given and family name swapped", 0.02, 0.00002),
    (f"{_GIVEN_CLOSE} AND {_FAMILY_CLOSE}", "typo of family name", 0.08, 0.0004),
    (f"{_INITIAL} AND {_FAMILY_CLOSE}", "initial and family name", 0.05, 0.0012),
    (
        f"{_GIVEN_CLOSE} AND (family_n_l IS NULL OR family_n_r IS NULL)",
        "given name, no family name",
        0.03,
        0.006,
    ),
    (
        "(given_n_l IS NULL OR given_n_r IS NULL) AND " + _FAMILY_CLOSE,
        "family name, no given name",
        0.02,
        0.006,
    ),
    (f"{_GIVEN_CLOSE}", "given name, other family name", 0.025, 0.008),
    (f"{_FAMILY_CLOSE}", "family name, other given name: a household", 0.005, 0.03),
)
_SAME_LOCAL = "split_part(email_e_l, '@', 1) = split_part(email_e_r, '@', 1)"
# namesakes choose the same local part: then it adds little to what the names have said already
_NAME_ONLY = (
    "NOT regexp_matches(split_part(email_e_l, '@', 1), '[0-9]')"
    " AND contains(split_part(email_e_l, '@', 1), replace(family_n_l, ' ', ''))"
)
EMAIL_LEVELS: tuple[_Level, ...] = (
    ("email_e_l = email_e_r", "same mailbox", 0.52, 0.00004),
    (f"{_SAME_LOCAL} AND damerau_levenshtein(email_e_l, email_e_r) <= 2", "a typo in the domain", 0.03, 0.0002),
    (f"{_SAME_LOCAL} AND {_NAME_ONLY}", "same local part elsewhere, of the name alone", 0.05, 0.01),
    (
        f"{_SAME_LOCAL} AND length(split_part(email_e_l, '@', 1)) >= 5",
        "same local part at another domain", 0.10, 0.0004,
    ),
    (
        "split_part(email_e_l, '@', 2) = split_part(email_e_r, '@', 2)"
        " AND damerau_levenshtein(split_part(email_e_l, '@', 1), split_part(email_e_r, '@', 1)) <= 1",
        "a typo in the mailbox", 0.04, 0.0002,
    ),
)  # fmt: skip
PHONE_LEVELS: tuple[_Level, ...] = (
    ("phone_e_l = phone_e_r", "same number", 0.60, 0.00006),
    ("damerau_levenshtein(phone_e_l, phone_e_r) = 1", "one digit differs", 0.06, 0.0006),
)
ADDRESS_LEVELS: tuple[_Level, ...] = (
    ("street_n_l = street_n_r AND zip_n_l = zip_n_r", "same street and postcode", 0.50, 0.0008),
    (
        "zip_n_l = zip_n_r AND jaro_winkler_similarity(street_n_l, street_n_r) >= 0.9",
        "similar street, same postcode", 0.12, 0.0006,
    ),
    ("street_n_l = street_n_r", "same street", 0.05, 0.0004),
    ("zip_n_l = zip_n_r", "same postcode", 0.08, 0.006),
    ("city_n_l = city_n_r", "same city", 0.10, 0.06),
)  # fmt: skip
ELSE = {"name": (0.01, 0.945), "email": (0.26, 0.989), "phone": (0.34, 0.9993), "address": (0.15, 0.93)}
NULL = {
    "name": "(given_n_l IS NULL AND family_n_l IS NULL) OR (given_n_r IS NULL AND family_n_r IS NULL)",
    "email": "email_e_l IS NULL OR email_e_r IS NULL",
    "phone": "phone_e_l IS NULL OR phone_e_r IS NULL",
    "address": "(zip_n_l IS NULL AND city_n_l IS NULL) OR (zip_n_r IS NULL AND city_n_r IS NULL)",
}
LEVELS = {"name": NAME_LEVELS, "email": EMAIL_LEVELS, "phone": PHONE_LEVELS, "address": ADDRESS_LEVELS}


def _comparison(name: str, levels: tuple[_Level, ...]) -> dict[str, object]:
    m, u = ELSE[name]
    return {
        "output_column_name": name,
        "comparison_levels": [
            {"sql_condition": NULL[name], "label_for_charts": "not given", "is_null_level": True},
            *(
                {"sql_condition": condition, "label_for_charts": label, "m_probability": m_, "u_probability": u_}
                for condition, label, m_, u_ in levels
            ),
            {"sql_condition": "ELSE", "label_for_charts": "different", "m_probability": m, "u_probability": u},
        ],
    }


def splink_settings() -> SettingsCreator:
    """The model as Splink takes it. Its blocking rule is never used: candidate pairs come from blocking_index."""
    from splink import SettingsCreator, block_on

    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        probability_two_random_records_match=PRIOR,
        comparisons=[_comparison(name, levels) for name, levels in LEVELS.items()],
        blocking_rules_to_generate_predictions=[block_on("email_e")],
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=True,
    )
