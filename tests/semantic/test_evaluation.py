from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.semantic.evaluation import NothingToEvaluate, evaluate, read_truth

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25)


@given(labels)
def test_pairwise_equals_the_count_of_all_pairs(pairs: list[tuple[int, int]]) -> None:
    predicted = {n: p for n, (p, _) in enumerate(pairs)}
    truth = {n: t for n, (_, t) in enumerate(pairs)}
    joined = {pair for pair in combinations(predicted, 2) if predicted[pair[0]] == predicted[pair[1]]}
    real = {pair for pair in combinations(truth, 2) if truth[pair[0]] == truth[pair[1]]}
    result = evaluate(predicted, truth)
    assert result.pairwise.precision == pytest.approx(len(joined & real) / len(joined) if joined else 1)
    assert result.pairwise.recall == pytest.approx(len(joined & real) / len(real) if real else 1)


@given(labels)
def test_b_cubed_equals_its_definition(pairs: list[tuple[int, int]]) -> None:
    predicted = {n: p for n, (p, _) in enumerate(pairs)}
    truth = {n: t for n, (_, t) in enumerate(pairs)}
    precision = recall = 0.0
    for n in predicted:
        mine = {m for m in predicted if predicted[m] == predicted[n]}
        real = {m for m in truth if truth[m] == truth[n]}
        precision += len(mine & real) / len(mine) / len(predicted)
        recall += len(mine & real) / len(real) / len(predicted)
    result = evaluate(predicted, truth)
    assert result.b_cubed.precision == pytest.approx(precision)
    assert result.b_cubed.recall == pytest.approx(recall)


def test_only_common_records_count_and_the_others_are_told() -> None:
    result = evaluate({"a": 1, "b": 1, "x": 2}, {"a": "p", "b": "p", "y": "q"})
    assert (result.records, result.only_predicted, result.only_true, result.exact_clusters) == (2, 1, 1, 1)
    assert result.pairwise.f1 == 1


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingToEvaluate, match="share no record"):
        evaluate({"a": 1}, {"b": 1})
    with pytest.raises(NothingToEvaluate, match="make demo"):
        read_truth(tmp_path / "identities.jsonl")


def test_truth_is_read_by_sender_and_id(tmp_path: Path) -> None:
    file = tmp_path / "identities.jsonl"
    file.write_text('{"person_id": "P1", "source": "shopify", "source_id": 9007199254740993, "entity": "customer"}\n')
    assert read_truth(file) == {("shopify", "9007199254740993"): "P1"}
