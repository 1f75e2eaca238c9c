#!/usr/bin/env python3
"""An older service that gets updates of users into a queue of its own: says "ready", then what the first message held."""
import asyncio
import json
import os
import signal

import aio_pika

signal.alarm(60)  # whatever hangs fails the test


async def main():
    async with await aio_pika.connect_robust(os.environ["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("event.update.user.to.python", durable=True)
        await queue.bind("event.exchange", "routing.event.update.user.#")
        async with queue.iterator() as messages:
            print(json.dumps("ready"), flush=True)
            async for message in messages:
                async with message.process():
                    attempt = message.headers["x-attempt"]
                    assert type(attempt) is int, repr(attempt)
                    said = {
                        "routing_key": message.routing_key,
                        "app_id": message.app_id,
                        "correlation_id": message.correlation_id,
                        "content_type": message.content_type,
                        "attempt": attempt,
                        "body": json.loads(message.body),
                    }
                    print(json.dumps(said), flush=True)
                return


asyncio.run(main())
