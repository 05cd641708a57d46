-- Runs of reports know who asked, on which data, and who was told; schedules remember every time they were due.
-- Columns repeat pitchey_slo/tables/{given,house}.py; a test compares the two.

ALTER TABLE report_runs RENAME TO report_runs_before;
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
    kind            VARCHAR,
    trigger         VARCHAR,
    schedule        VARCHAR,
    due_at          TIMESTAMPTZ,
    identity        VARCHAR,
    verdict         VARCHAR,
    freshness       VARCHAR,
    attempts        BIGINT,
    rerun_of        VARCHAR,
    masked          BIGINT,
    summary         VARCHAR,
    delivery        VARCHAR,
    commit_seq      BIGINT NOT NULL
);
INSERT INTO report_runs BY NAME FROM report_runs_before;
DROP TABLE report_runs_before;

CREATE TABLE report_dues (
    id          VARCHAR NOT NULL,
    schedule    VARCHAR NOT NULL,
    due_at      TIMESTAMPTZ NOT NULL,
    state       VARCHAR NOT NULL,
    reason      VARCHAR,
    trigger     VARCHAR,
    rule        VARCHAR,
    started_at  TIMESTAMPTZ,
    ended_at    TIMESTAMPTZ,
    run_id      VARCHAR,
    attempts    BIGINT,
    told        VARCHAR,
    receipt     VARCHAR,
    updated_at  TIMESTAMPTZ NOT NULL,
    commit_seq  BIGINT NOT NULL
);
