"""Reads topics with paho-mqtt (MQTT 5) and prints each message as a line of JSON.

usage: mqtt_reader.py PORT USER PASSWORD FILTER [FILTER ...]

Prints `READY` once every subscription is granted; `REFUSED reason` and exit 1 if the broker says no.
"""

import json
import sys

import paho.mqtt.client as mqtt

port, user, password, *filters = sys.argv[1:]


def refused(reason):
    print("REFUSED", reason, flush=True)
    client.disconnect()
    sys.exit(1)


def connected(client, userdata, flags, reason, properties):
    if reason.is_failure:
        refused(reason)
    client.subscribe([(topic, mqtt.SubscribeOptions(qos=1)) for topic in filters])


def subscribed(client, userdata, message_id, reasons, properties):
    for reason in reasons:
        if reason.is_failure:
            refused(reason)
    print("READY", flush=True)


def received(client, userdata, message):
    print(json.dumps({
        "topic": message.topic,
        "retain": message.retain,
        "payload": json.loads(message.payload) if message.payload else None,
    }), flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, client_id=user)
client.username_pw_set(user, password)
client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, received
client.connect("127.0.0.1", int(port))
client.loop_forever()
