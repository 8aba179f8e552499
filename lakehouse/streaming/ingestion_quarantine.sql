-- ingestion.quarantine → raw.ingestion_quarantine: verified, but unknown or unparsable; with the reason.
INSERT INTO lakehouse.`raw`.ingestion_quarantine /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    _reason AS reason,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at
FROM `ingestion.quarantine`;
