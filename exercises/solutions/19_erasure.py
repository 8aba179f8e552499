# %% [markdown]
# # 19 · Erasure: what goes last, what is still readable, what is lost
#
# Three questions. Fill in each `____`, run the cell, and read what `check` says. `hint("19.1")` helps, and helps more the second time; `solution("19.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, number, progress, query, solution

# %% [markdown]
# ## 19.1 What goes last
#
# An erasure goes through some two dozen tables and may be cut off at any moment. It is then called again, with the same email. Which table must lose the person's rows last of all? Give its name with the layer.

# %%
# BEGIN SOLUTION
# | last = "____"
last = "semantic.entity_index"
# END SOLUTION
check("19.1", last)

# %% [markdown]
# ## 19.2 Deleted, and still readable
#
# A colleague has run `DELETE` and shows that the email has no row any more. Write `still_readable(table, email)`: the ids of all snapshots in which the email can still be read. `check` tries it on a table with a column `email`.


# %%
# BEGIN SOLUTION
# | def still_readable(table, email):
# |     return ____
def still_readable(table, email):
    ids = query(f"SELECT snapshot_id FROM {table}.snapshots")["snapshot_id"]
    return [
        snapshot
        for snapshot in ids
        if number(f"SELECT count(*) FROM {table} VERSION AS OF {snapshot} WHERE email = '{email}'")
    ]


# END SOLUTION
check("19.2", still_readable)

# %% [markdown]
# ## 19.3 Lost, or missing on purpose
#
# The ledger compares a topic with its raw table. Write `lost(messages, rows, erased)`: three lists of places `(partition, offset)`: of the messages of the topic, of the rows in raw (a place can be there twice, by mistake), and of the books of erasure. Give the set of places of messages that are really lost.


# %%
# BEGIN SOLUTION
# | def lost(messages, rows, erased):
# |     return ____
def lost(messages, rows, erased):
    return set(messages) - set(rows) - set(erased)


# END SOLUTION
check("19.3", lost)

# %%
progress()
