-- privacy.requests → raw.privacy_requests: who asked to be forgotten or shown, from any sender.
INSERT INTO lakehouse.`raw`.privacy_requests /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    COALESCE(JSON_VALUE(json, '$.customer.id'), JSON_VALUE(json, '$.objectId'), JSON_VALUE(json, '$.shop_id')) AS subject_id,
    JSON_VALUE(json, '$.customer.email')                                                                       AS subject_email,
    JSON_VALUE(json, '$.shop_domain')                                                                          AS shop_domain,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.occurredAt') AS BIGINT), 3)                                  AS occurred_at,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at
FROM `privacy.requests`;
