# %% [markdown]
# # 08 · Matching: who grew together, and why
#
# Five questions about pairs and what becomes of them, on the records of the running stack. Fill in each `____`, run the cell, and read what `check` says. `hint("08.1")` helps, and helps more the second time; `solution("08.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution
from lakehouse.lesson.questions import sheet_08
from lakehouse.semantic import matching

# %% [markdown]
# ## 08.1 The customer that is many
#
# These customers were made by one join: the same mailbox, or the same number, or the same family name and postcode, over any number of such steps. Find one `customer` whose records are of **more than one person**, and be sure of it before you ask.

# %%
customers = sheet_08.grown_together()
customers.head()

# %%
# BEGIN SOLUTION
# | worst = ____
written_out = customers[customers["given_key"].str.len() > 1]
counts = written_out.groupby("customer")["given_key"].agg(["nunique", "size"])
worst = counts.sort_values(["nunique", "size"]).index[-1]
# END SOLUTION
check("08.1", worst)

# %% [markdown]
# ## 08.2 A threshold for a stated precision
#
# The shop says: *of the pairs that you join, at least 99 % have to be one person; beyond that, find as many as you can.* Here are all scored candidate pairs and the truth about them, before any guard. From which match weight on do you take them?

# %%
pairs = sheet_08.scored()
pairs.describe()

# %%
# BEGIN SOLUTION
# | threshold = ____
by_weight = pairs.groupby("weight")["same"].agg(["sum", "size"]).sort_index(ascending=False).cumsum()
threshold = by_weight[by_weight["sum"] / by_weight["size"] >= 0.99].index.min()
# END SOLUTION
check("08.2", threshold)

# %% [markdown]
# ## 08.3 What decided it?
#
# Here is a pair that matches, and what each field adds to its weight. A match needs a weight of `limit`. A field **decides** if without it the rest would not be a match. List the fields that do.

# %%
weights = sheet_08.decided_pair()
limit = matching.weight_of(0.95)
print(f"a match from {limit:.2f} on; this pair has {sum(weights.values()):.2f}")
weights

# %%
# BEGIN SOLUTION
# | deciding = ["____"]
total = sum(weights.values())
deciding = [field for field in sheet_08.FIELDS if weights[field] > 0 and total - weights[field] < limit]
# END SOLUTION
check("08.3", deciding)

# %% [markdown]
# ## 08.4 Precision and recall, from counts
#
# The join of 08.1 again: for each record the `customer` that the join gave it, and the `person` that it is of. Compute precision and recall over pairs, from counts alone.

# %%
partition = sheet_08.partition()
partition.head()

# %%
# BEGIN SOLUTION
# | scores = {"precision": ____, "recall": ____}


def count_pairs(*by):
    sizes = partition.groupby(list(by)).size()
    return int((sizes * (sizes - 1) // 2).sum())


both = count_pairs("customer", "person")
scores = {"precision": both / count_pairs("customer"), "recall": both / count_pairs("person")}
# END SOLUTION
check("08.4", scores)

# %% [markdown]
# ## 08.5 One mailbox, many names
#
# `office@…` is used by a whole department, and by nobody in particular; a family's mailbox by five people who live together. Write `is_evidence(users)`: whether a mailbox says who somebody is. `users` is a list of (given name, family name), one for each record beside it, in small letters, for example `[("anna", "roth"), ("a", "roth")]`. Up to three different people may share a mailbox; a family may be larger.


# %%
# BEGIN SOLUTION
# | def is_evidence(users):
# |     return ____
def is_evidence(users):
    given = {name for name, _ in users if len(name) > 1}
    families = {family for _, family in users}
    return len(given) <= 3 or len(families) == 1


# END SOLUTION
check("08.5", is_evidence)

# %%
progress()
