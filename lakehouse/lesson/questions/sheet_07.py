"""Sheet 07, blocking: a budget of pairs, a key that explodes, a pair that is lost, the ceiling of recall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.errors import LakehouseError
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.world import world
from lakehouse.semantic import by_hand

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 0.93
PROPOSED = ("email_n", "phone_n", "family_n || zip_n", "city_n")
SURE = ("email_n", "phone_n")


def _worth(keys: list[str]) -> by_hand.Worth:
    here = world()
    try:
        return by_hand.worth(here.people, here.truth, keys)
    except by_hand.BadKey as bad:
        raise Wrong(str(bad)) from bad


def lost_pair() -> pd.DataFrame:
    """Two records of one person that share neither mailbox nor number, and nobody would call them two people."""
    here = world()
    return here.frame().iloc[list(_lost())]


def _lost() -> tuple[int, int]:
    here = world()
    frame, real = here.frame(), by_hand.true_pairs(here.people, here.truth)
    left, right = (frame.iloc[real.column(side).to_numpy()].reset_index(drop=True) for side in ("l", "r"))
    found = (left["email_n"] == right["email_n"]) | (left["phone_n"] == right["phone_n"])
    named = (left["given_key"] == right["given_key"]) & (left["family_n"] == right["family_n"])
    places = np.flatnonzero(~found & named)
    if not len(places):
        raise LakehouseError("no pair is lost here", "send more webhooks: `lakehouse demo`")
    return real.column("l")[places[0]].as_py(), real.column("r")[places[0]].as_py()


class Budget(Question):
    """A list of keys, each SQL over the columns of a record."""

    id = "07.1"
    hints = (
        "Start with what is nearly unique to a person, and measure: `by_hand.worth(people, truth, keys)`.",
        "Mailbox and number together leave one true pair in ten unfound: a person changed both. What did not change?",
        "A third key of a name **and** a place costs little; a name or a place alone costs much.",
    )
    why = (
        "Right. Two narrow keys find what each other misses, and cost less than one wide key: recall adds up over"
        " passes, while the pairs of a wide key grow with the square of its largest block."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (list, tuple), "a list of keys")
        keys = [str(key) for key in answer]
        if not keys:
            raise Wrong("the list is empty: no key, no pair")
        here, found = world(), _worth(keys)
        if found.pairs > here.people.num_rows:
            raise Wrong(f"these keys make {found.pairs:,} pairs, over the budget of {here.people.num_rows:,}")
        if found.found < ENOUGH * here.real:
            raise Wrong(
                f"{here.real - found.found:,} of {here.real:,} true pairs are lost:"
                f" recall {found.found / here.real:.1%}"
            )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: ["email_n"], "true pairs are lost")
        yield WrongAnswer(lambda: ["city_n"], "over the budget")
        yield WrongAnswer(lambda: ["mailbox"], "DuckDB refuses the key")
        yield WrongAnswer(lambda: "email_n", "a list of keys is asked for")


class Explodes(Question):
    """A dictionary: which proposed key explodes, and how many pairs it makes."""

    id = "07.2"
    hints = (
        "A block of n records makes n·(n−1)/2 pairs: count the records of each block, then add up.",
        "`people.groupby(key).size()` gives the sizes; a record without a key is in no block.",
    )
    why = (
        "Right. Its blocks grow with the company: ten times the customers, and a city of them makes a hundred times the"
        " pairs. This is why a block has a cap."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary with `key` and `pairs`")
        if missing := sorted({"key", "pairs"} - set(answer)):
            raise Wrong(f"the dictionary has no {', '.join(missing)}")
        made = {key: _worth([key]).pairs for key in PROPOSED}
        worst = max(made, key=lambda key: made[key])
        if answer["key"] not in made:
            raise Wrong(f"{answer['key']!r} is none of the proposed keys")
        if answer["key"] != worst:
            raise Wrong(f"{answer['key']} makes {made[answer['key']]:,} pairs; another one makes more")
        said, sizes = one_number(answer["pairs"]), self._sizes(worst)
        if said == made[worst]:
            return
        if said == int((sizes * sizes).sum()):
            raise Wrong(f"{said:,} counts each record with itself, and each pair twice")
        if said == int((sizes * (sizes - 1)).sum()):
            raise Wrong(f"{said:,} counts each pair twice: a with b, and b with a")
        raise Wrong(f"{said:,} is not the number of pairs within the blocks of {worst}")

    @staticmethod
    def _sizes(key: str) -> np.ndarray[Any, np.dtype[Any]]:
        return world().frame().groupby(key).size().to_numpy()

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: {"key": "email_n", "pairs": 1}, "another one makes more")
        yield WrongAnswer(lambda: {"key": "city_n", "pairs": int((self._sizes("city_n") ** 2).sum())}, "with itself")
        yield WrongAnswer(
            lambda: {"key": "city_n", "pairs": int((self._sizes("city_n") * (self._sizes("city_n") - 1)).sum())},
            "each pair twice: a with b",
        )
        yield WrongAnswer(lambda: {"key": "city_n"}, "has no pairs")


class LostPair(Question):
    """One key, SQL over the columns of a record."""

    id = "07.3"
    hints = (
        "Look at the two records column by column: what do they still have in common?",
        "A key has to be equal in both records, so it is made of columns that are; and few others should have it.",
        "One column alone is shared by many; two of them joined by `|| '|' ||` are not.",
    )
    why = (
        "Right. Every pass is a bet on what a person does not change. Mailbox and number change together when somebody"
        " changes employer; a name with something beside it survives that."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a key as a text")
        here, (first, second) = world(), _lost()
        only = here.people.take([first, second])
        try:
            together = by_hand.pairs(only, [answer]).num_rows
        except by_hand.BadKey as bad:
            raise Wrong(str(bad)) from bad
        if not together:
            raise Wrong("this key does not bring the two records together: it differs, or one of them has none")
        made, most = _worth([answer]).pairs, 2 * here.people.num_rows
        if made > most:
            raise Wrong(f"it brings them together, and {made:,} pairs with them; {most:,} are what you can spend")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "email_n", "does not bring the two records together")
        yield WrongAnswer(lambda: "'everybody'", "what you can spend")
        yield WrongAnswer(lambda: ["email_n"], "a key as a text is asked for")


class Ceiling(Question):
    """A share between 0 and 1."""

    id = "07.4"
    hints = (
        "A pair that is no candidate is never scored: recall is at most the share of true pairs that are candidates.",
        "Some pairs are found by both passes; count each pair once. `by_hand.worth` takes several keys at once.",
    )
    why = (
        "Right. This is the ceiling: no model, however good, gets past it. So blocking is measured before scoring is"
        " tuned, and a falling ceiling is an alarm of its own."
    )

    def judge(self, answer: Any) -> None:
        try:
            said = float(answer)
        except (TypeError, ValueError) as error:
            raise Wrong(f"a share is asked for, and this is of type {type(answer).__name__}") from error
        real, found = world().real, _worth(list(SURE)).found
        alone = [_worth([key]).found for key in SURE]
        if abs(said - found / real) < 0.0005:
            return
        if said == 1:
            raise Wrong("a perfect score of a pair that is no candidate does not exist: some are never compared")
        if abs(said - sum(alone) / real) < 0.0005:
            raise Wrong("you added up what each pass finds: pairs that both find are counted twice")
        if abs(said - max(alone) / real) < 0.0005:
            raise Wrong("this is what the better of the two passes finds; the other one finds pairs that it misses")
        raise Wrong(f"{said:g} is not the share of the true pairs that the two passes find")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: 1.0, "never compared")
        yield WrongAnswer(lambda: sum(_worth([key]).found for key in SURE) / world().real, "counted twice")
        yield WrongAnswer(lambda: max(_worth([key]).found for key in SURE) / world().real, "the better of the two")


QUESTIONS: tuple[Question, ...] = (Budget(), Explodes(), LostPair(), Ceiling())
