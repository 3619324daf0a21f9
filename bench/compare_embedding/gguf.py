"""Reads and writes GGUF files, as far as the models of comparisons need it."""

import struct

import numpy as np

F32, F16, Q4_0, Q8_0, BF16 = 0, 1, 2, 8, 30
TYPES = {"F32": F32, "F16": F16, "Q4_0": Q4_0, "Q8_0": Q8_0, "BF16": BF16}
UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
BLOCK_BYTES = {Q8_0: 34, Q4_0: 18}  # Of 32 values.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def value(item):
    """The type and bytes of a value."""
    if isinstance(item, bool):
        return struct.pack("<I?", BOOL, item)
    if isinstance(item, int):
        return struct.pack("<II", UINT32, item)
    if isinstance(item, float):
        return struct.pack("<If", FLOAT32, item)
    if isinstance(item, (str, bytes)):
        return struct.pack("<I", STRING) + string(item)
    head = struct.pack("<I", ARRAY)
    if isinstance(item[0], (str, bytes)):
        return (head + struct.pack("<IQ", STRING, len(item)) +
                b"".join(map(string, item)))
    kind, code = (INT32, "<i4") if isinstance(item[0], int) else (FLOAT32, "<f4")
    return (head + struct.pack("<IQ", kind, len(item)) +
            np.asarray(item, code).tobytes())


def encode(values, kind):
    """The blocks of an array of float32."""
    flat = np.ascontiguousarray(values, np.float32)
    if kind == F32:
        return flat.tobytes()
    if kind == F16:
        return flat.astype(np.float16).tobytes()
    if kind == BF16:
        bits = flat.view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(
            np.uint16).tobytes()
    blocks = flat.reshape(-1, 32)
    if kind == Q8_0:
        scale = (np.abs(blocks).max(1) / 127).astype(np.float32)
        inverse = np.divide(1, scale, where=scale > 0,
                            out=np.zeros_like(scale))
        codes = np.rint(blocks * inverse[:, None]).astype(np.int8)
        return join(scale, codes.view(np.uint8))
    assert kind == Q4_0
    at = np.abs(blocks).argmax(1)
    scale = blocks[np.arange(len(blocks)), at] / -8
    inverse = np.divide(1, scale, where=scale != 0, out=np.zeros_like(scale))
    codes = np.clip(np.floor(blocks * inverse[:, None] + 8.5), 0, 15).astype(
        np.uint8)
    return join(scale, codes[:, :16] | codes[:, 16:] << 4)


def decode(data, kind):
    """The float32 values of blocks: the inverse of encode(), in one row."""
    raw = np.frombuffer(data, np.uint8)
    if kind == F32:
        return raw.view(np.float32)
    if kind == F16:
        return raw.view(np.float16).astype(np.float32)
    if kind == BF16:
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    blocks = raw.reshape(-1, BLOCK_BYTES[kind])
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    codes = blocks[:, 2:]
    if kind == Q4_0:
        codes = np.concatenate([codes & 15, codes >> 4], axis=1)
        return (scale * (codes.astype(np.float32) - 8)).reshape(-1)
    assert kind == Q8_0
    return (scale * codes.view(np.int8).astype(np.float32)).reshape(-1)


def join(scale, codes):
    return np.concatenate(
        [scale.astype(np.float16)[:, None].view(np.uint8), codes],
        axis=1).tobytes()


class File:
    """Values as (name, bytes of type and value), tensors as (name, shape with
    the innermost dimension first, type, bytes)."""

    def __init__(self):
        self.values = []
        self.tensors = []

    def put(self, key, item):
        self.values = [v for v in self.values if v[0] != key]
        self.values.append((key, value(item)))

    def add(self, name, array, kind=F32):
        array = np.asarray(array)
        self.tensors.append((name, array.shape[::-1], kind,
                             encode(array, kind)))

    def write(self, path):
        head = [struct.pack("<4sIQQ", b"GGUF", 3, len(self.tensors),
                            len(self.values))]
        for key, data in self.values:
            head.append(string(key) + data)
        offset = 0
        for name, shape, kind, data in self.tensors:
            head.append(string(name) + struct.pack(
                f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
            offset += -(-len(data) // 32) * 32
        text = b"".join(head)
        with open(path, "wb") as file:
            file.write(text + bytes(-len(text) % 32))
            for _, _, _, data in self.tensors:
                file.write(data)
                file.write(bytes(-len(data) % 32))


def read(path):
    """A file with its values and tensors of the types of TYPES."""
    with open(path, "rb") as stream:
        data = stream.read()
    tensors, values = struct.unpack_from("<QQ", data, 8)
    at = 24
    result = File()

    def text():
        nonlocal at
        size, = struct.unpack_from("<Q", data, at)
        at += 8 + size
        return data[at - size:at]

    def skip(kind):
        nonlocal at
        if kind == STRING:
            text()
        elif kind == ARRAY:
            inner, count = struct.unpack_from("<IQ", data, at)
            at += 12
            if inner == STRING:
                for _ in range(count):
                    text()
            else:
                at += count * SIZES[inner]
        else:
            at += SIZES[kind]

    for _ in range(values):
        key = text().decode()
        begin = at
        kind, = struct.unpack_from("<I", data, at)
        at += 4
        skip(kind)
        result.values.append((key, data[begin:at]))
    infos = []
    for _ in range(tensors):
        name = text().decode()
        dims, = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dims}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dims)
        at += 16 + 8 * dims
        infos.append((name, shape, kind, offset))
    begin = -(-at // 32) * 32
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        size = (count // 32 * BLOCK_BYTES[kind] if kind in BLOCK_BYTES
                else count * (4 if kind == F32 else 2))
        result.tensors.append((name, shape, kind,
                               data[begin + offset:begin + offset + size]))
    return result
