-- shopify.orders → raw.shopify_orders: every state an order was in, as it was sent.
INSERT INTO lakehouse.`raw`.shopify_orders /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    TRY_CAST(JSON_VALUE(json, '$.id') AS BIGINT)           AS id,
    JSON_VALUE(json, '$.admin_graphql_api_id')             AS admin_graphql_api_id,
    JSON_VALUE(json, '$.email')                            AS email,
    TRY_CAST(JSON_VALUE(json, '$.order_number') AS BIGINT) AS order_number,
    JSON_VALUE(json, '$.total_price')                      AS total_price,
    JSON_VALUE(json, '$.subtotal_price')                   AS subtotal_price,
    JSON_VALUE(json, '$.total_tax')                        AS total_tax,
    JSON_VALUE(json, '$.currency')                         AS currency,
    JSON_VALUE(json, '$.financial_status')                 AS financial_status,
    JSON_VALUE(json, '$.fulfillment_status')               AS fulfillment_status,
    JSON_QUERY(json, '$.customer')                         AS customer,
    JSON_QUERY(json, '$.line_items')                       AS line_items,
    JSON_QUERY(json, '$.shipping_address')                 AS shipping_address,
    JSON_QUERY(json, '$.billing_address')                  AS billing_address,
    ${iso($.created_at)}                                   AS created_at,
    ${iso($.updated_at)}                                   AS updated_at,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at, _shop_domain, _triggered_at
FROM `shopify.orders`;
