# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers, as much as the CRI needs: messages as dictionaries, described by tables.

A schema maps a message's name to {field: (number, type)}; a type is "string", "bytes", "int" (all varints), "map"
(string to string), the name of another message, or one of these after "*", which is a list.
"""


def _varint(number):
    number &= (1 << 64) - 1  # negative numbers take ten bytes
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number, kind, payload):
    return _varint(number << 3 | kind) + payload


def _delimited(number, payload):
    return _field(number, 2, _varint(len(payload)) + payload)


class Schema:
    def __init__(self, messages):
        self.messages = messages

    def encode(self, name, values):
        fields = self.messages[name]
        out = b""
        for key, value in values.items():
            number, kind = fields[key]
            many = kind.startswith("*")
            for one in value if many else [value]:
                out += self._encode_one(number, kind.lstrip("*"), one)
        return out

    def _encode_one(self, number, kind, value):
        if kind == "int":
            return _field(number, 0, _varint(int(value)))
        if kind == "string":
            return _delimited(number, value.encode())
        if kind == "bytes":
            return _delimited(number, value)
        if kind == "map":
            entries = (_delimited(1, k.encode()) + _delimited(2, v.encode()) for k, v in value.items())
            return b"".join(_delimited(number, entry) for entry in entries)
        return _delimited(number, self.encode(kind, value))

    def decode(self, name, data):
        """Fields that are not in the message have their default, unknown ones are passed over."""
        fields = {number: (key, kind) for key, (number, kind) in self.messages[name].items()}
        values = {}
        for key, kind in fields.values():
            default = {"int": 0, "string": "", "bytes": b"", "map": {}}
            values[key] = [] if kind.startswith("*") else default.get(kind, None)
        for number, payload in _fields(data):
            if number not in fields:
                continue
            key, kind = fields[number]
            value = self._decode_one(kind.lstrip("*"), payload)
            if kind.startswith("*"):
                values[key].append(value)
            elif kind == "map":
                values[key] = {**values[key], **value}
            else:
                values[key] = value
        return values

    def _decode_one(self, kind, payload):
        if kind == "int":
            return payload - (1 << 64) if payload >> 63 else payload
        if kind == "string":
            return payload.decode()
        if kind == "bytes":
            return payload
        if kind == "map":
            entry = {1: b"", 2: b"", **dict(_fields(payload))}
            return {entry[1].decode(): entry[2].decode()}
        return self.decode(kind, payload)


def _read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def _fields(data):
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            payload, at = _read_varint(data, at)
        elif kind == 2:
            size, at = _read_varint(data, at)
            payload, at = data[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            payload, at = int.from_bytes(data[at : at + size], "little"), at + size
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, payload
