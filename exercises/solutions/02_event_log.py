# %% [markdown]
# # 02 · The event log: order, offsets, groups
#
# Four questions on the running broker. Fill in each `____`, run the cell, and read what `check` says. `hint("02.1")` helps, and helps more the second time; `solution("02.1")` shows one answer.

# %%
from confluent_kafka import TopicPartition

from lakehouse.lesson import ____, check, event_log, hint, progress, solution
from lakehouse.lesson.questions.sheet_02 import order_events, replay_moment

# %% [markdown]
# ## 02.1 Choose the key
#
# Here is a real webhook about an order, as ingestion sees it. Write the function that chooses a message's key, so that the events of one order stay in order **and** four partitions share the work. `check` sends some hundred real events with your keys and looks where they went.

# %%
order_events()[0]


# %%
# BEGIN SOLUTION
# | def key(event):
# |     return ____
def key(event):
    return event["order_id"]


# END SOLUTION
check("02.1", key)

# %% [markdown]
# ## 02.2 How far behind
#
# `place` says where a group stands in one partition: `place.start` is the first message that is still there, `place.end` the place of the next one to come, `place.committed` the committed offset, or `None` where the group has committed nothing. How many messages has the group still to read?


# %%
# BEGIN SOLUTION
# | def lag(place):
# |     return ____
def lag(place):
    return place.end - max(place.start, place.committed or 0)


# END SOLUTION
check("02.2", lag)

# %% [markdown]
# ## 02.3 Back to a moment
#
# From a certain moment on, a consumer of `stripe.charges` has worked with a wrong table of prices. Its messages from that moment on have to be read again, and none that came before. At which offset of each partition does it begin?

# %%
moment = replay_moment()
moment

# %%
# BEGIN SOLUTION
# | begin = {0: ____, 1: ____}
reader = event_log.consumer()
asked = [TopicPartition("stripe.charges", n, round(moment.timestamp() * 1000)) for n in (0, 1)]
begin = {place.partition: place.offset for place in reader.offsets_for_times(asked, timeout=10)}
reader.close()
# END SOLUTION
check("02.3", begin)

# %% [markdown]
# ## 02.4 What may be committed
#
# A consumer hands the messages of a partition to several threads, which finish in any order. `handled` is the set of offsets that are done; the partition begins at 0. Which offset may it commit now, such that a crash right after loses nothing, and as little as possible is done again?


# %%
# BEGIN SOLUTION
# | def safe_to_commit(handled):
# |     return ____
def safe_to_commit(handled):
    offset = 0
    while offset in handled:
        offset += 1
    return offset


# END SOLUTION
check("02.4", safe_to_commit)

# %%
progress()
