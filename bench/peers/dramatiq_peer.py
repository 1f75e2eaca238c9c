"""dramatiq on RabbitMQ, without results."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import dramatiq
import peer
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Retries

# A publish waits for its confirm: so many wait at once, each on the connection of its thread.
PUBLISHERS = 8

# dramatiq acknowledges when a task is done. Of the middleware that is on by default, only what tries a failed task
# again: limits of age and time, callbacks and pipelines are not used, and each would be asked for each task.
broker = RabbitmqBroker(url=os.environ.get("BENCH_RABBITMQ_URL"), confirm_delivery=True, middleware=[Retries()])
dramatiq.set_broker(broker)


@dramatiq.actor
def echo(payload: dict[str, Any]) -> None:
    """Returns nothing: dramatiq warns of a result that no backend takes."""
    peer.tell_finished()


def publish(count: int) -> None:
    with ThreadPoolExecutor(PUBLISHERS) as threads:
        for _ in threads.map(lambda n: echo.send(peer.payload(n)), range(count)):
            pass


def work() -> NoReturn:
    # A process. Tried: 128 gives half as much again as the default of twice the threads, and 512 no more than 128.
    os.environ["dramatiq_queue_prefetch"] = "128"  # noqa: SIM112
    # Threads as by default: 1, 2 and 4 were no faster.
    peer.become("dramatiq", "dramatiq_peer", "--processes", str(peer.PROCESSES), "--threads", "8")


if __name__ == "__main__":
    peer.main(publish, work)
