"""Python processes that start warm: forked from a server that has imported everything, for the tasks of Airflow."""
