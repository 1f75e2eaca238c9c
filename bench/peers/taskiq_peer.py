"""taskiq on RabbitMQ by aio-pika, without results."""

import asyncio
import os
from typing import Any, NoReturn

import peer
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

# A process, and so many tasks at once. Tried: 64 and 512 are no faster, nor are orjson and `--no-parse`.
PREFETCH = 128
# Publishes that wait for their confirm at once, on one channel.
IN_FLIGHT = 128

broker = AioPikaBroker(
    os.environ.get("BENCH_RABBITMQ_URL"),
    qos=PREFETCH,
    # Its default is a quorum queue, which is slower on one node.
    task_queues=[Queue(type=QueueType.CLASSIC)],
    dead_letter_queue=Queue(name="taskiq.dead_letter", type=QueueType.CLASSIC),
)


@broker.task("echo")
async def echo(payload: dict[str, Any]) -> dict[str, Any]:
    peer.tell_finished()
    return payload


async def publish_all(count: int) -> None:
    await broker.startup()
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for n in numbers:
            await echo.kiq(peer.payload(n))

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    await broker.shutdown()


def publish(count: int) -> None:
    asyncio.run(publish_all(count))


def work() -> NoReturn:
    # Acknowledged after the execution, as by default. uvloop is used because it is installed.
    acks = ("--ack-type", "when_saved")
    limits = ("--workers", str(peer.PROCESSES), "--max-async-tasks", str(PREFETCH))
    peer.become("taskiq", "worker", "taskiq_peer:broker", *limits, *acks, "--log-level", "WARNING")


if __name__ == "__main__":
    peer.main(publish, work)
