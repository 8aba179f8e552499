# %% [markdown]
# # 07 · Blocking: a budget of pairs
#
# Four questions about which records are worth comparing, on the records of the running stack; who is who is known, because these people are generated. Fill in each `____`, run the cell, and read what `check` says. `hint("07.1")` helps, and helps more the second time; `solution("07.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution
from lakehouse.lesson.questions import sheet_07
from lakehouse.lesson.world import world
from lakehouse.semantic import by_hand

here = world()
people = here.frame()
print(f"{len(people):,} records, {here.real:,} pairs of records are one person")
people.head()

# %% [markdown]
# ## 07.1 Choose keys under a budget
#
# You can afford **one pair for each record**, and 93 % of the true pairs have to be among them. Give a list of keys; a key is SQL over the columns above, such as `"left(family_n, 4) || '|' || zip_n"`. Measure before you answer.

# %%
# BEGIN SOLUTION
# | keys = ["email_n", "____"]
# | by_hand.worth(here.people, here.truth, ["email_n"])
keys = ["email_n", "phone_n", "given_key || '|' || zip_n"]
# END SOLUTION
check("07.1", keys)

# %% [markdown]
# ## 07.2 Which key explodes?
#
# A colleague proposes `email_n`, `phone_n`, `family_n || zip_n` and `city_n`. One of them makes far more pairs than the others. Which, and how many pairs? Count the pairs from the sizes of its blocks, without making them.

# %%
# BEGIN SOLUTION
# | explodes = {"key": "____", "pairs": ____}
sizes = people.groupby("city_n").size()
explodes = {"key": "city_n", "pairs": int((sizes * (sizes - 1) // 2).sum())}
# END SOLUTION
check("07.2", explodes)

# %% [markdown]
# ## 07.3 A lost pair
#
# These two records are one person, and share neither mailbox nor number. Write one key that brings them together and makes at most two pairs for each record.

# %%
sheet_07.lost_pair()

# %%
# BEGIN SOLUTION
# | key = "____"
key = "given_key || '|' || family_n"
# END SOLUTION
check("07.3", key)

# %% [markdown]
# ## 07.4 How good can it get?
#
# Somebody promises a perfect model: it decides every pair that it is shown without a mistake. Production runs only two passes, `email_n` and `phone_n`. What will recall be? Give a share between 0 and 1.

# %%
# BEGIN SOLUTION
# | recall = ____
recall = by_hand.worth(here.people, here.truth, ["email_n", "phone_n"]).found / here.real
# END SOLUTION
check("07.4", recall)

# %%
progress()
