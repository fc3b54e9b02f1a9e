"""An independent charge point: The Mobility House's `ocpp` package, version 1.6, against a running API.

usage: ocpp_station.py BASE KEY

The package validates every message in both directions against the official schemas. Prints one line of
JSON: what each step of the story showed.
"""

import asyncio
import base64
import json
import logging
import sys
from datetime import datetime, timedelta, timezone

import requests
import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

BASE, KEY = sys.argv[1:]
logging.disable(logging.CRITICAL)
SHOWN = {}


def rest(method, path, body=None, expected=(200, 201, 204)):
    answer = requests.request(
        method,
        f"{BASE}/api/v1{path}",
        headers={"Authorization": f"Bearer {KEY}"},
        json=body,
        timeout=60,
    )
    if answer.status_code not in expected:
        raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json() if answer.text else None


async def api(*arguments, **named):
    return await asyncio.to_thread(rest, *arguments, **named)


def now(offset_s=0):
    at = datetime.now(timezone.utc) + timedelta(seconds=offset_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Station(ChargePoint):
    """Accepts what it is asked, and remembers it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked = []
        self.list_version = 0

    def took(self, action, fields):
        self.asked.append((action, fields))

    def last(self, action):
        return next(fields for name, fields in reversed(self.asked) if name == action)


def accepting(action, answer):
    async def handler(self, **fields):
        self.took(action, fields)
        return answer(fields) if callable(answer) else answer

    handler.__name__ = f"on_{action}"
    return on(action)(handler)


RESULTS = {
    "RemoteStartTransaction": call_result.RemoteStartTransaction("Accepted"),
    "RemoteStopTransaction": call_result.RemoteStopTransaction("Accepted"),
    "ChangeAvailability": call_result.ChangeAvailability("Scheduled"),
    "ChangeConfiguration": call_result.ChangeConfiguration("RebootRequired"),
    "ClearCache": call_result.ClearCache("Accepted"),
    "ClearChargingProfile": call_result.ClearChargingProfile("Accepted"),
    "DataTransfer": call_result.DataTransfer("Accepted", data="pong"),
    "GetCompositeSchedule": call_result.GetCompositeSchedule("Accepted", connector_id=1),
    "GetConfiguration": call_result.GetConfiguration(
        configuration_key=[{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
    ),
    "GetDiagnostics": call_result.GetDiagnostics(file_name="diagnostics.zip"),
    "GetLocalListVersion": call_result.GetLocalListVersion(list_version=7),
    "Reset": call_result.Reset("Accepted"),
    "SendLocalList": call_result.SendLocalList("Accepted"),
    "SetChargingProfile": call_result.SetChargingProfile("Accepted"),
    "TriggerMessage": call_result.TriggerMessage("Accepted"),
    "UnlockConnector": call_result.UnlockConnector("Unlocked"),
    "UpdateFirmware": call_result.UpdateFirmware(),
    "ReserveNow": call_result.ReserveNow("Accepted"),
    "CancelReservation": call_result.CancelReservation("Accepted"),
    "CertificateSigned": call_result.CertificateSigned("Accepted"),
    "DeleteCertificate": call_result.DeleteCertificate("Accepted"),
    "ExtendedTriggerMessage": call_result.ExtendedTriggerMessage("Accepted"),
    "GetInstalledCertificateIds": call_result.GetInstalledCertificateIds("NotFound"),
    "GetLog": call_result.GetLog("Accepted", filename="security.log"),
    "InstallCertificate": call_result.InstallCertificate("Accepted"),
    "SignedUpdateFirmware": call_result.SignedUpdateFirmware("Accepted"),
}
for name, result in RESULTS.items():
    setattr(Station, f"on_{name}", accepting(name, result))


async def connect(registered):
    identity, password = registered["charge_point_id"], registered["provisioning_password"]
    basic = base64.b64encode(f"{identity}:{password}".encode()).decode()
    socket = await websockets.connect(
        registered["ocpp_endpoint"],
        subprotocols=["ocpp1.6"],
        additional_headers={"Authorization": f"Basic {basic}"},
    )
    station = Station(identity, socket)
    return station, asyncio.create_task(station.start())


async def boot(station):
    return await station.call(
        call.BootNotification(
            charge_point_model="Model",
            charge_point_vendor="Vendor",
            firmware_version="3.1",
            charge_point_serial_number="S-1",
        )
    )


async def until(found, what):
    for _ in range(600):
        value = await found()
        if value:
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never came to be: {what}")


async def authorizations(station):
    for tag, status in (("GOOD", "accepted"), ("BLOCKED", "blocked"), ("EXPIRED", "expired"), ("INVALID", "invalid")):
        await api("POST", "/tokens", {"id_tag": tag, "status": status})
    answers = {}
    for tag in ("GOOD", "BLOCKED", "EXPIRED", "INVALID", "NOBODY"):
        answer = await station.call(call.Authorize(id_tag=tag))
        answers[tag] = answer.id_tag_info["status"]
    SHOWN["authorize"] = answers


async def sessions(station, identity):
    """A local session with meter values; then a remote one, its limit, and its stop."""
    began = await station.call(call.StartTransaction(1, "GOOD", 1000, now(-60)))
    again = await station.call(call.StartTransaction(2, "GOOD", 1000, now(-50)))
    SHOWN["concurrent"] = again.id_tag_info["status"]
    await station.call(call.StopTransaction(1000, now(-49), again.transaction_id, reason="DeAuthorized"))
    sample = {"value": "2.5", "measurand": "Energy.Active.Import.Register", "unit": "kWh"}
    value = {"timestamp": now(-30), "sampled_value": [sample]}
    await station.call(call.MeterValues(1, [value], transaction_id=began.transaction_id))
    await station.call(
        call.StopTransaction(3600, now(-1), began.transaction_id, reason="Local", id_tag="GOOD")
    )
    listed = await api("GET", f"/sessions?charge_point_id={identity}&status=completed")
    session = listed["sessions"][0]
    SHOWN["local session"] = [session["energy_kwh"], session["stop_reason"], session["offline"]]

    started = await api(
        "POST",
        f"/cpo/commands/{identity}",
        {"command": "start_session", "parameters": {"connector_id": 1, "id_tag": "GOOD"}},
    )
    SHOWN["remote start"] = started["status"]
    await station.call(call.StatusNotification(1, "NoError", "Preparing"))
    began = await station.call(call.StartTransaction(1, "GOOD", 3600, now()))
    await station.call(call.StatusNotification(1, "NoError", "Charging"))
    command = await api("GET", f"/cpo/commands/{started['command_id']}")
    SHOWN["remote start led to a session"] = [command["state"], command["session_id"] is not None]
    limited = await api(
        "POST",
        f"/cpo/commands/{identity}",
        {"command": "set_power_limit", "parameters": {"connector_id": 1, "limit_watts": 7400}},
    )
    schedule = station.last("SetChargingProfile")["cs_charging_profiles"]["charging_schedule"]
    SHOWN["power limit"] = [limited["status"], schedule["charging_rate_unit"], schedule["charging_schedule_period"]]
    stopped = await api("POST", f"/sessions/{command['session_id']}/stop")
    transaction = station.last("RemoteStopTransaction")["transaction_id"]
    await station.call(call.StopTransaction(4850, now(), transaction, reason="Remote"))
    command = await api("GET", f"/cpo/commands/{stopped['command_id']}")
    session = await api("GET", f"/sessions/{command['session_id']}")
    SHOWN["remote stop"] = [command["state"], session["energy_kwh"], session["stop_reason"]]


async def every_call(identity):
    """Each remaining action of 1.6 from REST, held to its schema on both ends."""
    address = {"charge_point_id": identity}
    hashes = {"hash_algorithm": "SHA256", "issuer_name_hash": "a", "issuer_key_hash": "b", "serial_number": "c"}
    period = {"start_period": 0, "limit": 16.1}
    profile = {
        "charging_profile_id": 1,
        "stack_level": 0,
        "charging_profile_purpose": "TxDefaultProfile",
        "charging_profile_kind": "Relative",
        "charging_schedule": {"charging_rate_unit": "A", "charging_schedule_period": [period]},
    }
    firmware = {
        "location": "https://example.com/f",
        "retrieve_date_time": now(),
        "signing_certificate": "x",
        "signature": "y",
    }
    calls = {
        "cancel_reservation": {"reservation_id": 1},
        "certificate_signed": {"certificate_chain": "x"},
        "change_availability": {"connector_id": 1, "type": "Inoperative"},
        "change_configuration": {"key": "MeterValueSampleInterval", "value": "60"},
        "clear_cache": {},
        "clear_charging_profile": {"id": 1},
        "data_transfer": {"vendor_id": "v", "data": "ping"},
        "delete_certificate": {"certificate_hash_data": hashes},
        "extended_trigger_message": {"requested_message": "Heartbeat"},
        "get_composite_schedule": {"connector_id": 1, "duration": 60},
        "get_configuration": {"key": ["HeartbeatInterval"]},
        "get_diagnostics": {"location": "https://example.com/d"},
        "get_installed_certificate_ids": {"certificate_type": "CentralSystemRootCertificate"},
        "get_local_list_version": {},
        "get_log": {"log": {"remote_location": "https://example.com"}, "log_type": "SecurityLog", "request_id": 1},
        "install_certificate": {"certificate_type": "CentralSystemRootCertificate", "certificate": "x"},
        "reserve_now": {"connector_id": 1, "expiry_date": now(600), "id_tag": "GOOD", "reservation_id": 1},
        "send_local_list": {"list_version": 8, "update_type": "Differential"},
        "set_charging_profile": {"connector_id": 1, "cs_charging_profiles": profile},
        "signed_update_firmware": {"request_id": 1, "firmware": firmware},
        "trigger_message": {"requested_message": "StatusNotification", "connector_id": 1},
        "unlock_connector": {"connector_id": 2},
        "update_firmware": {"location": "https://example.com/f", "retrieve_date": now()},
    }
    statuses = {}
    for path, fields in calls.items():
        answer = await api("POST", f"/ocpp16/{path}", {**address, **fields})
        statuses[path] = answer["status"]
    SHOWN["calls"] = statuses


async def local_list(station, identity):
    command = {"command": "send_local_list", "parameters": {"list_version": 9}}
    answer = await api("POST", f"/cpo/commands/{identity}", command)
    entries = station.last("SendLocalList")["local_authorization_list"]
    SHOWN["local list"] = [answer["status"], {one["id_tag"]: one["id_tag_info"]["status"] for one in entries}]


async def reservation(station, identity):
    body = {"charge_point_id": identity, "connector_id": 2, "id_tag": "GOOD", "expires_at": now(600)}
    kept = await api("POST", "/reservations", body)
    number = station.last("ReserveNow")["reservation_id"]
    began = await station.call(call.StartTransaction(2, "GOOD", 10, now(), reservation_id=number))
    await station.call(call.StopTransaction(20, now(), began.transaction_id))
    used = await api("GET", f"/reservations/{kept['id']}")
    SHOWN["reservation"] = [kept["state"], used["state"]]


async def notifications(station):
    await station.call(call.Heartbeat())
    await station.call(call.StatusNotification(0, "NoError", "Available"))
    await station.call(call.DiagnosticsStatusNotification("Uploaded"))
    await station.call(call.FirmwareStatusNotification("Installed"))
    await station.call(call.SecurityEventNotification("FirmwareUpdated", now(), "3.1"))
    await station.call(call.LogStatusNotification("Uploaded", request_id=1))
    await station.call(call.SignedFirmwareStatusNotification("Installed", request_id=1))
    transfer = await station.call(call.DataTransfer("v"))
    signed = await station.call(call.SignCertificate("csr"))
    SHOWN["notifications"] = [transfer.status, signed.status]


async def main():
    registered = await api(
        "POST", "/chargepoints", {"charge_point_id": "PY*1", "vendor": "Vendor", "model": "Model"}
    )
    identity = registered["charge_point_id"]
    station, running = await connect(registered)
    SHOWN["boot"] = (await boot(station)).status
    shown = await api("GET", f"/chargepoints/{identity}/status")
    SHOWN["status"] = [shown["online"], shown["firmware_version"]]
    await authorizations(station)
    await sessions(station, identity)
    await every_call(identity)
    await local_list(station, identity)
    await reservation(station, identity)
    await notifications(station)
    reset = await api("POST", f"/cpo/commands/{identity}", {"command": "hard_reset"})
    running.cancel()
    await station._connection.close()

    async def closed():
        status = await api("GET", f"/chargepoints/{identity}/status")
        return not status["online"]

    await until(closed, "offline after the socket closed")
    refused = await api("POST", f"/cpo/commands/{identity}", {"command": "soft_reset"}, expected=(409,))
    SHOWN["offline"] = refused["error"]
    station, running = await connect(registered)
    await boot(station)
    command = await api("GET", f"/cpo/commands/{reset['command_id']}")
    SHOWN["reset"] = [reset["status"], command["state"]]
    frames = await api("GET", f"/chargepoints/{identity}/frames?limit=200")
    SHOWN["frames that are not valid"] = [
        one["validity"] for one in frames["frames"] if one["validity"] != "valid"
    ]
    running.cancel()
    await station._connection.close()
    print(json.dumps(SHOWN))


asyncio.run(main())
