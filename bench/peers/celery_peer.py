"""Celery on RabbitMQ; with BENCH_DATABASE_URL its results are stored in Postgres, without it they are ignored."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import peer
from celery import Celery  # type: ignore[import-untyped]

RESULTS_IN = os.environ.get("BENCH_DATABASE_URL")
# As the others do to a server on the same machine.
os.environ.setdefault("PGSSLMODE", "disable")
# A publish waits for its confirm: so many wait at once, each on a connection of its own.
PUBLISHERS = 8

app = Celery("celery_peer", broker=os.environ.get("BENCH_RABBITMQ_URL"))
app.conf.update(
    # A task whose worker dies is run again: acknowledged when it is done, and given back when its process is killed.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A process: 50 to 150 for many short tasks, says Celery's guide to optimizing. Tried: 64 gives a tenth more than
    # the default of 4, and 256 no more than 64.
    worker_prefetch_multiplier=64,
    # Nobody limits rates, listens to events or sends commands to the worker.
    worker_disable_rate_limits=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    task_ignore_result=RESULTS_IN is None,
    # The broker has the message when `apply_async` returns.
    broker_transport_options={"confirm_publish": True},
    broker_pool_limit=PUBLISHERS,
)
if RESULTS_IN is not None:
    app.conf.update(
        # Its connections are kept, one a process. Tried without a difference: no ping before each use, and 8 processes.
        result_backend="db+postgresql+psycopg://" + RESULTS_IN.split("://", 1)[1],
    )


@app.task(name="echo")  # type: ignore[untyped-decorator]
def echo(payload: dict[str, Any]) -> dict[str, Any]:
    peer.tell_finished()
    return payload


def publish(count: int) -> None:
    with ThreadPoolExecutor(PUBLISHERS) as threads:
        for _ in threads.map(lambda n: echo.apply_async((peer.payload(n),)), range(count)):
            pass


def work() -> NoReturn:
    # One worker alone has nobody to gossip and mingle with, and nobody to hear its heartbeats.
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    pool = ("--pool", "prefork", "--concurrency", str(peer.PROCESSES))
    peer.become("celery", "-A", "celery_peer", "worker", *pool, *quiet)


if __name__ == "__main__":
    peer.main(publish, work)
