"""gnsq publishes and consumes through nsqd."""

from gevent import monkey

monkey.patch_all()

import gevent
import gnsq

from traffic import (
    BATCH, CHANNEL, DEADLINE_SECONDS, DEFER_MS, DEFERRED, NSQD_TCP, REQUEUE_MS,
    body_of, topics, verify,
)


def handler(ledger):
    def handle(_consumer, message):
        action = ledger.action(message.body, message.attempts)
        if action == "requeue":
            message.requeue(time_ms=REQUEUE_MS, backoff=False)
        elif action == "ignore":
            message.enable_async()
        else:
            message.touch()

    return handle


def publish(work, late):
    producer = gnsq.Producer(NSQD_TCP)
    producer.start()
    half = work.messages // 2
    for number in range(DEFERRED):
        producer.publish(work.topic, body_of(number), defer=DEFER_MS)
    for number in range(DEFERRED, half):
        producer.publish(work.topic, body_of(number))
    for first in range(half, work.messages, BATCH):
        producer.multipublish(work.topic, [body_of(number) for number in range(first, first + BATCH)])
    producer.multipublish(late.topic, [body_of(number) for number in range(late.messages)])
    producer.close()
    producer.join()


def main():
    work, late = topics("gnsq")
    # gnsq cannot ask for a message time-out: nsqd's own applies, which `run` makes short.
    for ledger in (work, late):
        consumer = gnsq.Consumer(ledger.topic, CHANNEL, NSQD_TCP, max_in_flight=200)
        consumer.on_message.connect(handler(ledger), weak=False)
        consumer.start(block=False)
    gevent.spawn(publish, work, late)
    with gevent.Timeout(DEADLINE_SECONDS, False):
        while not (work.is_complete() and late.is_complete()):
            gevent.sleep(0.01)
    verify("gnsq", work, late)


main()
