"""pynsq publishes and consumes through nsqd."""

import asyncio

import nsq

from traffic import (
    BATCH, CHANNEL, DEADLINE_SECONDS, DEFER_MS, DEFERRED, LATE_TIMEOUT_MS, NSQD_TCP, REQUEUE_MS,
    body_of, topics, verify,
)

# Publishes under way at once.
PIPELINE = 100


def handler(ledger):
    def handle(message):
        action = ledger.action(message.body, message.attempts)
        if action == "requeue":
            message.requeue(time_ms=REQUEUE_MS, backoff=False)
        elif action == "ignore":
            message.enable_async()
            return None
        else:
            message.touch()
            message.finish()
        return True

    return handle


async def publish(writer, work, late):
    async def answered(publish_one, *arguments):
        answer = asyncio.get_running_loop().create_future()
        publish_one(*arguments, callback=lambda _connection, data: answer.set_result(data))
        data = await answer
        if data != b"OK":
            work.wrong.append(f"a publish was answered by {data!r}")

    while not any(connection.connected() for connection in writer.conns.values()):
        await asyncio.sleep(0.01)
    half = work.messages // 2
    for first in range(0, half, PIPELINE):
        await asyncio.gather(*[
            answered(writer.dpub, work.topic, DEFER_MS, body_of(number)) if number < DEFERRED
            else answered(writer.pub, work.topic, body_of(number))
            for number in range(first, first + PIPELINE)
        ])
    for first in range(half, work.messages, BATCH):
        await answered(writer.mpub, work.topic, [body_of(number) for number in range(first, first + BATCH)])
    await answered(writer.mpub, late.topic, [body_of(number) for number in range(late.messages)])


async def run():
    work, late = topics("pynsq")
    for ledger, options in ((work, {}), (late, {"msg_timeout": LATE_TIMEOUT_MS / 1000})):
        nsq.Reader(
            message_handler=handler(ledger), nsqd_tcp_addresses=[NSQD_TCP], topic=ledger.topic,
            channel=CHANNEL, max_in_flight=200, **options,
        )
    publishing = asyncio.create_task(publish(nsq.Writer([NSQD_TCP]), work, late))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await publishing
            while not (work.is_complete() and late.is_complete()):
                await asyncio.sleep(0.01)
    except TimeoutError:
        work.wrong.append(f"not done within {DEADLINE_SECONDS} s")
    verify("pynsq", work, late)


asyncio.run(run())
