#!/usr/bin/env python3
"""An older service that publishes with pika: events_pika.py declare | publish | malformed. Reads RABBITMQ_URL.

It declares its exchanges as transient each time, and writes the routing key as it is and as others bind it.
"""
import json
import os
import signal
import sys
from decimal import Decimal

import pika

signal.alarm(60)  # whatever hangs fails the test
KEYS = ["routing.event.create.user", "routing.event.create.user.#"]
HEADERS = [None, {"source": "pika", "raw": b"\xff", "weight": Decimal("0.5"), "tags": ["a", 1], "none": None}]


def publish(channel, key, body, **properties):
    channel.basic_publish("event.exchange", key, body, pika.BasicProperties(**properties), mandatory=True)


with pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("event.exchange", "topic", durable=False)
    channel.exchange_declare("dead.event.exchange", "topic", durable=False)
    if sys.argv[1] == "publish":
        for n, (key, headers) in enumerate((key, headers) for key in KEYS for headers in HEADERS):
            body = json.dumps({"name": f"pika-{n}"})
            publish(channel, key, body, app_id="pika-service", correlation_id=f"pika-{n}", headers=headers)
    elif sys.argv[1] == "malformed":
        publish(channel, KEYS[0], '{"name": "nobody"}', correlation_id="no-app-id")
        publish(channel, KEYS[0], "name=Ada", app_id="pika-service", correlation_id="no-json")
        publish(channel, KEYS[0], '{"name": "Ada"', app_id="pika-service", correlation_id="half-json")
        publish(channel, KEYS[0], '["Ada"]', app_id="pika-service", correlation_id="no-object")
        publish(channel, KEYS[0], '{"name": "Ada"}', app_id="pika-service", correlation_id="sound")
