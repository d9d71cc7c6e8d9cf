"""The traffic that every client passes through nsqd, and what must come of it.

Two topics a client. On the first, messages are published alone, in batches and deferred; some are requeued once. On the
second a short message time-out is in force; every other message is left alone at first, so that it times out. traffic.mjs
says the same for Node.
"""

import http.client
import json
import os
import sys
import time

MESSAGES = 10_000
LATE_MESSAGES = 20
BATCH = 100
DEFERRED = 100
DEFER_MS = 100
REQUEUE_EVERY = 100
REQUEUE_MS = 50
LATE_TIMEOUT_MS = 1000
CHANNEL = "work"
DEADLINE_SECONDS = 60

NSQD_TCP = os.environ["NSQD_TCP_ADDRESS"]
NSQD_HTTP = os.environ["NSQD_HTTP_ADDRESS"]


def body_of(number):
    """A body that names its number and holds every kind of byte."""
    return b"%d:" % number + bytes(range(256))[: number % 257]


class Ledger:
    """Counts what one topic delivers, and says what to do with each message."""

    def __init__(self, topic, messages):
        self.topic = topic
        self.messages = messages
        self.finished = set()
        self.requeued = set()
        self.ignored = set()
        self.wrong = []

    def action(self, body, attempts):
        """`finish`, `requeue` or `ignore`."""
        number = int(body.split(b":", 1)[0])
        if body != body_of(number):
            self.wrong.append(f"message {number} has another body than was published")
        if number in self.finished:
            self.wrong.append(f"message {number} came again after it was finished")
        returned = number in self.requeued or number in self.ignored
        if attempts != 1 + returned:
            self.wrong.append(f"message {number} has {attempts} attempts")
        if not returned and self.messages == LATE_MESSAGES and number % 2 == 0:
            self.ignored.add(number)
            return "ignore"
        if not returned and self.messages == MESSAGES and number % REQUEUE_EVERY == 0:
            self.requeued.add(number)
            return "requeue"
        self.finished.add(number)
        return "finish"

    def is_complete(self):
        return len(self.finished) >= self.messages


def topics(client):
    return Ledger(f"interop-{client}", MESSAGES), Ledger(f"interop-{client}-late", LATE_MESSAGES)


def verify(client, work, late):
    """Compares what the client counted and what nsqd counted; ends the process."""
    wrong = work.wrong + late.wrong
    for ledger in (work, late):
        if len(ledger.finished) != ledger.messages:
            wrong.append(f"{ledger.topic}: {len(ledger.finished)} of {ledger.messages} messages finished")
        stats = settled_stats(ledger.topic)
        expected = {
            "message_count": ledger.messages,
            "depth": 0,
            "in_flight_count": 0,
            "deferred_count": 0,
            "requeue_count": len(ledger.requeued),
            "timeout_count": len(ledger.ignored),
        }
        for key, value in expected.items():
            if stats.get(key) != value:
                wrong.append(f"{ledger.topic}: {key} is {stats.get(key)}, expected {value}")
    for line in wrong[:20]:
        print(f"{client}: {line}")
    if not wrong:
        print(
            f"{client}: {MESSAGES + LATE_MESSAGES} messages published and consumed,"
            f" {len(work.requeued)} requeued, {len(late.ignored)} timed out"
        )
    sys.stdout.flush()
    # Without the clients' own shutdown, which may wait for connections.
    os._exit(1 if wrong else 0)


def settled_stats(topic):
    """The channel's statistics, once nothing of it is under way."""
    deadline = time.monotonic() + 10
    while True:
        stats = channel_stats(topic)
        busy = [stats.get(key) for key in ("depth", "in_flight_count", "deferred_count")]
        if busy == [0, 0, 0] or time.monotonic() > deadline:
            return stats
        time.sleep(0.02)


def channel_stats(topic):
    host, port = NSQD_HTTP.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", f"/stats?format=json&topic={topic}&channel={CHANNEL}")
    document = json.load(connection.getresponse())
    connection.close()
    found = [channel for topic in document["topics"] or [] for channel in topic["channels"]]
    return found[0] if found else {}
