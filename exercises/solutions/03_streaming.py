# %% [markdown]
# # 03 · Streaming to raw: exactly once, and visible when
#
# Four questions on the running job, on raw tables and on Flink itself. Fill in each `____`, run the cell, and read what `check` says. `hint("03.1")` helps, and helps more the second time; `solution("03.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, query, solution
from lakehouse.lesson.questions.sheet_03 import checkpoints, flink_query, show_places

# %% [markdown]
# ## 03.1 When is it visible?
#
# Flink read a message at the time `read_at`. Here are the latest checkpoints of the job that fills raw; times are in milliseconds. At which time was the message's row visible? `check` asks about these checkpoints at different times, and also about a history in which one has the status `FAILED`.

# %%
checkpoints()


# %%
# BEGIN SOLUTION
# | def visible_at(read_at, checkpoints):
# |     return ____
def visible_at(read_at, checkpoints):
    return min(c.done for c in checkpoints if c.status == "COMPLETED" and c.triggered >= read_at)


# END SOLUTION
check("03.1", visible_at)

# %% [markdown]
# ## 03.2 A count that proves it
#
# `rows_of_raw (partition, offset)` has the places of the first rows of a raw table, and `log_ends (partition, messages)` how many messages the log has there. Write a query that gives 0 when each message is in raw exactly once, and another number when it is not. `check` tries it on the real rows and on damaged copies of them.

# %%
show_places()
query(
    "SELECT partition, count(*) AS n, min(offset), max(offset) FROM rows_of_raw GROUP BY partition ORDER BY partition"
)

# %%
# BEGIN SOLUTION
# | faults = "SELECT ____"
faults = """
    SELECT (n - places) + abs(messages - places)
    FROM (SELECT count(*) AS n, count(DISTINCT partition, offset) AS places FROM rows_of_raw)
    CROSS JOIN (SELECT sum(messages) AS messages FROM log_ends)"""
# END SOLUTION
check("03.2", faults)

# %% [markdown]
# ## 03.3 Three designs and a crash
#
# A log holds 100 messages, offsets 0 to 99. A job's last complete checkpoint stands at offset 60 (the next to read). It has read up to 84 when it is killed; it is started again and reads to the end. How many messages are **lost**, how many are in the table **twice**?
#
# - `"A"` writes each row into the table as soon as it has read it, and reads on where the checkpoint says.
# - `"B"` commits its offset to the broker after each message and reads on from there; its rows get into the table with a checkpoint.
# - `"C"` commits rows and offset with the checkpoint, together, and reads on where it says.

# %%
# BEGIN SOLUTION
# | crash = {"A": (____, ____), "B": (____, ____), "C": (____, ____)}  # each: (lost, twice)
crash = {"A": (0, 25), "B": (25, 0), "C": (0, 0)}  # each: (lost, twice)
# END SOLUTION
check("03.3", crash)

# %% [markdown]
# ## 03.4 No payload stops it
#
# Write the Flink SQL query that reads `id` as a `BIGINT` and the `body` as it is out of `messages (body STRING)`. Some bodies hold an id that is no number, some are no JSON, one is null. It has to go through for all of them, and must not make anything up. `flink_query(text)` runs a query on Flink and shows what it gives.

# %%
# BEGIN SOLUTION
# | text = "SELECT ____ FROM messages"
text = "SELECT TRY_CAST(JSON_VALUE(body, '$.id') AS BIGINT) AS id, body FROM messages"
# END SOLUTION
check("03.4", text)

# %%
progress()
