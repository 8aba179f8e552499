-- hubspot.contacts → raw.hubspot_contacts: thin events, one property of one contact each.
INSERT INTO lakehouse.`raw`.hubspot_contacts /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    TRY_CAST(JSON_VALUE(json, '$.eventId') AS BIGINT)                         AS event_id,
    TRY_CAST(JSON_VALUE(json, '$.subscriptionId') AS BIGINT)                  AS subscription_id,
    TRY_CAST(JSON_VALUE(json, '$.portalId') AS BIGINT)                        AS portal_id,
    TRY_CAST(JSON_VALUE(json, '$.objectId') AS BIGINT)                        AS object_id,
    JSON_VALUE(json, '$.objectTypeId')                                        AS object_type_id,
    JSON_VALUE(json, '$.subscriptionType')                                    AS subscription_type,
    JSON_VALUE(json, '$.propertyName')                                        AS property_name,
    JSON_VALUE(json, '$.propertyValue')                                       AS property_value,
    JSON_VALUE(json, '$.changeSource')                                        AS change_source,
    TO_TIMESTAMP_LTZ(TRY_CAST(JSON_VALUE(json, '$.occurredAt') AS BIGINT), 3) AS occurred_at,
    TRY_CAST(JSON_VALUE(json, '$.attemptNumber') AS INT)                      AS attempt_number,
    TRY_CAST(JSON_VALUE(json, '$.primaryObjectId') AS BIGINT)                 AS primary_object_id,
    JSON_QUERY(json, '$.mergedObjectIds')                                     AS merged_object_ids,
    TRY_CAST(JSON_VALUE(json, '$.newObjectId') AS BIGINT)                     AS new_object_id,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at
FROM `hubspot.contacts`;
