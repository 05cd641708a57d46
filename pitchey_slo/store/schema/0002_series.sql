-- Time series: labels once per series, samples by the id made from the labels.

CREATE TABLE series (
    series_id       BIGINT NOT NULL,
    name            VARCHAR NOT NULL,
    labels          VARCHAR NOT NULL,
    first_seen      TIMESTAMPTZ NOT NULL,
    commit_seq      BIGINT NOT NULL
);

CREATE TABLE samples (
    series_id       BIGINT NOT NULL,
    ts              TIMESTAMPTZ NOT NULL,
    value           DOUBLE NOT NULL,
    commit_seq      BIGINT NOT NULL
);
