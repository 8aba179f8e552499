"""The program of Spark's Connect server: `spark-submit` runs it, natively and in Compose, with connect.conf.

Spark's own `SparkConnectServer` insists on classes of their own for all sessions, on the driver and on the executors.
Code that Spark has generated is kept by class loader, so each notebook would compile all its queries again, and the JVM
all of that code. Sessions here bring no jars and no files, so they share (connect.conf:
`spark.sql.artifact.isolation.enabled`). The server itself is the plugin that connect.conf names.

Only py4j is imported, for this process does nothing else: pyspark would take a hundred megabytes.
"""

from __future__ import annotations

import os
import sys

from py4j.java_gateway import GatewayParameters, JavaGateway


def main() -> None:
    """Start Spark in the JVM that has started this process, and stay as long as it does."""
    jvm = JavaGateway(
        gateway_parameters=GatewayParameters(
            port=int(os.environ["PYSPARK_GATEWAY_PORT"]), auth_token=os.environ["PYSPARK_GATEWAY_SECRET"]
        )
    ).jvm
    jvm.org.apache.spark.sql.SparkSession.builder().getOrCreate()
    sys.stdin.read()  # a pipe from the JVM, which ends when the JVM does


if __name__ == "__main__":
    main()
