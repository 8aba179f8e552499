-- stripe.customers → raw.stripe_customers: the event's envelope, and the customer inside it.
INSERT INTO lakehouse.`raw`.stripe_customers /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    JSON_VALUE(json, '$.id')                                                           AS event_id,
    JSON_VALUE(json, '$.type')                                                         AS event_type,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.created') AS BIGINT), 0)             AS event_created,
    JSON_VALUE(json, '$.data.object.id')                                               AS id,
    JSON_VALUE(json, '$.data.object.email')                                            AS email,
    JSON_VALUE(json, '$.data.object.name')                                             AS name,
    JSON_VALUE(json, '$.data.object.phone')                                            AS phone,
    JSON_QUERY(json, '$.data.object.address')                                          AS address,
    JSON_QUERY(json, '$.data.object.shipping')                                         AS shipping,
    JSON_QUERY(json, '$.data.object.metadata')                                         AS metadata,
    JSON_VALUE(json, '$.data.object.currency')                                         AS currency,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.data.object.created') AS BIGINT), 0) AS created,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at
FROM `stripe.customers`;
