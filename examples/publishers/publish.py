#!/usr/bin/env python3
"""Publishes one task on RabbitMQ: publish.py NAME JSON. Needs pika (pip install pika); reads RABBITMQ_URL."""
import json
import os
import sys
import uuid

import pika

name, payload = sys.argv[1], json.loads(sys.argv[2])
url = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672")
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # from here on a publish returns once RabbitMQ has the message, or raises
    channel.basic_publish(
        exchange="task.exchange",
        routing_key=f"routing.task.run.{name}",
        body=json.dumps({"task_name": name, "payload": payload}),
        mandatory=True,
        properties=pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            message_id=str(uuid.uuid4()),  # the same id is executed to completion once
            headers={"producer_app": "publish.py", "correlation_id": str(uuid.uuid4())},
        ),
    )
print(f"published a task for {name}")
