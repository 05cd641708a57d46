-- The hot store. No CREATE INDEX, no PRIMARY KEY on tables that take rows: replaying an index from the
-- write-ahead log has lost files, and replay then needs memory in proportion to the table (docs/why.md).
-- Columns of requests ... report_runs repeat pitchey_slo/tables.py; a test compares the two.

CREATE TABLE requests (
    ts              TIMESTAMPTZ NOT NULL,
    route           VARCHAR NOT NULL,
    method          VARCHAR,
    status          SMALLINT NOT NULL,
    duration_ms     DOUBLE,
    location        VARCHAR,
    user_hash       VARCHAR,
    trace_id        VARCHAR,
    cache_status    VARCHAR,
    bytes           BIGINT,
    sample_interval DOUBLE,
    source          VARCHAR,
    event_id        VARCHAR,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE business_events (
    ts              TIMESTAMPTZ NOT NULL,
    event           VARCHAR NOT NULL,
    user_hash       VARCHAR,
    location        VARCHAR,
    value           DOUBLE,
    currency        VARCHAR,
    trace_id        VARCHAR,
    properties      VARCHAR,
    sample_interval DOUBLE,
    source          VARCHAR,
    event_id        VARCHAR,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE incidents (
    id              VARCHAR NOT NULL,
    title           VARCHAR NOT NULL,
    kind            VARCHAR,
    severity        VARCHAR,
    started_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    routes          VARCHAR,
    location        VARCHAR,
    description     VARCHAR,
    labelled_by     VARCHAR,
    updated_at      TIMESTAMPTZ,
    source          VARCHAR,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE deployments (
    id              VARCHAR NOT NULL,
    ts              TIMESTAMPTZ NOT NULL,
    service         VARCHAR,
    version         VARCHAR NOT NULL,
    description     VARCHAR,
    deployed_by     VARCHAR,
    source          VARCHAR,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE report_runs (
    id              VARCHAR NOT NULL,
    notebook        VARCHAR NOT NULL,
    notebook_hash   VARCHAR,
    parameters      VARCHAR,
    data_watermark  TIMESTAMPTZ,
    started_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    status          VARCHAR NOT NULL,
    failed_cell     BIGINT,
    error           VARCHAR,
    output          VARCHAR,
    html            VARCHAR,
    commit_seq      BIGINT NOT NULL
);

-- API tokens; never mirrored to the lake.
CREATE TABLE tokens (
    id              VARCHAR NOT NULL,
    name            VARCHAR NOT NULL,
    secret_sha256   VARCHAR NOT NULL,
    scopes          VARCHAR NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    revoked_at      TIMESTAMPTZ,
    last_used_at    TIMESTAMPTZ
);

-- One row per commit; older ones are thinned to one per hour. Says when a row arrived, and which is the last commit.
CREATE TABLE commits (
    seq             BIGINT NOT NULL,
    committed_at    TIMESTAMPTZ NOT NULL,
    rows            BIGINT NOT NULL
);

-- Commits that were acknowledged and are missing: what `pitchey-slo repair` and /api/health/ready report.
CREATE TABLE gaps (
    found_at        TIMESTAMPTZ NOT NULL,
    first_seq       BIGINT NOT NULL,
    last_seq        BIGINT NOT NULL
);

-- Small facts of this store: its id (names its transactions in the lake), how far each table was trimmed.
CREATE TABLE facts (
    name            VARCHAR NOT NULL,
    value           VARCHAR NOT NULL
);
INSERT INTO facts VALUES ('store_id', uuid()::VARCHAR);
