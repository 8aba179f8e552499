# %% [markdown]
# # 16 · Kill and recover: what was promised, and to whom
#
# Four questions on outages. Nothing is killed here. Fill in each `____`, run the cell, and read what `check` says. `hint("16.1")` helps, and helps more the second time; `solution("16.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, query, solution

# %% [markdown]
# ## 16.1 What must be there
#
# After an outage all that is left of the truth is the sender's book: a list of attempts, each a dictionary with `body_sha256`, `outcome` (`accepted`, `failed`, `refused`) and, of accepted ones, the numbers `messages` and `quarantined` that the API has acknowledged. Write `owed(attempts)`: a dictionary, body → how many messages of it **must** be in raw. Leave out bodies of which nothing must.


# %%
# BEGIN SOLUTION
# | def owed(attempts):
# |     return ____
def owed(attempts):
    found = {}
    for attempt in attempts:
        if attempt["outcome"] == "accepted":
            body = attempt["body_sha256"]
            found[body] = found.get(body, 0) + attempt["messages"] + attempt["quarantined"]
    return found


# END SOLUTION
check("16.1", owed)

# %% [markdown]
# ## 16.2 Exactly once, as a query
#
# Write one query over a raw table that gives one number: how many places of the log are missing in it, plus how many rows are there too often; 0 says that each place is there exactly once. It is tried on a raw table as it is, and on copies with rows lost and doubled, so write `{table}` where the table's name belongs.

# %%
# BEGIN SOLUTION
# | wrong_rows = """SELECT ____ FROM {table}"""
wrong_rows = """
    SELECT sum(copies + gaps) FROM (
        SELECT count(*) - count(DISTINCT _kafka_offset) AS copies,
               max(_kafka_offset) + 1 - count(DISTINCT _kafka_offset) AS gaps
        FROM {table} GROUP BY _kafka_partition)"""
# END SOLUTION
check("16.2", wrong_rows)

# %% [markdown]
# ## 16.3 The broker is away
#
# A well-signed webhook comes in, and the broker does not answer. What does the API say, within its deadline? `"A"` 200, and it keeps the message in memory until the broker is back; `"B"` 503, try again later; `"C"` 400, the message could not be processed; `"D"` nothing: it holds the request until the broker is back.

# %%
# BEGIN SOLUTION
# | choice = "____"
choice = "B"
# END SOLUTION
check("16.3", choice)

# %% [markdown]
# ## 16.4 Where the promise ends
#
# One broker, one replica, `acks=all`, flushed to disk every second; Flink with checkpoints. Say for each what can become of a message on the way to raw, `"kept"`, `"lost"` or `"doubled"`: a TaskManager is killed between reading it and the next checkpoint; the broker's process is killed right after it has acknowledged the message; the machine loses power right after that; the message was stored, and the API's answer to the sender was lost.

# %%
# BEGIN SOLUTION
# | becomes = {"taskmanager killed": ____, "broker killed": ____, "power cut": ____, "answer lost": ____}
becomes = {"taskmanager killed": "kept", "broker killed": "kept", "power cut": "lost", "answer lost": "doubled"}
# END SOLUTION
check("16.4", becomes)

# %%
progress()
