# %% [markdown]
# # 15 · Observability: late, stuck, deaf
#
# Four questions on what the stack's numbers mean. Fill in each `____`, run the cell, and read what `check` says. `hint("15.1")` helps, and helps more the second time; `solution("15.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution
from lakehouse.lesson.questions.sheet_15 import RULES, live_samples

# %% [markdown]
# ## 15.1 How late are we?
#
# Write `late(sent, committed, now)` for one partition, in seconds: `sent[offset]` is when the message of that offset was sent; `committed` is the offset that the consumer group has committed, which is that of the next message to read, or `None` if it never committed; `now` is the time. All times are in seconds.


# %%
# BEGIN SOLUTION
# | def late(sent, committed, now):
# |     return ____
def late(sent, committed, now):
    waiting = sent[committed or 0 :]
    return now - waiting[0] if waiting else 0


# END SOLUTION
check("15.1", late)

# %% [markdown]
# ## 15.2 The stuck partition
#
# A topic's lag falls, and customers complain all the same. Write `stuck(before, after)`: both are dictionaries from partition to its backlog, some minutes apart, as `lakehouse.observability.backlogs` gives them: with `.end`, `.committed` (`None` if the group never committed) and `.messages` that wait. Return the set of partitions that are stuck for sure.


# %%
# BEGIN SOLUTION
# | def stuck(before, after):
# |     return ____
def stuck(before, after):
    return {p for p in after if before[p].messages > 0 and after[p].committed == before[p].committed}


# END SOLUTION
check("15.2", stuck)

# %% [markdown]
# ## 15.3 Alerts that cannot fire
#
# Here are six alerts and everything that the stack says at the moment. All six are silent. Look at the rules and their series, and name those that **cannot** fire, whatever happens.

# %%
samples = live_samples()
for rule in RULES:
    print(f"{rule.name:24} {rule.metric} {dict(rule.labels)} above {rule.above:,}")

# %%
# BEGIN SOLUTION
# | deaf = {____}
deaf = {rule.name for rule in RULES if not rule.series(samples)} | {"ingestion is overloaded"}
# END SOLUTION
check("15.3", deaf)

# %% [markdown]
# ## 15.4 Is it an incident?
#
# Four screens. For each say `"well"`, `"behind"` or `"unknown"`:
#
# - `night`: the newest order in the mart is five hours old; every hop has a lag of 0, and has reported it all the time.
# - `sale`: the newest order in the mart is four minutes old; raw's lag is 40,000 messages and grows by 3,000 a minute.
# - `silence`: the newest order in the mart is five hours old; for five hours nobody has reported a lag.
# - `steady`: the lag is about 2,000 messages all day; the oldest message that waits is never older than six seconds.

# %%
# BEGIN SOLUTION
# | verdicts = {"night": "____", "sale": "____", "silence": "____", "steady": "____"}
verdicts = {"night": "well", "sale": "behind", "silence": "unknown", "steady": "well"}
# END SOLUTION
check("15.4", verdicts)

# %%
progress()
