"""Questions about matching hold in small worlds of any seed: what is judged is computed, not hoped for."""

from __future__ import annotations

import pytest

from lakehouse.lesson.exercise import judge
from lakehouse.lesson.question import Question
from lakehouse.lesson.questions import sheet_07, sheet_08
from lakehouse.lesson.world import World
from lakehouse.semantic import by_hand, matching
from lakehouse.semantic.generated import people_of_world
from lakehouse.semantic.resolution import connect

SEEDS = (2, 3, 8)
LIVE = {"08.3"}
"""Questions about stored edges, which need the stack."""
QUESTIONS = [one for one in (*sheet_07.QUESTIONS, *sheet_08.QUESTIONS) if one.id not in LIVE]


@pytest.fixture(params=SEEDS)
def small_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """150 people, as in CI's world."""
    people, truth = people_of_world(request.param, 150)
    made = World(people, truth, by_hand.true_pairs(people, truth).num_rows)
    for module in (sheet_07, sheet_08):
        monkeypatch.setattr(module, "world", lambda: made)
    return made


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
@pytest.mark.usefixtures("small_world")
def test_wrong_answers_are_wrong_in_a_small_world(question: Question) -> None:
    for wrong in question.wrong_answers():
        found = judge(question.id, wrong.make())
        assert found.outcome == "wrong", found
        assert wrong.says in found.message


def test_solutions_are_right_in_a_small_world(small_world: World) -> None:
    people, truth, real = small_world.people, small_world.truth, small_world.real
    customers = sheet_08.grown_together()
    counts = customers[customers["given_key"].str.len() > 1].groupby("customer")["given_key"].agg(["nunique", "size"])
    pairs = sheet_08.scored().groupby("weight")["same"].agg(["sum", "size"]).sort_index(ascending=False).cumsum()
    precision, recall = sheet_08.Scores.right()
    answers = {
        "07.1": ["email_n", "phone_n", "given_key || '|' || zip_n"],
        "07.3": "given_key || '|' || family_n",
        "07.4": by_hand.worth(people, truth, ["email_n", "phone_n"]).found / real,
        "08.1": counts.sort_values(["nunique", "size"]).index[-1],
        "08.2": pairs[pairs["sum"] / pairs["size"] >= sheet_08.PRECISION].index.min(),
        "08.4": {"precision": precision, "recall": recall},
    }
    outcomes = {question: judge(question, answer) for question, answer in answers.items()}
    assert {question: found for question, found in outcomes.items() if found.outcome != "right"} == {}


@pytest.mark.parametrize(("what", "users", "evidence"), sheet_08.MAILBOXES, ids=lambda value: str(value)[:40])
def test_mailboxes_are_judged_as_the_pipeline_judges_them(
    what: str, users: list[tuple[str, str]], evidence: bool
) -> None:
    with connect() as con:
        con.execute("CREATE TABLE people (email_n VARCHAR, given_key VARCHAR, family_n VARCHAR)")
        con.executemany("INSERT INTO people VALUES ('one@mailbox.example', ?, ?)", users)
        shared = con.execute(matching.shared_by_many("people", "email_n", matching.MAX_NAMES)).fetchall()
    assert (not shared) == evidence, what
