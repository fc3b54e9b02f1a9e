"""OCPP 1.6 charge points by the `ocpp` package, which holds every frame to the official schemas, both ways.

usage: ocpp_station.py

Told what to do by lines of JSON on standard input, `{"station": ID, "do": WORD, …}`, one after the other, or
`{"together": [ORDER, …]}`, all at the same time; answers each with a line: `{"ok": …}`, `{"refused": [CODE,
DESCRIPTION]}` by the other end, or `{"failed": TEXT}`. What each word does stands at its function.
"""

import asyncio
import base64
import json
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit

import websockets
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.exceptions import NotImplementedError as NotImplementedByStation
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action

# How long anything may take on a busy machine, in seconds.
PATIENCE = 30


class Wire:
    """What the package reads from and writes to; keeps the latest frame as it came."""

    def __init__(self, connection):
        self.connection = connection
        self.latest = None

    async def recv(self):
        text = await self.connection.recv()
        self.latest = json.loads(text)
        return text

    async def send(self, text):
        await self.connection.send(text)


def taken(action):
    """What a charge point does with a call of `action`: notes it and answers as it was told to."""

    async def take(self, **_fields):
        _type, message_id, _action, payload = self._connection.latest
        # What the central system asks of its own accord is nothing that anybody waits for.
        if not message_id.startswith("sys_") or action == "CertificateSigned":
            self.asked_for(action).put_nowait(payload)
        if action not in self.answers:
            raise NotImplementedByStation(description=f"{action} is not known here")
        answer, delay = self.answers[action]
        await asyncio.sleep(delay)
        return getattr(call_result, action)(**camel_to_snake_case(answer))

    take.__name__ = f"take_{action}"
    return on(action)(take)


class Taking:
    """The calls of a charge point, and how they are answered."""

    def __init__(self, identity, wire):
        super().__init__(identity, wire, response_timeout=PATIENCE)
        self.answers, self.asked = {}, {}

    def asked_for(self, action):
        return self.asked.setdefault(action, asyncio.Queue())


Speaker = type(
    "Speaker", (Taking, ChargePoint), {f"take_{action.value}": taken(action.value) for action in Action}
)


class Station:
    """One charge point: each word that it can be told is a function."""

    def __init__(self, identity):
        self.identity = identity
        self.connection = self.speaker = self.reading = self.beating = None
        self.beats, self.unbeaten = [], None

    async def connect(self, url, password=None, user=None, subprotocols=("ocpp1.6",), deaf=False, trust=None,
                      certificate=None, key=None):
        """Connects, over TLS by the certificates of the file `trust`, with its own in the files `certificate` and
        `key`; a `deaf` one has small buffers and never reads. Answers the subprotocol."""
        headers = {}
        if password is not None:
            pair = f"{user or self.identity}:{password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        raw = small_socket(url) if deaf else None
        try:
            self.connection = await websockets.connect(
                url, sock=raw, ssl=encryption(trust, certificate, key), additional_headers=headers, subprotocols=list(subprotocols) or None,
                ping_interval=None, open_timeout=PATIENCE)
        except websockets.InvalidStatus as refusal:
            return {"refused": [refusal.response.status_code, refusal.response.body.decode()]}
        if deaf:
            self.connection.transport.pause_reading()
        else:
            self.speaker = Speaker(self.identity, Wire(self.connection))
            self.reading = asyncio.create_task(self.read(self.speaker))
        return {"ok": self.connection.subprotocol}

    async def read(self, speaker):
        try:
            await speaker.start()
        except websockets.ConnectionClosed:
            pass

    async def call(self, action, payload):
        """Calls by the package. Answers the payload that came back."""
        request = getattr(call, action)(**camel_to_snake_case(payload))
        try:
            answer = await self.speaker.call(request, suppress=False)
        except OCPPError as error:
            # Also where what came back breaks its schema.
            return {"refused": [error.code, error.description]}
        return {"ok": snake_to_camel_case(remove_nones(serialize_as_dict(answer)))}

    async def answer(self, action, payload, delay=0):
        """How calls of an action are answered from now on, after `delay` seconds."""
        self.speaker.answers[action] = (payload, delay)
        return {"ok": None}

    async def asked(self, action):
        """Waits for the next call of an action; answers its payload as it came."""
        return {"ok": await asyncio.wait_for(self.speaker.asked_for(action).get(), PATIENCE)}

    async def send(self, texts, times=1, pause=0):
        """Sends texts as they are, again and again, and waits for nothing. Answers how many went."""
        sent = 0
        try:
            for _ in range(times):
                for text in texts:
                    await self.connection.send(text)
                    sent += 1
                    if pause:
                        await asyncio.sleep(pause)
        except websockets.ConnectionClosed:
            pass
        return {"ok": sent}

    async def ping(self, times):
        """Sends pings and waits for no pong. Answers how many went."""
        sent = 0
        try:
            for _ in range(times):
                await self.connection.ping()
                sent += 1
        except websockets.ConnectionClosed:
            pass
        return {"ok": sent}

    async def write(self, hexadecimal):
        """Writes bytes below the WebSocket."""
        self.connection.transport.write(bytes.fromhex(hexadecimal))
        return {"ok": None}

    async def closed(self):
        """Waits until the other end has closed. Answers its code and reason."""
        await asyncio.wait_for(self.connection.wait_closed(), PATIENCE)
        return {"ok": [self.connection.close_code, self.connection.close_reason]}

    async def hang_up(self):
        """Closes as it should be done."""
        await self.connection.close()
        return {"ok": None}

    async def pull_the_plug(self):
        """Is gone without a word."""
        self.connection.transport.abort()
        return {"ok": None}

    async def beat(self, every):
        """Begins to send heartbeats and to measure how long each answer takes."""
        self.beats, self.unbeaten = [], None
        self.beating = asyncio.create_task(self.beat_on(every))
        return {"ok": None}

    async def beat_on(self, every):
        try:
            while True:
                began = time.monotonic()
                await self.speaker.call(call.Heartbeat(), suppress=False)
                self.beats.append(time.monotonic() - began)
                await asyncio.sleep(every)
        except Exception as error:
            self.unbeaten = repr(error)

    async def beats_so_far(self):
        """Answers how many heartbeats were answered, the slowest in seconds, and what went wrong."""
        return {"ok": [len(self.beats), max(self.beats, default=0), self.unbeaten]}


def encryption(trust, certificate, key):
    if trust is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trust)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def small_socket(url):
    """A connection that holds little: segments and a receive buffer as small as they may be."""
    host, port = urlsplit(url).netloc.split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    raw.connect((host, int(port)))
    return raw


async def done(stations, order):
    if "together" in order:
        return {"ok": await asyncio.gather(*(done(stations, one) for one in order["together"]))}
    identity = order.pop("station")
    station = stations.setdefault(identity, Station(identity))
    try:
        return await getattr(station, order.pop("do"))(**order)
    except Exception as error:
        return {"failed": repr(error)}


async def main():
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    stations = {}
    while line := await lines.readline():
        print(json.dumps(await done(stations, json.loads(line))), flush=True)


asyncio.run(main())
