-- What is looked at and said (probes, logs), saved dashboards and tests, and what the public is told of incidents.
-- Columns repeat pitchey_slo/tables/{watched,house}.py; a test compares the two.

CREATE TABLE probes (
    ts            TIMESTAMPTZ NOT NULL,
    test          VARCHAR NOT NULL,
    kind          VARCHAR,
    component     VARCHAR,
    location      VARCHAR,
    state         VARCHAR NOT NULL,
    scope         VARCHAR,
    attempt       SMALLINT,
    step          VARCHAR,
    failure       VARCHAR,
    phase         VARCHAR,
    reason        VARCHAR,
    duration_ms   DOUBLE,
    dns_ms        DOUBLE,
    connect_ms    DOUBLE,
    tls_ms        DOUBLE,
    first_byte_ms DOUBLE,
    transfer_ms   DOUBLE,
    status        SMALLINT,
    bytes         BIGINT,
    cert_days     DOUBLE,
    run_id        VARCHAR,
    trace_id      VARCHAR,
    details       VARCHAR,
    source        VARCHAR,
    event_id      VARCHAR,
    commit_seq    BIGINT NOT NULL
);

CREATE TABLE logs (
    ts              TIMESTAMPTZ NOT NULL,
    level           VARCHAR,
    service         VARCHAR,
    message         VARCHAR NOT NULL,
    logger          VARCHAR,
    route           VARCHAR,
    status          SMALLINT,
    duration_ms     DOUBLE,
    location        VARCHAR,
    user_hash       VARCHAR,
    trace_id        VARCHAR,
    span_id         VARCHAR,
    error_type      VARCHAR,
    fingerprint     VARCHAR,
    attributes      VARCHAR,
    sample_interval DOUBLE,
    source          VARCHAR,
    event_id        VARCHAR,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE dashboards (
    id         VARCHAR NOT NULL,
    name       VARCHAR NOT NULL,
    version    BIGINT NOT NULL,
    definition VARCHAR,
    saved_by   VARCHAR NOT NULL,
    comment    VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    source     VARCHAR,
    commit_seq BIGINT NOT NULL
);

CREATE TABLE synthetics (
    id         VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    added_by   VARCHAR NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    removed_at TIMESTAMPTZ,
    source     VARCHAR,
    commit_seq BIGINT NOT NULL
);

CREATE TABLE incident_updates (
    id          VARCHAR NOT NULL,
    incident_id VARCHAR NOT NULL,
    status      VARCHAR NOT NULL,
    components  VARCHAR,
    message     VARCHAR NOT NULL,
    posted_by   VARCHAR NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    source      VARCHAR,
    commit_seq  BIGINT NOT NULL
);
