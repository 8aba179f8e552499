"""Sheet 08, matching: a customer that has grown together, a threshold, what decided a pair, precision and recall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.errors import LakehouseError
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.world import World, tables, world
from lakehouse.semantic import by_hand, matching, model, pictures
from lakehouse.semantic.records import keys_of

if TYPE_CHECKING:
    import pandas as pd

PRECISION = 0.99
GIVEN_AWAY = 0.01
"""Of the recall that is possible at the stated precision."""
FIELDS = tuple(model.LEVELS)


def grown_together() -> pd.DataFrame:
    """Customers as one join makes them: the same mailbox, or number, or family name and postcode, and over any number
    of such steps. Only those of two records or more."""
    here = world()
    label = by_hand.chains(here.people, by_hand.pairs(here.people, by_hand.AFTERNOON))
    frame = here.frame().assign(customer=label)
    return frame[frame.duplicated("customer", keep=False)].sort_values("customer", kind="stable")


def _people_per_customer() -> dict[int, int]:
    here = world()
    label = by_hand.chains(here.people, by_hand.pairs(here.people, by_hand.AFTERNOON))
    return by_hand.people_per_cluster(here.people, label, here.truth)


class GrownTogether(Question):
    """The number of a customer."""

    id = "08.1"
    hints = (
        "The customer with most records is not always the worst: one person can have six records.",
        "Count something that a person has one of. Which column is that?",
        "`groupby('customer')['given_key'].nunique()` counts given names; leave initials out, and of two customers with"
        " as many names look at the one with more records.",
    )
    why = (
        "Right. Each step of the chain was plausible: a family name and a postcode, a number that two share. Only the"
        " group shows that it is absurd, and this is why guards act on groups."
    )

    def judge(self, answer: Any) -> None:
        customer, counted = one_number(answer), _people_per_customer()
        if customer not in counted:
            raise Wrong(f"there is no customer {customer}")
        if counted[customer] == 1:
            raise Wrong(f"the records of customer {customer} are of one person")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(
            lambda: max(one for one, people in _people_per_customer().items() if people == 1), "are of one person"
        )
        yield WrongAnswer(lambda: -1, "there is no customer")
        yield WrongAnswer(lambda: "the Smiths", "a number is asked for")


@lru_cache(maxsize=1)
def _scored_of(here: World) -> tuple[pd.DataFrame, int]:
    return pictures.scored_pairs(here.people, here.truth, unguarded=True)


def scored() -> pd.DataFrame:
    """Candidate pairs with their `weight`, and whether both are the `same` person; no guard has taken any out."""
    return _scored_of(world())[0][["weight", "same"]]


def _at(threshold: float) -> tuple[float, int]:
    """Precision of the pairs from a weight on, and how many true ones they are."""
    pairs = scored()
    taken = pairs[pairs["weight"] >= threshold]
    return (float(taken["same"].mean()) if len(taken) else 1.0), int(taken["same"].sum())


class Threshold(Question):
    """A match weight."""

    id = "08.2"
    hints = (
        "Sort the pairs by weight, strongest first: at each place, which share of the pairs so far is one person?",
        "`ordered['same'].cumsum() / range(1, n + 1)` is that share. Where is the last place at which it is enough?",
        "A threshold that is higher than it must be loses pairs and gains nothing that was asked for.",
    )
    why = (
        "Right. The precision was stated and the threshold follows from it; the other way round, one chooses a number"
        " that looks safe, and never knows what it cost."
    )

    def judge(self, answer: Any) -> None:
        try:
            threshold = float(answer)
        except (TypeError, ValueError) as error:
            raise Wrong(f"a weight is asked for, and this is of type {type(answer).__name__}") from error
        precision, found = _at(threshold)
        if precision < PRECISION:
            raise Wrong(f"from weight {threshold:.2f} on precision is {precision:.1%}: too many pairs of two people")
        by_weight = scored().groupby("weight")["same"].agg(["sum", "size"]).sort_index(ascending=False).cumsum()
        best = int(by_weight.loc[by_weight["sum"] / by_weight["size"] >= PRECISION, "sum"].max())
        if found < (1 - GIVEN_AWAY) * best:
            raise Wrong(f"precise enough, and {best - found:,} true pairs are given away that need not be")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: -9, "too many pairs of two people")
        yield WrongAnswer(lambda: 33, "given away")
        yield WrongAnswer(lambda: "high", "a weight is asked for")


def decided_pair() -> dict[str, float]:
    """A pair that matches: what each field adds to its weight, and `before looking`."""
    with tables(edges="semantic.entity_edges") as con:
        rows = con.sql("SELECT * FROM edges WHERE is_held ORDER BY match_weight, left_id, right_id").to_df()
    limit = matching.weight_of(model.MATCH_PROBABILITY)
    for row in rows.to_dict("records"):
        weights = {field: float(row[f"mw_{field}"]) for field in FIELDS}
        deciding = _deciding(weights, float(row["match_weight"]), limit)
        raising = [field for field, weight in weights.items() if weight > 0]
        # a pair in which something decides, and something that speaks for it does not
        if 0 < len(deciding) < len(raising):
            return {"before looking": matching.weight_of(model.load().prior), **weights}
    raise LakehouseError("no pair here is decided by a part of its fields", "send more webhooks: `lakehouse demo`")


def _deciding(weights: dict[str, float], total: float, limit: float) -> set[str]:
    return {field for field, weight in weights.items() if weight > 0 and total - weight < limit}


class Decided(Question):
    """A list of fields."""

    id = "08.3"
    hints = (
        "Take one field away at a time: is the rest still enough for a match?",
        "A match needs a weight of at least `matching.weight_of(0.95)`. The whole is the sum of all parts.",
        "`[field for field in FIELDS if weights[field] > 0 and total - weights[field] < limit]`",
    )
    why = (
        "Right. A field decides when the match would not stand without it, and more than one can. Whoever asks *why was"
        " this joined* wants these, not the longest bar."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (list, tuple, set), "a list of fields")
        said, weights = set(map(str, answer)), decided_pair()
        if unknown := sorted(said - set(FIELDS)):
            raise Wrong(f"the model has no field {', '.join(unknown)}")
        total, limit = sum(weights.values()), matching.weight_of(model.MATCH_PROBABILITY)
        right = _deciding({field: weights[field] for field in FIELDS}, total, limit)
        if extra := sorted(said - right):
            rest = total - weights[extra[0]]
            raise Wrong(f"without {extra[0]} the weight is {rest:.1f}, and it is still a match: that did not decide it")
        if missing := sorted(right - said):
            raise Wrong(f"{len(missing)} more: a field that you did not name holds the match up, too")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: list(FIELDS), "that did not decide it")
        yield WrongAnswer(list, "holds the match up")
        yield WrongAnswer(lambda: ["hair"], "has no field hair")


def partition() -> pd.DataFrame:
    """Each record with the `customer` that one join gives it and the `person` that it is of."""
    here = world()
    label = by_hand.chains(here.people, by_hand.pairs(here.people, by_hand.AFTERNOON))
    frame = here.frame()[["source", "source_id"]].assign(customer=label)
    frame["person"] = [here.truth.get(key) for key in keys_of(here.people)]
    return frame.dropna(subset=["person"])


class Scores(Question):
    """A dictionary of two shares."""

    id = "08.4"
    hints = (
        "Count pairs, not records: a customer of n records joins n·(n−1)/2 pairs.",
        "Three counts are enough: pairs joined, pairs that are one person, and pairs that are both.",
        "Both: group by customer **and** person. Precision is both by joined, recall is both by one person.",
    )
    why = (
        "Right. The two are counted over the same pairs, and each hides what the other shows: joining everybody has"
        " recall 1, joining nobody has precision 1."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary with `precision` and `recall`")
        if missing := sorted({"precision", "recall"} - set(answer)):
            raise Wrong(f"the dictionary has no {', '.join(missing)}")
        said = tuple(float(answer[name]) for name in ("precision", "recall"))
        right = self.right()
        if np.allclose(said, right, atol=0.0005):
            return
        if np.allclose(said, right[::-1], atol=0.0005):
            raise Wrong("these are precision and recall, the one in the place of the other")
        frame = partition()
        pure = float((frame.groupby("customer")["person"].nunique() == 1).mean())
        if abs(said[0] - pure) < 0.0005:
            raise Wrong("this is the share of customers that are right; a customer of nine people counts as one of two")
        name = "precision" if abs(said[0] - right[0]) >= 0.0005 else "recall"
        raise Wrong(f"{name} is not {said[('precision', 'recall').index(name)]:.4f}: count pairs")

    @staticmethod
    def right() -> tuple[float, float]:
        """Precision and recall over pairs."""
        frame = partition()
        both, joined, real = (
            sum(n * (n - 1) // 2 for n in Counter(map(tuple, frame[list(by)].to_numpy())).values())
            for by in (("customer", "person"), ("customer",), ("person",))
        )
        return both / joined, both / real

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def said(precision: int, recall: int) -> dict[str, float]:
            return {"precision": self.right()[precision], "recall": self.right()[recall]}

        def pure() -> float:
            return float((partition().groupby("customer")["person"].nunique() == 1).mean())

        yield WrongAnswer(lambda: said(1, 0), "in the place of the other")
        yield WrongAnswer(lambda: {**said(0, 1), "precision": pure()}, "share of customers")
        yield WrongAnswer(lambda: said(0, 0), "recall is not")
        yield WrongAnswer(lambda: {"precision": 1.0}, "has no recall")


_FAMILY = [(name, "roth") for name in ("anna", "bruno", "clara", "david", "emil")]
_DESK = [("anna", "roth"), ("bruno", "kurz"), ("clara", "meyer"), ("david", "lang"), ("emil", "roth")]
MAILBOXES: tuple[tuple[str, list[tuple[str, str]], bool], ...] = (
    ("of one person with five records", [("anna", "roth")] * 5, True),
    ("of a family of five", _FAMILY, True),
    ("of a couple with two names", [("anna", "roth"), ("bruno", "kurz")], True),
    ("of three who share a flat", _DESK[:3], True),
    ("of a person who signs with initials, too", [("anna", "roth"), ("a", "kurz"), ("b", "kurz"), ("c", "roth")], True),
    ("of a desk that five people use", _DESK, False),
    ("of a desk that four people use, some twice", _DESK[:4] + _DESK[:2], False),
)  # fmt: skip
"""What it is, the names beside it as (given, family), and whether it is evidence."""


class Evidence(Question):
    """A function of the names that are seen beside a mailbox."""

    id = "08.5"
    hints = (
        "How would you tell a family of five from a desk at which five people sit? Both have five given names.",
        "Count different given names, not records; an initial may be anybody's and is no name of its own.",
        "No evidence: more than three different given names of two letters or more, **and** more than one family name.",
    )
    why = (
        "Right. What many strangers share says nothing about two of them: as evidence it would add to the weight of"
        " every pair of them, and one desk would become one customer. The names say which mailbox that is."
    )

    def judge(self, answer: Any) -> None:
        for what, users, evidence in MAILBOXES:
            said = bool(self.call(answer, list(users)))
            if said and not evidence:
                raise Wrong(f"a mailbox {what} counts as evidence: all of its users would grow together")
            if evidence and not said:
                raise Wrong(f"a mailbox {what} is thrown away, though it says who somebody is")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def names(users: list[tuple[str, str]]) -> int:
            return len({given for given, _ in users})

        rules: tuple[tuple[Callable[[list[tuple[str, str]]], bool], str], ...] = (
            (lambda users: True, "grow together"),
            (lambda users: len(users) <= 3, "of one person with five records is thrown away"),
            (lambda users: names(users) <= 3, "of a family of five is thrown away"),
            (lambda users: len({family for _, family in users}) == 1, "of a couple with two names is thrown away"),
        )
        for rule, says in rules:
            yield WrongAnswer(lambda rule=rule: rule, says)  # type: ignore[misc]
        yield WrongAnswer(lambda: 3, "a function is asked for")


QUESTIONS: tuple[Question, ...] = (GrownTogether(), Threshold(), Decided(), Scores(), Evidence())
