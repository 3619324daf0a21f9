#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to tests/testdata/fuzz.

  tests/fuzz/make_seeds.py tests/testdata/fuzz

One small file per feature of a format: what a fuzzer would need long to find.
"""
import json
import pathlib
import re
import struct
import sys
import zlib


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(key, kind, data):
    return string(key) + struct.pack("<I", kind) + data


def array(kind, count, data):
    return struct.pack("<IQ", kind, count) + data


def tensor(name, shape, kind, offset):
    return (string(name) + struct.pack("<I", len(shape)) +
            struct.pack(f"<{len(shape)}Q", *shape) +
            struct.pack("<IQ", kind, offset))


def gguf(values=(), tensors=(), data=b"", version=3, align=32):
    head = (b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values)) +
            b"".join(values) + b"".join(tensors))
    return head + b"\0" * (-len(head) % align) + data


def gguf_seeds():
    yield "empty", gguf()
    yield "version2", gguf([value("a", 4, struct.pack("<I", 7))], version=2)
    scalars = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f",
               7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    for kind, form in scalars.items():
        one = struct.pack(form, 1)
        yield f"value{kind}", gguf([value("a", kind, one)])
        yield f"array{kind}", gguf([value("a", 9, array(kind, 2, one * 2))])
    yield "string", gguf([value("a", 8, string("bert"))])
    yield "strings", gguf([value("tokens", 9,
                                 array(8, 3, string("a") + string("") + string("\u2581b")))])
    yield "nested", gguf([value("a", 9, array(9, 1, array(0, 1, b"\1")))])
    yield "huge_array", gguf([value("a", 9, array(4, 1 << 61, b""))])
    yield "twice", gguf([value("a", 0, b"\1"), value("a", 0, b"\1")])
    yield "aligned64", gguf(
        [value("general.alignment", 4, struct.pack("<I", 64))],
        [tensor("t", [4], 0, 0)], b"\0" * 16, align=64)
    blocks = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22),
              7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110),
              12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18),
              23: (256, 136), 30: (1, 2)}
    for kind, (values, size) in blocks.items():
        yield f"tensor{kind}", gguf([], [tensor("t", [values], kind, 0)],
                                    b"\x3c" * size)
    yield "two_tensors", gguf([], [tensor("b", [8], 0, 32), tensor("a", [2, 2, 2, 1], 0, 0)],
                              b"\1" * 64)
    yield "overlap", gguf([], [tensor("a", [16], 0, 0), tensor("b", [8], 0, 32)],
                          b"\1" * 64)
    yield "overflow", gguf([], [tensor("a", [1 << 32, 1 << 30], 0, 0)], b"\1" * 32)
    yield "far", gguf([], [tensor("a", [1], 0, (1 << 64) - 32)], b"\1" * 32)
    # Scripts: version, alignment, then values and tensors.
    yield "script_tensor", bytes([1, 5, 3, 1]) + b"t" + bytes([2, 2, 1, 2, 0])
    yield "script_value", bytes([0, 3, 0, 1]) + b"a" + bytes([4, 4, 1, 0, 0, 0])
    yield "script_strings", bytes([1, 5, 1, 6]) + b"tokens" + bytes([1]) + b"x" + bytes([2]) + b"yz"


def wordpiece_seeds():
    vocabulary = "_un\n_a\nable\na\naff\n_[\n_\u4e2d\n_\u1112\n\u1161\n"
    texts = {
        "plain": "unable unaffable a",
        "upper": "UNABLE \u00c0",
        "punctuation": "a.b,[c]-d\u2014e",
        "ideographs": "a\u4e2db\uf900",
        "hangul": "\ud55c\ud558",
        "accents": "e\u0301\u0302 \u1e69 \u226e",
        "controls": "a\0b\u00ad\u200d\ufffdc\tb\u3000d",
        "hundred": "a" * 100 + " " + "a" * 101,
        "wide": "\U0001f600\u0130\u00df",
        "mark": "un\u2581a \u2581a",
        "empty": "",
    }
    for name, text in texts.items():
        yield name, (vocabulary + "\n" + text).encode()
    yield "not_utf8", vocabulary.encode() + b"\na\xff\xc3 \xed\xa0\x80 \xf5\x80"
    yield "hostile", b"a\n_a\n" + b"a" * 110 + b"b\n\n" + b"a" * 99


def format_seeds():
    """The vectors of docs/storage_format.md behind the number of their reader."""
    readers = {"metadata": 1, "metadata_empty": 1, "descriptor": 2, "op_put": 3,
               "op_delete": 3, "body_put": 4, "body_delete": 4, "row_format": 5,
               "row_open": 6, "row_origin": 7, "row_collection": 8, "row_clock": 9,
               "row_feed": 10, "row_head": 11, "row_request": 12, "system_uuid": 13}
    page = pathlib.Path(__file__).parents[2] / "docs/storage_format.md"
    blocks = re.findall(r"^```vectors$(.*?)^```$", page.read_text(), re.M | re.S)
    for name, digits in re.findall(r"(\w+) =([0-9a-f\s]+?)(?=\w+ =|\Z)", "\n".join(blocks)):
        data = bytes.fromhex(digits)
        if name.startswith("key_"):
            yield name, bytes([0]) + data
        elif name in readers:
            end = -4 if name.startswith("body") else None  # The fuzzer adds the checksum.
            yield name, bytes([readers[name]]) + data[:end]


def code_seeds():
    """Serialized codes (docs/quantizer.md, 1.4); the fuzzer adds the checksum."""
    for mode, bits, codebook, dim in ((1, 1, 1, 9), (1, 3, 1, 8), (1, 4, 1, 20),
                                      (1, 8, 1, 5), (1, 8, 2, 5), (2, 2, 1, 9), (2, 8, 1, 8)):
        size = (dim * bits + 7) // 8 if mode == 1 else (dim * (bits - 1) + 7) // 8 + (dim + 7) // 8
        yield f"mode{mode}_bits{bits}_book{codebook}", (
            b"CSQC" + struct.pack("<4BIQff", 1, mode, bits, codebook, dim, 42, 1.0, 0.5) +
            b"\0" * size)
    yield "version2", b"CSQC\2"
    yield "huge", b"CSQC" + struct.pack("<4BIQff", 1, 1, 8, 2, 0xFFFFFFFF, 0, 1.0, 1.0)


def csv_seeds():
    yield "typed", (b"id,text,vector,metadata,expires_ms,n:int,x:double,b:bool,l:strings\r\n"
                    b'a,"t ""q"",\n",[1],"{""k"":1}",5,-5,0.5,true,"[""u""]"\r\n')
    yield "numeric", b"vector_0,id,vector_1\n1,a,2e0\n,b,\n"
    yield "malformed", b'id,text\na"b,c\n"a"b,c\n"open,\n'


def v1_seeds():
    """Files of the original CorkScrewDB; the first byte tells log (0) from snapshot (1)."""
    def field(data):
        return struct.pack("<I", len(data)) + data

    def fields(text):
        return field(struct.pack("<2f", 1, -2)) + field(text) + field(b'{"k":"v"}')

    def record(kind, lamport, text):
        data = (b"WC" + struct.pack("<BBQ", 1, kind, lamport) + field(b"actor") +
                struct.pack("<q", 5) + field(b"c") + field(b"id") + fields(text))
        return data + struct.pack("<I", zlib.crc32(data))

    log = record(1, 1, b"one") + record(2, 2, b"")
    yield "log", b"\0" + log
    yield "log_torn", b"\0" + log[:-9]
    yield "log_damaged", b"\0" + log[:20] + b"?" + log[21:]
    snapshot = (struct.pack("<IB", 0x43534442, 1) + field(b"c") +
                struct.pack("<iqIQqI", 2, 7, 2, 2, 1, 1) + field(b"id") + struct.pack("<I", 1) +
                fields(b"one") + struct.pack("<Q", 1) + field(b"actor") + struct.pack("<qB", 5, 0))
    yield "snapshot", b"\1" + snapshot + struct.pack("<I", zlib.crc32(snapshot))
    yield "snapshot_damaged", b"\1" + snapshot + b"\0\0\0\0"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def log_fragment(kind, payload):
    """A fragment of a RocksDB log, with its masked checksum."""
    crc = crc32c(bytes([kind]) + payload)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<IHB", masked, len(payload), kind) + payload


def write_batch(sequence, count, synced):
    return (struct.pack("<QI", sequence, count) + b"\3\x10csdbsync" +
            struct.pack(">Q", synced))


def wal_scanner_seeds():
    """First byte: 0 a log, 1 a manifest, 2 one edit, 3 a script."""
    one, two, three = (log_fragment(1, write_batch(n, 1, n - 1)) for n in (1, 2, 3))
    yield "clean", b"\0" + one + two + three
    yield "torn", b"\0" + one + two[:-3]
    yield "damaged", b"\0" + one + two[:9] + b"X" + two[10:] + three
    yield "hole", b"\0" + one + three
    yield "zeros", b"\0" + one + b"\0" * 40
    batch = write_batch(1, 1, 0)
    yield "fragments", (b"\0" + log_fragment(2, batch[:9]) +
                        log_fragment(3, batch[9:20]) + log_fragment(4, batch[20:]))
    yield "no_end", b"\0" + log_fragment(2, batch[:9]) + one
    yield "recyclable", b"\0" + log_fragment(5, b"\1\0\0\0" + batch)
    # Comparator, log number, next file, last sequence; family 1; a file; an unknown
    # field that may be skipped.
    edit = (b"\1\4name\2\7\3\x0a\4\xac\2" + b"\xc8\1\1\xc9\1\4hist" +
            b"\x67\0\5\x64\1a\1b\1\2\2\1x\1" + b"\x81\x40\2id")
    yield "edit", b"\2" + edit
    yield "manifest", b"\1" + log_fragment(1, edit) + log_fragment(1, b"\2\x09")
    yield "drop", b"\2\xc8\1\1\xca\1"
    yield "script", b"\3" + struct.pack("<HBHH", 70, 1, 100, 40000) + batch


def safetensors_seeds():
    def file(header, data=b""):
        text = header.encode()
        return struct.pack("<Q", len(text)) + text + data

    two = ('{"__metadata__":{"format":"pt"},'
           '"b":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},'
           '"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}')
    overlap = ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
               '"b":{"dtype":"BF16","shape":[1],"data_offsets":[3,5]}}')
    overflow = ('{"a":{"dtype":"F64","shape":[4611686018427387904,4],'
                '"data_offsets":[0,0]}}')
    return [("two", file(two, b"<" * 20)), ("empty", file("{}")),
            ("overlap", file(overlap, b"12345")),
            ("overflow", file(overflow)),
            ("long_header", b"\xff" * 8 + b'{"a":1}')]


def hugging_face_seeds():
    special = lambda tokens: [{"id": i, "content": t, "special": True}
                              for i, t in tokens]
    template = lambda *parts: {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A"}} if p is None
                   else {"SpecialToken": {"id": p}} for p in parts]}
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    word = {"added_tokens": special(enumerate(names)),
            "normalizer": {"type": "BertNormalizer", "strip_accents": None,
                           "lowercase": True},
            "post_processor": template("[CLS]", None, "[SEP]"),
            "model": {"type": "WordPiece", "unk_token": "[UNK]",
                      "continuing_subword_prefix": "##",
                      "vocab": {**{t: i for i, t in enumerate(names)},
                                "cat": 4, "##s": 5}}}
    unigram = {"added_tokens": special([(0, "<s>")]),
               "normalizer": {"type": "Precompiled",
                              "precompiled_charsmap": ""},
               "post_processor": {"type": "RobertaProcessing",
                                  "cls": ["<s>", 0], "sep": ["</s>", 1]},
               "model": {"type": "Unigram", "unk_id": 2,
                         "vocab": [["<s>", 0], ["</s>", 0], ["<unk>", 0],
                                   ["\u2581a", -1.5]]}}
    bpe = {"added_tokens": special([(5, "<end>")]),
           "post_processor": template(None, "<end>"),
           "model": {"type": "BPE", "merges": ["a b", ["ab", "c"]],
                     "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}}}
    hole = {"model": {"type": "BPE", "merges": [], "vocab": {"a": 3}}}
    huge = {"model": {"type": "BPE", "merges": [],
                      "vocab": {"a": 2 ** 64 - 1}}}
    return [(name, json.dumps(seed).encode()) for name, seed in
            (("wordpiece", word), ("unigram", unigram), ("bpe", bpe),
             ("hole", hole), ("huge_id", huge))]


def main():
    root = pathlib.Path(sys.argv[1])
    for target, seeds in (("gguf_fuzz", gguf_seeds()),
                          ("wordpiece_fuzz", wordpiece_seeds()),
                          ("format_fuzz", format_seeds()),
                          ("safetensors_fuzz", safetensors_seeds()),
                          ("hugging_face_fuzz", hugging_face_seeds()),
                          ("csv_fuzz", csv_seeds()),
                          ("v1_reader_fuzz", v1_seeds()),
                          ("wal_scanner_fuzz", wal_scanner_seeds()),
                          ("code_format_fuzz", code_seeds())):
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds:
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
