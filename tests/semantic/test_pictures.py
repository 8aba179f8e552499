from __future__ import annotations

import pandas as pd
import pytest

from lakehouse.semantic import inspection, model, pictures, trial
from lakehouse.semantic.generated import people_of_world
from lakehouse.semantic.overrides import UnknownRecord
from lakehouse.semantic.records import keys_of
from lakehouse.semantic.resolution import resolve


def test_the_curve_counts_pairs_by_weight() -> None:
    pairs = pd.DataFrame({"weight": [9.0, 6.0, 2.0], "probability": [0.99, 0.98, 0.8], "same": [True, False, True]})
    precision, recall = (trace.y for trace in pictures.threshold_curve(pairs, real=4).data)
    assert (precision[0], recall[0]) == (pytest.approx(2 / 3), 0.5)
    assert (precision[-1], recall[-1]) == (1.0, 0.25)


def test_pairs_of_a_world_lie_on_both_sides_of_the_threshold() -> None:
    people, truth = people_of_world(5, 200)
    pairs, real = pictures.scored_pairs(people, truth)
    assert pairs.loc[pairs["probability"] > 0.99, "same"].mean() > 0.95
    assert 0.9 * real < pairs["same"].sum() <= real
    assert len(pictures.weight_histogram(pairs).data) == 2


def test_passes_stack_up_to_the_ceiling_of_recall() -> None:
    people, truth = people_of_world(5, 200)
    passes, real = trial.pass_recall(people, truth)
    before, added = pictures.recall_of_passes(passes, real).data
    assert before.x[0] == 0
    assert before.x[-1] + added.x[-1] == pytest.approx(sum(one.added for one in passes) / real)
    assert all(one.added <= one.found <= one.pairs for one in passes)


def test_the_largest_entities_show_who_does_not_belong() -> None:
    index = pd.DataFrame(
        {"entity_id": ["one", "one", "one", "two"], "source": "shopify", "source_id": list("abcd"),
         "full_name": ["Anna Meyer", None, "Bruno Kurz", "Carla Roth"]}
    )  # fmt: skip
    truth = {("shopify", "a"): "P1", ("shopify", "b"): "P1", ("shopify", "c"): "P2", ("shopify", "d"): "P3"}
    mine, others = pictures.largest_entities(index, truth).data
    assert (list(mine.x), list(others.x)) == ([2, 1], [1, 0])
    assert mine.y[0].startswith("Anna Meyer")


def test_an_explanation_adds_up_to_the_weight_of_the_edge() -> None:
    people, _ = people_of_world(5, 100)
    result = resolve(people)
    keys = keys_of(people)
    for edge in result.edges.to_pylist()[::20]:
        pair = inspection.explain(keys[edge["l"]], keys[edge["r"]], people)
        assert pair.weight == pytest.approx(edge["weight"], abs=1e-4)
        assert pair.parts[0].field == inspection.PRIOR
        assert pair.verdict == "They match."
        assert pair.waterfall().data[0].measure[-1] == "total"
    with pytest.raises(UnknownRecord, match="no record shopify:none"):
        inspection.explain(keys[0], ("shopify", "none"), people)


def test_a_pair_that_no_pass_brings_together_is_said_to_be_so() -> None:
    people, truth = people_of_world(5, 100)
    keys = keys_of(people)
    other = next(key for key in keys if truth[key] != truth[keys[0]])
    pair = inspection.explain(keys[0], other, people)
    assert pair.verdict != "They match."
    assert pair.probability < model.MATCH_PROBABILITY
