#!/usr/bin/env python3
"""Fails on text that does not belong in the repository.

Work left open and tests switched off are done or written into an issue, not
left in the code; a path of one machine means nothing on another.

  tools/check_text.py ROOT
"""
import pathlib
import re
import sys

from source_tree import source_files

# What is forbidden -> why. The patterns do not match their own text here.
FORBIDDEN = {
    r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b": "work left open",
    r"GTEST[_]SKIP|\bDISABLED[_]": "a test that does not run",
    r"(?<![\w.}~-])/(work|farm|home|root|Users|mnt)/": "a path of one machine",
    r"\b(this_thread::sleep[_]|absl::Sleep[F]or|usleep[(])": "a sleep; inject the clock",
}
# Where waiting for other processes is the matter itself: no clock of ours to
# inject there.
WAITS = ("bench/", "tests/processes/", "db/store.cc", "rpc/open_or_connect.cc")
# Texts of others, kept as they came.
QUOTED = {"LICENSE"}
MAX_BYTES = 2 << 20  # Larger files are data.


def violations(root):
    root = pathlib.Path(root)
    for path in source_files(root):
        name = path.relative_to(root).as_posix()
        if name in QUOTED or "testdata" in path.parts:
            continue
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            continue
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(
                data.decode(errors="replace").splitlines(), 1):
            for pattern, reason in FORBIDDEN.items():
                match = re.search(pattern, line)
                if match and not (reason.startswith("a sleep") and
                                  name.startswith(WAITS)):
                    yield f"{name}:{number}: {match[0]!r} is {reason}"


if __name__ == "__main__":
    found = list(violations(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
