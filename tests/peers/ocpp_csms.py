"""An independent central system: The Mobility House's `ocpp` package, version 1.6, for our charge points.

usage: ocpp_csms.py PORT CONTROL_PORT FIRST_TRANSACTION_ID

The package validates every message in both directions against the official schemas; a frame that is not
valid is printed as such. Prints `READY`, then one line of JSON for each call of a charge point. A line of
JSON at the control port, `[charge point, action, fields]`, becomes a call; its answer is written back.
"""

import asyncio
import json
import logging
import sys
from datetime import datetime, timezone

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

PORT, CONTROL, FIRST = (int(argument) for argument in sys.argv[1:])
STATIONS = {}
TRANSACTIONS = {}


class Complaints(logging.Handler):
    """What the package finds wrong with a frame."""

    def emit(self, record):
        show("!", "invalid", {"why": record.getMessage()})


def show(station, action, fields, message_id=None):
    line = {"station": station, "action": action, "fields": fields, "id": message_id}
    print(json.dumps(line), flush=True)


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Station(ChargePoint):
    """Takes everything, and gives the same start the same id."""

    async def route_message(self, raw):
        frame = json.loads(raw)
        if frame[0] == 2:
            show(self.id, frame[2], frame[3], frame[1])
        await super().route_message(raw)

    @on("BootNotification")
    def boot(self, **fields):
        return call_result.BootNotification(current_time=now(), interval=300, status="Accepted")

    @on("Heartbeat")
    def heartbeat(self):
        return call_result.Heartbeat(current_time=now())

    @on("StatusNotification")
    def status(self, **fields):
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, id_tag):
        status = "Accepted" if id_tag.startswith("GOOD") else "Invalid"
        return call_result.Authorize(id_tag_info={"status": status})

    @on("StartTransaction")
    def start_transaction(self, **fields):
        key = (self.id, json.dumps(fields, sort_keys=True))
        transaction_id = TRANSACTIONS.setdefault(key, FIRST + len(TRANSACTIONS))
        return call_result.StartTransaction(transaction_id, id_tag_info={"status": "Accepted"})

    @on("MeterValues")
    def meter_values(self, **fields):
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **fields):
        return call_result.StopTransaction()


async def serve(socket):
    if socket.subprotocol != "ocpp1.6":
        return await socket.close()
    identity = socket.request.path.strip("/").split("/")[-1]
    STATIONS[identity] = Station(identity, socket)
    try:
        await STATIONS[identity].start()
    except websockets.ConnectionClosed:
        pass


async def control(reader, writer):
    while line := await reader.readline():
        station, action, fields = json.loads(line)
        try:
            answer = await STATIONS[station].call(getattr(call, action)(**fields), suppress=False)
            told = {field: value for field, value in vars(answer).items() if value is not None}
        except Exception as error:
            told = {"error": repr(error)}
        writer.write((json.dumps(told, default=str) + "\n").encode())
        await writer.drain()


async def main():
    logging.getLogger("ocpp").addHandler(Complaints(level=logging.WARNING))
    async with websockets.serve(serve, "127.0.0.1", PORT, subprotocols=["ocpp1.6"]):
        async with await asyncio.start_server(control, "127.0.0.1", CONTROL):
            print("READY", flush=True)
            await asyncio.get_running_loop().create_future()


asyncio.run(main())
