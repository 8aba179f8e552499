# %% [markdown]
# # 00 · Start: where things are, and what happens without them
#
# Three questions of looking around. Fill in each `____`, run the cell, and read what `check` says. `hint("00.1")` helps, and helps more the second time; `solution("00.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, query, solution

# %% [markdown]
# ## 00.1 Where it lies
#
# In the storage of which service does each of these lie? Not who answers for it: who keeps it. Use the names of `lakehouse stack status`.

# %%
# BEGIN SOLUTION
# | keeps = {
# |     "a message that was acknowledged, and that Flink has not read yet": "____",
# |     "the rows of core.orders": "____",
# |     "which metadata file is core.orders now": "____",
# |     "the rows that a dashboard reads": "____",
# | }
keeps = {
    "a message that was acknowledged, and that Flink has not read yet": "kafka",
    "the rows of core.orders": "object-store",
    "which metadata file is core.orders now": "postgres",
    "the rows that a dashboard reads": "clickhouse",
}
# END SOLUTION
check("00.1", keeps)

# %% [markdown]
# ## 00.2 The bytes themselves
#
# A shop says that it never sent such an order. Write `received(webhook_id)`: the body of an order's webhook as `bytes`, exactly as it was received. `query` takes Spark SQL and gives a DataFrame. It is judged by the hash that ingestion computed before anything else touched the body; some of the webhooks were delivered more than once.


# %%
# BEGIN SOLUTION
# | def received(webhook_id):
# |     return ____
def received(webhook_id):
    found = query(f"SELECT _payload FROM raw.shopify_orders WHERE _webhook_id = '{webhook_id}' LIMIT 1")
    return bytes(found["_payload"].iloc[0])


# END SOLUTION
check("00.2", received)

# %% [markdown]
# ## 00.3 Ten minutes without it
#
# A service is away for ten minutes, while webhooks come in. What is the **first** thing on the way that suffers? Choose a letter for each.
#
# * `A` webhooks are refused with 503, and the senders have to try again
# * `B` webhooks are taken, but no new row comes into raw until it is back
# * `C` raw goes on growing, but the layers after it get old
# * `D` all layers go on; only somebody who asks gets no answer

# %%
# BEGIN SOLUTION
# | away = {"kafka": "____", "catalog": "____", "spark-worker": "____", "airflow-scheduler": "____", "trino": "____"}
away = {"kafka": "A", "catalog": "B", "spark-worker": "C", "airflow-scheduler": "C", "trino": "D"}
# END SOLUTION
check("00.3", away)

# %%
progress()
