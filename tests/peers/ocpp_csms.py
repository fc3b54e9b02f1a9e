"""An independent central system: The Mobility House's `ocpp` package, version 1.6, for our charge points.

usage: ocpp_csms.py PORT CONTROL_PORT FIRST_TRANSACTION_ID [FOLDER]

With a FOLDER it speaks TLS by `server.pem` and `server.key` there, asks charge points for a certificate by
`root.pem`, and signs what they send it by OpenSSL with `root.key`. The line `connected` tells how a charge point
said who it is.

The package validates every message in both directions against the official schemas; a frame that is not
valid is printed as such. Prints `READY`, then one line of JSON for each call of a charge point. A line of
JSON at the control port, `[charge point, action, fields]`, becomes a call; its answer is written back.
"""

import asyncio
import base64
import json
import logging
import ssl
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import websockets
from ocpp.routing import after, on
from ocpp.v16 import ChargePoint, call, call_result

PORT, CONTROL, FIRST = (int(argument) for argument in sys.argv[1:4])
FOLDER = Path(sys.argv[4]) if len(sys.argv) > 4 else None
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
        words = {"GOOD": "Accepted", "BLOCKED": "Blocked", "EXPIRED": "Expired", "BUSY": "ConcurrentTx"}
        status = words.get(id_tag.split("-")[0], "Invalid")
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

    @on("SecurityEventNotification")
    def security_event(self, **fields):
        return call_result.SecurityEventNotification()

    @on("DiagnosticsStatusNotification")
    def diagnostics_status(self, **fields):
        return call_result.DiagnosticsStatusNotification()

    @on("FirmwareStatusNotification")
    def firmware_status(self, **fields):
        return call_result.FirmwareStatusNotification()

    @on("SignedFirmwareStatusNotification")
    def signed_firmware_status(self, **fields):
        return call_result.SignedFirmwareStatusNotification()

    @on("LogStatusNotification")
    def log_status(self, **fields):
        return call_result.LogStatusNotification()

    @on("SignCertificate")
    def sign_certificate(self, csr):
        return call_result.SignCertificate("Accepted" if FOLDER else "Rejected")

    @after("SignCertificate")
    async def certificate_signed(self, csr):
        if FOLDER:
            (FOLDER / "client.ext").write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
            issuer = f"-CA {FOLDER}/root.pem -CAkey {FOLDER}/root.key -CAcreateserial -extfile {FOLDER}/client.ext"
            sign = f"openssl x509 -req -days 90 {issuer}"
            signed = subprocess.run(sign.split(), input=csr.encode(), capture_output=True, check=True).stdout.decode()
            answer = await self.call(call.CertificateSigned(signed), suppress=False)
            show(self.id, "CertificateSigned", {"status": answer.status})


def proof(socket):
    """The password and the certificate's common name, each where it was shown."""
    basic = socket.request.headers.get("Authorization", "").removeprefix("Basic ")
    password = base64.b64decode(basic).decode().partition(":")[2]
    names = (socket.transport.get_extra_info("peercert") or {}).get("subject", ())
    names = [value for name in names for key, value in name if key == "commonName"]
    return {"password": password or None, "certificate": names[0] if names else None}


def tls():
    if not FOLDER:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
    context.load_verify_locations(FOLDER / "root.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def serve(socket):
    if socket.subprotocol != "ocpp1.6":
        return await socket.close()
    identity = socket.request.path.strip("/").split("/")[-1]
    if FOLDER:
        show(identity, "connected", proof(socket))
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
    async with websockets.serve(serve, "127.0.0.1", PORT, subprotocols=["ocpp1.6"], ssl=tls()):
        async with await asyncio.start_server(control, "127.0.0.1", CONTROL):
            print("READY", flush=True)
            await asyncio.get_running_loop().create_future()


asyncio.run(main())
