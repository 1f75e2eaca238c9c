#!/usr/bin/env python3
"""Serves the task process.order: says "ready", replies to one call with nothing but the correlation id, prints the call."""
import asyncio
import json
import os
import signal

import aio_pika

signal.alarm(60)  # whatever hangs fails the test


async def main():
    async with await aio_pika.connect_robust(os.environ["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("task.process.order", durable=True)
        await queue.bind("task.exchange", "routing.task.process.order")
        async with queue.iterator() as messages:
            print(json.dumps("ready"), flush=True)
            async for message in messages:
                async with message.process():
                    task = json.loads(message.body)
                    total = sum(task["payload"]["prices"])
                    reply = aio_pika.Message(
                        json.dumps({"total": total}).encode(), correlation_id=message.correlation_id
                    )
                    await channel.default_exchange.publish(reply, routing_key=message.reply_to)
                    said = {name: message.headers[name] for name in ["producer_app", "correlation_id"]}
                    print(json.dumps({**said, "task": task}), flush=True)
                return


asyncio.run(main())
