#!/usr/bin/env python3
"""An older service that publishes with aio_pika: events_aio_pika.py declare | publish. Reads RABBITMQ_URL.

It declares its exchanges as transient each time, and writes the routing key as it is and as others bind it.
"""
import asyncio
import json
import os
import signal
import sys

import aio_pika

signal.alarm(60)  # whatever hangs fails the test
KEYS = ["routing.event.create.user", "routing.event.create.user.#"]
HEADERS = [None, {"source": "aio_pika", "weight": 0.5, "tags": ["a", 1], "none": None}]


async def main():
    async with await aio_pika.connect_robust(os.environ["RABBITMQ_URL"]) as connection:
        channel = await connection.channel(publisher_confirms=True)
        topic = aio_pika.ExchangeType.TOPIC
        exchange = await channel.declare_exchange("event.exchange", topic, durable=False)
        await channel.declare_exchange("dead.event.exchange", topic, durable=False)
        if sys.argv[1] != "publish":
            return
        for n, (key, headers) in enumerate((key, headers) for key in KEYS for headers in HEADERS):
            message = aio_pika.Message(
                json.dumps({"name": f"aio_pika-{n}"}).encode(),
                app_id="aio-pika-service",
                correlation_id=f"aio_pika-{n}",
                headers=headers,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, routing_key=key, mandatory=True)


asyncio.run(main())
