-- Run by PostgreSQL's image when its folder is empty: a database a user of it.
CREATE DATABASE iceberg_catalog;
CREATE DATABASE airflow;
CREATE DATABASE superset;
