"""The fault suite: services killed, held and refused their disk under a load of webhooks; and what is left of it.

Nothing here starts a service that was killed: what does not come back by itself is the finding.
"""
