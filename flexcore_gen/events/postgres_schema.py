"""The tables of the event store in Postgres, and who may do what: SQL for a DBA.

Two roles that cannot log in. `flexcore_owner` owns the tables; nobody works as it.
`flexcore_writer` may read and add, nothing else; each login that runs pipelines is
made its member. Triggers refuse changes even to the owner.
"""

# ruff: noqa: S608 - every statement is put together from constants of this module

from __future__ import annotations

from flexcore_gen.events.chain import GENESIS, TERMINAL_SQL

SCHEMA_VERSION = 1

CHAIN_LOCK = 7011052133412071
"""Advisory lock (a number of our own) under which events are added one by one."""

SQL = f"""\
-- FlexCore event store, version {SCHEMA_VERSION}. May be run again.
-- Then, for each login that runs pipelines:  GRANT flexcore_writer TO <login>;
BEGIN;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flexcore_owner') THEN
    CREATE ROLE flexcore_owner NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flexcore_writer') THEN
    CREATE ROLE flexcore_writer NOLOGIN;
  END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS flexcore;
CREATE TABLE IF NOT EXISTS flexcore.events (
  sequence       bigint PRIMARY KEY,
  id             text NOT NULL UNIQUE,
  source         text NOT NULL,
  type           text NOT NULL,
  subject        text NOT NULL,
  time           text NOT NULL,
  name           text NOT NULL,
  aggregate_id   text NOT NULL,
  version        integer NOT NULL CHECK (version > 0),
  correlation_id text NOT NULL,
  causation_id   text,
  data           text NOT NULL CHECK (data::json IS NOT NULL),
  previous_hash  text NOT NULL,
  hash           text NOT NULL UNIQUE,
  UNIQUE (aggregate_id, version)
);
CREATE UNIQUE INDEX IF NOT EXISTS events_one_terminal
  ON flexcore.events (aggregate_id) WHERE name IN ({TERMINAL_SQL});
CREATE INDEX IF NOT EXISTS events_started
  ON flexcore.events (sequence) WHERE name = 'PipelineStarted';
CREATE INDEX IF NOT EXISTS events_correlation ON flexcore.events (correlation_id);
CREATE TABLE IF NOT EXISTS flexcore.deliveries (
  destination text NOT NULL,
  position    bigint NOT NULL,
  event_id    text NOT NULL,
  outcome     text NOT NULL,
  attempts    integer NOT NULL,
  detail      text NOT NULL,
  time        text NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_position
  ON flexcore.deliveries (destination, position);
CREATE OR REPLACE FUNCTION flexcore.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE OR REPLACE FUNCTION flexcore.check_next() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  last_sequence bigint;
  last_hash text;
BEGIN
  PERFORM pg_advisory_xact_lock({CHAIN_LOCK});
  SELECT sequence, hash INTO last_sequence, last_hash
    FROM flexcore.events ORDER BY sequence DESC LIMIT 1;
  IF NEW.sequence <> coalesce(last_sequence, 0) + 1
     OR NEW.previous_hash <> coalesce(last_hash, '{GENESIS}')
     OR NEW.version <> (SELECT coalesce(max(version), 0) + 1 FROM flexcore.events
                        WHERE aggregate_id = NEW.aggregate_id)
     OR EXISTS (SELECT FROM flexcore.events WHERE aggregate_id = NEW.aggregate_id
                AND name IN ({TERMINAL_SQL})) THEN
    RAISE EXCEPTION 'events are append-only: this is not the next one'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON flexcore.events
  FOR EACH ROW EXECUTE FUNCTION flexcore.refuse();
CREATE OR REPLACE TRIGGER events_no_truncate BEFORE TRUNCATE ON flexcore.events
  FOR EACH STATEMENT EXECUTE FUNCTION flexcore.refuse();
CREATE OR REPLACE TRIGGER events_next BEFORE INSERT ON flexcore.events
  FOR EACH ROW EXECUTE FUNCTION flexcore.check_next();
CREATE OR REPLACE TRIGGER deliveries_no_change
  BEFORE UPDATE OR DELETE ON flexcore.deliveries
  FOR EACH ROW EXECUTE FUNCTION flexcore.refuse();
CREATE OR REPLACE VIEW flexcore.runs AS
WITH said AS (
  -- JSON may spell the character 0, Postgres text cannot hold it.
  SELECT *, replace(data, '\\u0000', '\\ufffd')::json AS said FROM flexcore.events
)
SELECT s.aggregate_id AS run_id, s.correlation_id, s.subject AS pipeline,
       s.said->>'environment' AS environment,
       CASE e.name WHEN 'PipelineCompleted' THEN 'success'
                   WHEN 'PipelineFailed' THEN 'failed'
                   WHEN 'PipelineLost' THEN 'lost' ELSE 'running' END AS status,
       s.time AS started_at, e.time AS ended_at,
       (e.said->>'duration_seconds')::double precision AS duration_seconds,
       coalesce((e.said->>'rows')::bigint,
                (SELECT sum((x.said->>'rows')::bigint)::bigint FROM said x
                 WHERE x.aggregate_id = s.aggregate_id AND x.name = 'TargetLoaded'),
                0) AS rows,
       e.said->>'error' AS error
FROM said s
LEFT JOIN said e ON e.aggregate_id = s.aggregate_id AND e.name IN ({TERMINAL_SQL})
WHERE s.name = 'PipelineStarted';
CREATE OR REPLACE VIEW flexcore.about AS SELECT {SCHEMA_VERSION} AS version;
ALTER SCHEMA flexcore OWNER TO flexcore_owner;
ALTER TABLE flexcore.events OWNER TO flexcore_owner;
ALTER TABLE flexcore.deliveries OWNER TO flexcore_owner;
ALTER VIEW flexcore.runs OWNER TO flexcore_owner;
ALTER VIEW flexcore.about OWNER TO flexcore_owner;
ALTER FUNCTION flexcore.refuse() OWNER TO flexcore_owner;
ALTER FUNCTION flexcore.check_next() OWNER TO flexcore_owner;
REVOKE ALL ON SCHEMA flexcore FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA flexcore FROM PUBLIC, flexcore_writer;
GRANT USAGE ON SCHEMA flexcore TO flexcore_writer;
GRANT SELECT, INSERT ON flexcore.events TO flexcore_writer;
GRANT SELECT, INSERT ON flexcore.deliveries TO flexcore_writer;
GRANT SELECT ON flexcore.runs, flexcore.about TO flexcore_writer;
COMMIT;
"""
