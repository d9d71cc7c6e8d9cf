"""A consumer of pynsq that finds its nodes by nsqlookupd, until its standard input ends. README.md says what it prints."""

import asyncio
import os
import sys

import nsq


def say(line):
    print(line, flush=True)


class Reader(nsq.Reader):
    """Says when it has asked an nsqlookupd, whatever came of it."""

    async def query_lookupd(self):
        try:
            await super().query_lookupd()
        finally:
            say("polled")


async def run():
    is_holding = False

    def handle(message):
        say(f"message {message.attempts} {message.body.decode()}")
        if is_holding:
            message.enable_async()
            return None
        return True

    reader = Reader(
        message_handler=handle,
        topic=os.environ["TOPIC"],
        channel=os.environ["CHANNEL"],
        lookupd_http_addresses=os.environ["LOOKUPD_HTTP_ADDRESSES"].split(","),
        # The shortest that it takes.
        lookupd_poll_interval=1,
        max_in_flight=20,
        heartbeat_interval=int(os.environ["HEARTBEAT_SECONDS"]),
    )
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while command := (await commands.readline()).decode().strip():
        is_holding = command == "hold"
        say(command)
    reader.close()


asyncio.run(run())
