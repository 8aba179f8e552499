-- One topic of the event log as a view: the exact bytes, what the headers say, where it stood in the log.
-- `json` is the body as text, to be read by JSON functions; a body that is no JSON gives nulls, never an error.
CREATE TEMPORARY TABLE `log.${topic}` (
    body        BYTES,
    headers     MAP<STRING NOT NULL, BYTES> METADATA VIRTUAL,
    `topic`     STRING METADATA VIRTUAL,
    `partition` INT    METADATA VIRTUAL,
    `offset`    BIGINT METADATA VIRTUAL
) WITH (
    'connector' = 'kafka',
    'topic' = '${topic}',
    ${broker},
    'properties.group.id' = 'flink-raw',
    'properties.auto.offset.reset' = 'earliest',
    ${begin},
    'format' = 'raw'
);

CREATE TEMPORARY VIEW `${topic}` AS
SELECT
    body                                             AS _payload,
    DECODE(body, 'UTF-8')                            AS json,
    DECODE(headers['source'], 'UTF-8')               AS _source,
    DECODE(headers['webhook_topic'], 'UTF-8')        AS _webhook_topic,
    DECODE(headers['webhook_id'], 'UTF-8')           AS _webhook_id,
    `topic`                                          AS _source_topic,
    NULLIF(DECODE(headers['api_version'], 'UTF-8'), '') AS _api_version,
    `partition`                                      AS _kafka_partition,
    `offset`                                         AS _kafka_offset,
    DECODE(headers['body_sha256'], 'UTF-8')          AS _body_sha256,
    ${received_at}                                   AS _received_at,
    CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(6))      AS _loaded_at,
    DECODE(headers['shop_domain'], 'UTF-8')          AS _shop_domain,
    ${triggered_at}                                  AS _triggered_at,
    DECODE(headers['reason'], 'UTF-8')               AS _reason
FROM `log.${topic}`;
