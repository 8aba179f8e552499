"""A lesson's receiver is the real one beside the stack's: what it takes is in its own topics and nowhere else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lakehouse.engines import kafka
from lakehouse.lesson.learners import learner
from lakehouse.lesson.receiver import Receiver, new_secret, open_receiver

pytestmark = pytest.mark.stack
PATH = "/webhooks/stripe"
BODY = b'{"id":"evt_lesson","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_lesson"}}}'


def post(receiver: Receiver) -> tuple[int, str]:
    signed = receiver.signer.headers("stripe", PATH, BODY, "right", time.time())
    answer = receiver.client.post(PATH, content=BODY, headers=signed)
    return answer.status_code, answer.json().get("reason", "")


def test_it_stores_in_topics_of_its_own_that_go_with_it() -> None:
    with open_receiver("test_own") as receiver:
        mine = set(receiver.topics.values())
        assert not mine & set(kafka.TOPICS)
        assert mine <= kafka.topic_names()
        assert receiver.messages() == []
        assert post(receiver) == (200, "")
        (message,) = receiver.messages()
        assert (message.topic, message.key, message.value) == ("stripe.charges", "ch_lesson", BODY)
        assert message.headers["webhook_id"] == "evt_lesson"
    assert not mine & kafka.topic_names()


def test_the_secrets_can_be_changed_and_what_was_stored_stays() -> None:
    with open_receiver("test_secrets") as receiver:
        old = receiver.signer
        assert post(receiver) == (200, "")
        receiver.restart(secrets={"stripe": (new_secret("stripe"),)})
        signed = old.headers("stripe", PATH, BODY, "right", time.time())
        assert receiver.client.post(PATH, content=BODY, headers=signed).status_code == 401
        assert post(receiver) == (200, "")
        assert len(receiver.messages()) == 2


def producers() -> int:
    """Clients of the broker in this process, by the threads that each of them has."""
    return sum(task.read_text().startswith("rdk:main") for task in Path("/proc/self/task").glob("*/comm"))


def test_a_silent_broker_is_no_200_and_the_broker_comes_back() -> None:
    with open_receiver("test_silent") as receiver:
        before = producers()
        with receiver.silent_broker():
            assert post(receiver) == (503, "broker_unavailable")
        assert post(receiver) == (200, "")
        assert producers() == before, "one that looks for the silent broker goes on, and says so for ever"
        assert len(receiver.messages()) == 1


def test_one_that_was_left_open_is_closed_by_the_next_of_its_name() -> None:
    first = open_receiver("test_left")
    left = set(first.topics.values())
    with open_receiver("test_left") as second:
        assert not left & kafka.topic_names()
        assert post(second) == (200, "")
    first.close()


def test_topics_of_a_run_that_was_cut_off_are_deleted() -> None:
    from confluent_kafka.admin import NewTopic

    left, client = f"scratch.{learner()}.test_cut_off.0badc0de.shopify.orders", kafka.admin()
    client.create_topics([NewTopic(left, num_partitions=1, replication_factor=1)])[left].result(timeout=20)
    with open_receiver("test_cut_off"):
        assert left not in kafka.topic_names()
