-- stripe.charges → raw.stripe_charges: the event's envelope, and the charge inside it.
INSERT INTO lakehouse.`raw`.stripe_charges /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    JSON_VALUE(json, '$.id')                                                           AS event_id,
    JSON_VALUE(json, '$.type')                                                         AS event_type,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.created') AS BIGINT), 0)             AS event_created,
    JSON_VALUE(json, '$.data.object.id')                                               AS id,
    TRY_CAST(JSON_VALUE(json, '$.data.object.amount') AS BIGINT)                       AS amount,
    TRY_CAST(JSON_VALUE(json, '$.data.object.amount_refunded') AS BIGINT)              AS amount_refunded,
    JSON_VALUE(json, '$.data.object.currency')                                         AS currency,
    JSON_VALUE(json, '$.data.object.customer')                                         AS customer,
    JSON_VALUE(json, '$.data.object.status')                                           AS status,
    TRY_CAST(JSON_VALUE(json, '$.data.object.paid') AS BOOLEAN)                        AS paid,
    TRY_CAST(JSON_VALUE(json, '$.data.object.refunded') AS BOOLEAN)                    AS refunded,
    TRY_CAST(JSON_VALUE(json, '$.data.object.captured') AS BOOLEAN)                    AS captured,
    JSON_VALUE(json, '$.data.object.receipt_email')                                    AS receipt_email,
    JSON_QUERY(json, '$.data.object.billing_details')                                  AS billing_details,
    JSON_QUERY(json, '$.data.object.payment_method_details')                           AS payment_method_details,
    JSON_QUERY(json, '$.data.object.metadata')                                         AS metadata,
    JSON_VALUE(json, '$.data.object.failure_code')                                     AS failure_code,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.data.object.created') AS BIGINT), 0) AS created,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at
FROM `stripe.charges`;
