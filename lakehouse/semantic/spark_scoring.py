"""The same scoring on Spark, for pairs that one machine's memory does not hold: a setting, `LAKEHOUSE_ER_BACKEND`.

    python -m lakehouse.semantic.spark_scoring FOLDER

Splink needs a classic session, and a process that speaks to Spark Connect cannot have one: so this is a process of its
own, which takes and gives Parquet files. `LAKEHOUSE_ER_SPARK_MASTER` names the cluster; all its workers must see the
folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from lakehouse.errors import LakehouseError
from lakehouse.semantic import frequencies, model
from lakehouse.settings import scoring_settings

if TYPE_CHECKING:
    import pyarrow as pa

IN_SPARK = {"jaro_winkler_similarity(": "jaro_winkler(", "regexp_matches(": "regexp_like("}
"""Functions of the levels that have another name there; `jaro_winkler` comes with Splink's jar."""
COMPARED, PAIRS, SCORED, MODEL = "compared.parquet", "pairs.parquet", "scored.parquet", "model.json"
TAIL = 15


class SparkFailed(LakehouseError):
    """The scoring process did not end well; the message is the end of what it said."""


def predict(compared: pa.Table, pairs: pa.Table, lookups: Mapping[str, pa.Table], parameters: model.Parameters,
            fields: list[str], threshold: float) -> pa.Table:  # fmt: skip
    """Splink's table of the pairs (`l`, `r`) with their levels (`gamma_`) and weights (`mw_`). Raises `SparkFailed`.

    `lookups` are the shares of the values by term, as `frequencies.lookup` makes them.
    """
    with tempfile.TemporaryDirectory(prefix="er-spark-") as name:
        folder = Path(name)
        pq.write_table(compared, folder / COMPARED)
        pq.write_table(pairs, folder / PAIRS)
        for term, shares in lookups.items():
            pq.write_table(shares, folder / f"{term}.parquet")
        asked = {"parameters": parameters.as_json(), "fields": fields, "threshold": threshold, "terms": list(lookups)}
        (folder / MODEL).write_text(json.dumps(asked), encoding="utf-8")
        without_connect = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
        done = subprocess.run(
            [sys.executable, "-m", __name__, name], capture_output=True, text=True, check=False,
            env={**without_connect, "SPARK_LOCAL_IP": "127.0.0.1"},
        )  # fmt: skip
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-TAIL:])
            raise SparkFailed(
                f"scoring on Spark ({scoring_settings().er_spark_master}) failed:\n{said}",
                "LAKEHOUSE_ER_BACKEND=duckdb scores on this machine",
            )
        return pq.read_table(folder / SCORED)


def _session() -> Any:
    from pyspark.sql import SparkSession
    from splink.backends.spark import similarity_jar_location

    settings = scoring_settings()
    return (
        SparkSession.builder.master(settings.er_spark_master)
        .appName("entity resolution")
        .config("spark.jars", similarity_jar_location())
        .config("spark.driver.memory", settings.er_spark_memory)
        .config("spark.driver.host", settings.host)
        .config("spark.driver.bindAddress", settings.host)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )


def _in_spark(settings: Any) -> Any:
    """The model's settings with the level conditions in Spark's words."""
    text = json.dumps(settings)
    for here, there in IN_SPARK.items():
        text = text.replace(here, there)
    return json.loads(text)


def main(folder: Path) -> None:
    """Score what lies in the folder."""
    from splink import Linker
    from splink.backends.spark import SparkAPI

    asked = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    parameters = model.parse(asked["parameters"])
    spark = _session()
    try:
        api = SparkAPI(spark_session=spark, break_lineage_method="persist")
        compared = api.register(spark.read.parquet(str(folder / COMPARED)))
        blocked = spark.read.parquet(str(folder / PAIRS)).selectExpr(
            "l AS join_key_l", "r AS join_key_r", "'0' AS match_key"
        )
        settings = _in_spark(model.splink_settings(parameters, asked["fields"]).create_settings_dict("spark"))
        linker = Linker(compared, settings, log_level=None)
        frequencies.register(linker, api, {term: spark.read.parquet(str(folder / f"{term}.parquet"))
                                           for term in asked["terms"]})  # fmt: skip
        linker.table_management.register_blocked_pairs_for_predict(api.register(blocked))
        scored = linker.inference.predict(threshold_match_probability=asked["threshold"], warning_mode="never")
        scored.as_spark_dataframe().toPandas().to_parquet(folder / SCORED)
    finally:
        spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
