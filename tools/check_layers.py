#!/usr/bin/env python3
"""Fails when a folder includes something its row in the tables does not allow.

The tables are the architecture; docs/architecture.md explains it in words.

  tools/check_layers.py ROOT
"""
import pathlib
import re
import sys

from source_tree import source_files

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
    "examples": {"corkscrew"},
}
# Third-party prefix -> the only folders or files that may know it.
OWNED = {
    "CLI/": {"server"},
    "google/protobuf/": {"rpc"},
    "grpc/": {"rpc"},
    "grpcpp/": {"rpc"},
    "hwy/": {"quant", "embed", "base/testing.cc"},
    "nlohmann/": {"server", "embed/golden_vectors.cc",
                  "embed/hugging_face_model.cc",
                  "embed/hugging_face_tokenizer.cc", "embed/json_text.cc", "embed/json_text.h",
                  "embed/manta_embedder.cc", "embed/manta_steps.cc",
                  "embed/mll_package.cc", "embed/safetensors.cc"},
    "openssl/": {"base"},
    "rocksdb/": {"db"},
    "utf8proc.h": {"embed"},
    "xxhash.h": {"base", "db"},
}
# What an application includes or copies uses these and the standard library.
PORTABLE = {"corkscrew", "examples"}

INCLUDE = re.compile(r'\s*#\s*include\s*["<]([^">]+)[">]')


def layer_of(name):
    if name.endswith(".pb.h"):  # Generated: corkscrew/v1/records.grpc.pb.h
        return "proto"
    return name.split("/")[0]


def allowed(folder, file, name):
    """Whether `file` (path in the repository) of `folder` may include `name`."""
    layer = layer_of(name)
    if layer in ALLOWED and layer != folder and layer not in ALLOWED[folder]:
        return False
    if folder in PORTABLE:
        standard = re.fullmatch(r"[a-z0-9_]+", name)
        return bool(standard) or layer in ("absl", "corkscrew")
    return all(folder in owners or file in owners
               for prefix, owners in OWNED.items() if name.startswith(prefix))


def violations(root):
    root = pathlib.Path(root)
    for folder in ALLOWED:
        path = root / ("include/corkscrew" if folder == "corkscrew" else folder)
        for source in source_files(path, {".h", ".cc"}):
            if re.search(r"_(test|fuzz)$", source.stem):
                continue
            file = source.relative_to(root).as_posix()
            for line in source.read_text().splitlines():
                match = INCLUDE.match(line)
                if match and not allowed(folder, file, match[1]):
                    yield f"{file}: must not include {match[1]}"


if __name__ == "__main__":
    found = list(violations(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
