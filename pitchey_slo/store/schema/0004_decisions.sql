-- What people decided about alerting rules in the weekly review.
-- Columns repeat pitchey_slo/tables/house.py; a test compares the two.

CREATE TABLE decisions (
    id            VARCHAR NOT NULL,
    rule          VARCHAR NOT NULL,
    kind          VARCHAR NOT NULL,
    decided_by    VARCHAR NOT NULL,
    reason        VARCHAR NOT NULL,
    look_again_at TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL,
    before        VARCHAR NOT NULL,
    after         VARCHAR NOT NULL,
    diff          VARCHAR,
    evidence      VARCHAR,
    state         VARCHAR NOT NULL,
    applied_at    TIMESTAMPTZ,
    applied_by    VARCHAR,
    reverted_at   TIMESTAMPTZ,
    reverted_by   VARCHAR,
    source        VARCHAR,
    commit_seq    BIGINT NOT NULL
);
