"""A table of 10 million tasks, as some months leave it, beside an empty one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from harness.contenders import STORED
from harness.growth.group import MANY, Cases, Figures, Group, Row, Site
from harness.growth.warm import warm
from harness.rounds import PUBLISH_SECONDS
from harness.servers import Place
from harness.worker import run

ROWS = 10_000_000
# Many: after a checkpoint PostgreSQL logs each page whole that is touched for the first time. With keys in no order
# those would be all pages of the key's index, within the first hundred thousand tasks.
TASKS = 3 * MANY

# As warren writes them: the message's id is a UUIDv7, as its publishers draw them, and the key begins with the same
# time; the rest is a hash. The last task is half an hour old. Of a thousand one has failed, and one was cancelled.
FILL = """
INSERT INTO task_store (id_task, correlation_id, producer_app, created_at, task_name, payload, status, result, error,
    message_id, routing_key, attempt, component_digest, runtime_id, started_at, finished_at, id_attempt, cpu_us,
    memory_bytes, payload_bytes, result_bytes, log_bytes)
SELECT (substr(message_id, 1, 14) || '8' || substr(md5('task' || message_id), 1, 3) || '8' ||
        substr(md5('task' || message_id), 4, 15))::uuid,
    v7(created_at, 'correlation' || n), producer, created_at, task, body,
    status, CASE WHEN status = 'COMPLETED' THEN body END,
    CASE WHEN status <> 'COMPLETED' THEN 'business: the order has no lines' END,
    message_id, 'routing.task.run.' || task, 0, 'sha256:' || repeat(md5(task), 2), md5((n / 1000000)::text)::uuid::text,
    created_at + interval '2 ms', created_at + interval '3 ms',
    CASE WHEN status = 'COMPLETED' THEN v7(created_at, 'attempt' || n)::uuid END, 150, 1179648, 78, 78, 0
FROM (
    SELECT n, at AS created_at, v7(at, 'message' || n) AS message_id,
        CASE WHEN n %% 1000 = 1 THEN 'FAILED' WHEN n %% 1000 = 2 THEN 'CANCELLED' ELSE 'COMPLETED' END AS status,
        (ARRAY['echo', 'process_order', 'thumbnail'])[1 + n %% 3] AS task,
        (ARRAY['shop', 'billing', 'warehouse', 'mail', 'warren-bench'])[1 + n %% 5] AS producer,
        jsonb_build_object('n', n, 'text', 'a task of some eighty bytes, as one of this kind has') AS body
    FROM generate_series(1, %(rows)s) AS n,
        LATERAL (SELECT now() - interval '30 min' - interval '180 days' * (1 - n::float8 / %(rows)s) AS at) AS time
) AS task
"""

# The first 48 bits are milliseconds, the rest comes from the seed.
V7 = """
CREATE FUNCTION v7(at timestamptz, seed text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(seed), 1, 3) || '8' ||
        substr(md5(seed), 4, 15))::uuid::text
$$
"""

KEY = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'task_store'::regclass
"""


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo", "process_order", "thumbnail")
    with site.servers.place() as place:
        fill(site, place)

        def full() -> Figures:
            return burn(site, place)

        def empty() -> Figures:
            with site.servers.place() as empty:
                migrate(site, empty)
                return burn(site, empty)

        each: dict[str, Callable[[], Figures]] = {"empty": empty, "full": full}
        yield each


def burn(site: Site, place: Place) -> Figures:
    """Counts what is new alone: to count all would take longer than the work."""
    with psycopg.connect(place.database_url) as database:
        row = database.execute("SELECT now()::text").fetchone()
    since = f"{STORED} AND created_at >= '{row[0] if row else ''}'"
    return site.burn(replace(site.warren(), rows=since), site.tasks(TASKS), place)


def migrate(site: Site, place: Place) -> None:
    warren = site.warren()
    env = site.tools.environment(warren, place, site.folder / "done")
    command = site.tools.command(("{warren}", "migrate", "up"))
    run(command, env, site.folder / "log", PUBLISH_SECONDS)


def fill(site: Site, place: Place) -> None:
    """Indexes are made after the rows: that takes a fraction of the time, and they are the same."""
    migrate(site, place)
    with psycopg.connect(place.database_url, autocommit=True) as database:
        for setting in ("synchronous_commit = off", "maintenance_work_mem = '1GB'", "statement_timeout = 0"):
            database.execute(f"SET {setting}".encode())
        database.execute(V7)
        [(name, definition)] = database.execute(KEY).fetchall()
        indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'task_store' AND indexname <> %s"
        others = database.execute(indexes, (name,)).fetchall()
        database.execute(f"ALTER TABLE task_store DROP CONSTRAINT {name}".encode())
        for index, _ in others:
            database.execute(f"DROP INDEX {index}".encode())
        database.execute(FILL, {"rows": max(int(ROWS * site.scale), 1000)})
        database.execute(f"ALTER TABLE task_store ADD CONSTRAINT {name} {definition}".encode())
        for _, index in others:
            database.execute(index.encode())
        database.execute("DROP FUNCTION v7")
        database.execute("VACUUM (ANALYZE) task_store")
        database.execute("CHECKPOINT")


HISTORY = Group(
    "history",
    (Row("a table of 10 million tasks, beside an empty one", "full", base="empty", least=0.9),),
    cases,
)
