-- shopify.customers → raw.shopify_customers: every state a customer record was in.
INSERT INTO lakehouse.`raw`.shopify_customers /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    TRY_CAST(JSON_VALUE(json, '$.id') AS BIGINT)              AS id,
    JSON_VALUE(json, '$.admin_graphql_api_id')                AS admin_graphql_api_id,
    JSON_VALUE(json, '$.email')                               AS email,
    JSON_VALUE(json, '$.phone')                               AS phone,
    JSON_VALUE(json, '$.first_name')                          AS first_name,
    JSON_VALUE(json, '$.last_name')                           AS last_name,
    JSON_VALUE(json, '$.state')                               AS state,
    JSON_VALUE(json, '$.currency')                            AS currency,
    TRY_CAST(JSON_VALUE(json, '$.verified_email') AS BOOLEAN) AS verified_email,
    JSON_QUERY(json, '$.default_address')                     AS default_address,
    JSON_QUERY(json, '$.addresses')                           AS addresses,
    ${iso(json, $.created_at)}                                AS created_at,
    ${iso(json, $.updated_at)}                                AS updated_at,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at, _shop_domain, _triggered_at
FROM `shopify.customers`;
