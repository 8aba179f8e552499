-- shopify.orders → raw.shopify_orders: every state an order was in, as it was sent.
-- An order is long, and each JSON function parses the whole text that it is given. So one of them takes the short fields
-- out, and the others read these. The optimizer would write it into each of its uses again, but for RAND(): what is not
-- deterministic it evaluates once. RAND() is never below 0.
INSERT INTO lakehouse.`raw`.shopify_orders /*+ OPTIONS('write-parallelism' = '1') */
SELECT
    TRY_CAST(JSON_VALUE(fields, '$.id') AS BIGINT)           AS id,
    JSON_VALUE(fields, '$.admin_graphql_api_id')             AS admin_graphql_api_id,
    JSON_VALUE(fields, '$.email')                            AS email,
    TRY_CAST(JSON_VALUE(fields, '$.order_number') AS BIGINT) AS order_number,
    JSON_VALUE(fields, '$.total_price')                      AS total_price,
    JSON_VALUE(fields, '$.subtotal_price')                   AS subtotal_price,
    JSON_VALUE(fields, '$.total_tax')                        AS total_tax,
    JSON_VALUE(fields, '$.currency')                         AS currency,
    JSON_VALUE(fields, '$.financial_status')                 AS financial_status,
    JSON_VALUE(fields, '$.fulfillment_status')               AS fulfillment_status,
    JSON_QUERY(json, '$.customer')                           AS customer,
    JSON_QUERY(json, '$.line_items')                         AS line_items,
    JSON_QUERY(json, '$.shipping_address')                   AS shipping_address,
    JSON_QUERY(json, '$.billing_address')                    AS billing_address,
    ${iso(fields, $.created_at)}                             AS created_at,
    ${iso(fields, $.updated_at)}                             AS updated_at,
    _payload, _source, _webhook_topic, _webhook_id, _source_topic, _api_version,
    _kafka_partition, _kafka_offset, _body_sha256, _received_at, _loaded_at, _shop_domain, _triggered_at
FROM (
    SELECT
        *,
        CASE WHEN RAND() >= 0 THEN JSON_QUERY(
            json,
            '$[''id'', ''admin_graphql_api_id'', ''email'', ''order_number'', ''total_price'', ''subtotal_price'', ''total_tax'', ''currency'', ''financial_status'', ''fulfillment_status'', ''created_at'', ''updated_at'']'
        ) END AS fields
    FROM `shopify.orders`
);
