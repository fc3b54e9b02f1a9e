"""A Modbus device made with pymodbus, which knows nothing of Dynamo's code.

usage: modbus_device.py tcp PORT IMAGE | rtu PATH BAUD IMAGE

IMAGE is JSON: {"unit": {"address": value, ...}, ...}, one space for holding and input registers.
Prints `READY`, then a line for each write: `WROTE unit address value ...`. Lines on standard
input change registers: `unit address value ...`. Ends when standard input does.
"""

import asyncio
import json
import sys
from functools import partial

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve_registers(unit, image, function, start, address, count, registers, values):
    if values is None:
        for offset in range(address - start, address - start + count):
            registers[offset] = image[unit].get(start + offset, registers[offset])
    else:
        for offset, value in enumerate(values):
            image[unit][address + offset] = value
        print("WROTE", unit, address, *values, flush=True)


def device(unit, image):
    blocks = [SimData(address, values=value, datatype=DataType.REGISTERS) for address, value in sorted(image[unit].items())]
    return SimDevice(id=unit, simdata=blocks, action=partial(serve_registers, unit, image))


async def main(words):
    image = {int(unit): {int(address): value for address, value in registers.items()}
             for unit, registers in json.loads(words[-1]).items()}
    devices = [device(unit, image) for unit in image]
    if words[0] == "tcp":
        server = ModbusTcpServer(devices, address=("127.0.0.1", int(words[1])))
    else:
        server = ModbusSerialServer(devices, framer=FramerType.RTU, port=words[1], baudrate=int(words[2]))
    await server.serve_forever(background=True)
    print("READY", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        unit, address, *values = (int(word) for word in line.split())
        for offset, value in enumerate(values):
            image[unit][address + offset] = value
    await server.shutdown()


asyncio.run(main(sys.argv[1:]))
