#!/usr/bin/env python3
"""Calls the task process.order in each spelling of the contract, and prints each reply."""
import json
import os
import signal

import pika

signal.alarm(60)  # whatever hangs fails the test


def call(channel, queue, body, **properties):
    properties = pika.BasicProperties(reply_to=queue, **properties)
    channel.basic_publish(
        "task.exchange", "routing.task.process.order", json.dumps(body), properties, mandatory=True
    )
    for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=30):
        assert method, "no reply"
        said = {"correlation_id": properties.correlation_id, "status": properties.headers["x-status"]}
        print(json.dumps({**said, "body": json.loads(body)}), flush=True)
        channel.cancel()
        return


with pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", durable=True).method.queue
    call(
        channel,
        queue,
        {"task_name": "process_order", "payload": {"order_id": 1}},
        headers={"producer_app": "python", "correlation_id": "by-headers"},
    )
    call(
        channel,
        queue,
        {"task_name": "process_order", "arguments": {"order_id": 2}},
        app_id="python",
        correlation_id="by-properties",
    )
    call(
        channel,
        queue,
        {"task_name": "process_order", "payload": {"order_id": 0}},
        headers={"producer_app": "python", "correlation_id": "refused"},
    )
    channel.queue_delete(queue)
