"""A consumer of gnsq that finds its nodes by nsqlookupd, until its standard input ends. README.md says what it prints."""

from gevent import monkey

monkey.patch_all()

import os
import socket
import sys

import gnsq
from gevent.fileobject import FileObject

# Without it, gnsq waits for ever for an nsqlookupd that does not answer, and asks no other one.
socket.setdefaulttimeout(1)

heartbeat_seconds = int(os.environ["HEARTBEAT_SECONDS"])
is_holding = False


def say(line):
    print(line, flush=True)


class Consumer(gnsq.Consumer):
    """Says when it has asked an nsqlookupd, and connected to what is new."""

    def query_lookupd(self):
        super().query_lookupd()
        say("polled")


def handle(_consumer, message):
    say(f"message {message.attempts} {message.body.decode()}")
    if is_holding:
        message.enable_async()


consumer = Consumer(
    os.environ["TOPIC"],
    os.environ["CHANNEL"],
    lookupd_http_addresses=[f"http://{address}" for address in os.environ["LOOKUPD_HTTP_ADDRESSES"].split(",")],
    message_handler=handle,
    lookupd_poll_interval=0.5,
    max_in_flight=20,
    heartbeat_interval=heartbeat_seconds,
    # Its default is twice its default interval, too. So long may a node say nothing, or not let it connect: meanwhile it
    # looks for no other one.
    timeout=2 * heartbeat_seconds,
)
consumer.start(block=False)
for command in FileObject(sys.stdin.fileno(), "r", close=False):
    is_holding = command.strip() == "hold"
    say(command.strip())
consumer.close()
