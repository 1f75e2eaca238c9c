#!/usr/bin/env node
// Publishes one task on RabbitMQ: publish.mjs NAME JSON. Needs amqplib (npm install amqplib); reads RABBITMQ_URL.
import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';

const [name, payload] = process.argv.slice(2);
const connection = await amqp.connect(process.env.RABBITMQ_URL ?? 'amqp://guest:guest@127.0.0.1:5672');
const channel = await connection.createConfirmChannel();
const body = Buffer.from(JSON.stringify({ task_name: name, payload: JSON.parse(payload) }));
channel.publish('task.exchange', `routing.task.run.${name}`, body, {
  contentType: 'application/json',
  persistent: true,
  mandatory: true,
  messageId: randomUUID(), // the same id is executed to completion once
  headers: { producer_app: 'publish.mjs', correlation_id: randomUUID() },
});
await channel.waitForConfirms(); // RabbitMQ has the message now
await connection.close();
console.log(`published a task for ${name}`);
