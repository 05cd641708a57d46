-- Corrections of SLOs, and what alerting remembers: state, decisions, outbox, timers, silences.
-- Columns repeat pitchey_slo/tables/house.py; a test compares the two.

CREATE TABLE corrections (
    id           VARCHAR NOT NULL,
    slos         VARCHAR,
    category     VARCHAR NOT NULL,
    reason       VARCHAR NOT NULL,
    approver     VARCHAR NOT NULL,
    starts_at    TIMESTAMPTZ NOT NULL,
    seconds      DOUBLE NOT NULL,
    rrule        VARCHAR,
    zone         VARCHAR,
    created_at   TIMESTAMPTZ,
    withdrawn_at TIMESTAMPTZ,
    withdrawn_by VARCHAR,
    source       VARCHAR,
    commit_seq   BIGINT NOT NULL
);

CREATE TABLE alerts (
    id            VARCHAR NOT NULL,
    fingerprint   VARCHAR NOT NULL,
    name          VARCHAR NOT NULL,
    severity      VARCHAR,
    state         VARCHAR NOT NULL,
    labels        VARCHAR NOT NULL,
    annotations   VARCHAR,
    value         DOUBLE,
    active_at     TIMESTAMPTZ NOT NULL,
    fired_at      TIMESTAMPTZ,
    cleared_at    TIMESTAMPTZ,
    resolved_at   TIMESTAMPTZ,
    ends_at       TIMESTAMPTZ,
    paused_seconds DOUBLE,
    acked_at      TIMESTAMPTZ,
    acked_by      VARCHAR,
    rule_group    VARCHAR,
    rule          VARCHAR,
    generator_url VARCHAR,
    updated_at    TIMESTAMPTZ NOT NULL,
    source        VARCHAR,
    commit_seq    BIGINT NOT NULL
);

CREATE TABLE alert_events (
    ts          TIMESTAMPTZ NOT NULL,
    alert_id    VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    kind        VARCHAR NOT NULL,
    text        VARCHAR NOT NULL,
    detail      VARCHAR,
    source      VARCHAR,
    event_id    VARCHAR,
    commit_seq  BIGINT NOT NULL
);

CREATE TABLE notifications (
    id              VARCHAR NOT NULL,
    dedup_key       VARCHAR NOT NULL,
    group_key       VARCHAR,
    receiver        VARCHAR NOT NULL,
    channel         VARCHAR NOT NULL,
    action          VARCHAR NOT NULL,
    severity        VARCHAR,
    payload         VARCHAR NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    due_at          TIMESTAMPTZ NOT NULL,
    state           VARCHAR NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    sent_at         TIMESTAMPTZ,
    answer          VARCHAR,
    fallback_of     VARCHAR,
    updated_at      TIMESTAMPTZ NOT NULL,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE alert_groups (
    id         VARCHAR NOT NULL,
    group_key  VARCHAR NOT NULL,
    receiver   VARCHAR NOT NULL,
    labels     VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    next_at    TIMESTAMPTZ NOT NULL,
    sent_at    TIMESTAMPTZ,
    told       VARCHAR,
    detail     VARCHAR,
    updated_at TIMESTAMPTZ NOT NULL,
    commit_seq BIGINT NOT NULL
);

CREATE TABLE escalations (
    id         VARCHAR NOT NULL,
    policy     VARCHAR NOT NULL,
    group_key  VARCHAR NOT NULL,
    alerts     VARCHAR NOT NULL,
    level      BIGINT NOT NULL,
    loop       BIGINT NOT NULL,
    next_at    TIMESTAMPTZ,
    state      VARCHAR NOT NULL,
    held_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    commit_seq BIGINT NOT NULL
);

CREATE TABLE silences (
    id             VARCHAR NOT NULL,
    matchers       VARCHAR NOT NULL,
    starts_at      TIMESTAMPTZ NOT NULL,
    ends_at        TIMESTAMPTZ NOT NULL,
    rrule          VARCHAR,
    seconds        DOUBLE,
    zone           VARCHAR,
    until_resolved BOOLEAN,
    created_by     VARCHAR NOT NULL,
    comment        VARCHAR NOT NULL,
    reminded_at    TIMESTAMPTZ,
    expired_at     TIMESTAMPTZ,
    updated_at     TIMESTAMPTZ NOT NULL,
    source         VARCHAR,
    commit_seq     BIGINT NOT NULL
);
