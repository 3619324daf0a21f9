#!/usr/bin/env python3
"""Fails when a folder includes something its row in the table does not allow.

The table is the architecture; docs/architecture.md explains it in words.
"""
import pathlib
import re
import sys

# Folder -> folders it may include, besides itself. "corkscrew" stands for
# include/corkscrew, "proto" for the code generated from proto/.
ALLOWED = {
    "corkscrew": set(),
    "base": set(),
    "quant": {"corkscrew", "base"},
    "embed": {"corkscrew", "base"},
    "proto": set(),
    "db": {"corkscrew", "base", "quant"},
    "rpc": {"corkscrew", "base", "proto"},
    "server": {"corkscrew", "base", "embed", "rpc"},
}
# Third-party prefix -> the only folders that may know it.
OWNED = {"rocksdb/": {"db"}, "grpcpp/": {"rpc"}, "hwy/": {"base", "quant", "embed"}}


def layer_of(name):
    if name.endswith(".pb.h"):  # Generated: corkscrew/v1/corkscrew.grpc.pb.h
        return "proto"
    return name.split("/")[0]


def violations(root):
    for folder, allowed in ALLOWED.items():
        path = root / ("include/corkscrew" if folder == "corkscrew" else folder)
        for file in sorted(p for p in path.rglob("*") if p.suffix in {".h", ".cc"}):
            if re.search(r"_(test|fuzz)$", file.stem):
                continue
            for line in file.read_text().splitlines():
                match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
                if not match:
                    continue
                name = match[1]
                layer = layer_of(name)
                inside = layer not in ALLOWED or layer == folder or layer in allowed
                owned = all(folder in owners for prefix, owners in OWNED.items()
                            if name.startswith(prefix))
                if not (inside and owned):
                    yield f"{file.relative_to(root)}: must not include {name}"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(bool(found))
