"""What must be equal between two places on the way of the data. `lakehouse.reconcile` puts the checks together."""
