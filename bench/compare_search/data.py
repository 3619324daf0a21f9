"""Vectors to compare on, made once and kept: base, queries, true neighbours.

  debian           descriptions of Debian packages, embedded by our own default
                   model; 1,000 of them are the queries (real data)
  vaswani          the abstracts and queries of the Vaswani collection, likewise
  clustered-10k, -100k, -1m, clustered-1536
                   generated: 500 clusters of Zipf(0.7) sizes, centres uniform
                   on the sphere, Gaussian noise in a shared subspace of rank 48
                   and a little in all directions
  FILE.npy, FILE.fvecs
                   yours; 1,000 random rows are held out as queries

All are normalised float32.
"""

import json
import os
import struct
import subprocess
import threading

import numpy as np

NAMES = ["debian", "clustered-10k", "clustered-100k", "clustered-1536",
         "clustered-1m"]
QUERIES = 1000


class Dataset:
    def __init__(self, name, directory):
        self.name = name
        self.base = os.path.join(directory, "base.npy")
        self.queries = os.path.join(directory, "queries.npy")
        self.directory = directory
        self.rows, self.dim = np.load(self.base, mmap_mode="r").shape

    def truth_file(self, k):
        """Rows of the k best inner products in double precision, as float64,
        ties by row."""
        path = os.path.join(self.directory, f"truth{k}.npy")
        if os.path.exists(path):
            return path
        base = np.load(self.base)
        queries = np.load(self.queries).astype(np.float64)
        best = []
        for first in range(0, len(base), 100_000):
            part = base[first:first + 100_000].astype(np.float64)
            scores = queries @ part.T
            rows = np.argpartition(-scores, min(k, len(part)) - 1,
                                   axis=1)[:, :k]
            best.append((np.take_along_axis(scores, rows, 1), rows + first))
        scores = np.concatenate([s for s, _ in best], axis=1)
        rows = np.concatenate([r for _, r in best], axis=1)
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        np.save(path, np.take_along_axis(rows, order, 1).astype(np.float64))
        return path

    def truth(self, k):
        return np.load(self.truth_file(k)).astype(np.int64)


def load(name, cache, root):
    directory = os.path.join(cache, os.path.basename(name))
    if not os.path.exists(os.path.join(directory, "queries.npy")):
        os.makedirs(directory, exist_ok=True)
        base, queries = make(name, root)
        np.save(os.path.join(directory, "base.npy"), normalised(base))
        np.save(os.path.join(directory, "queries.npy"), normalised(queries))
    return Dataset(name, directory)


def normalised(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(name, root):
    if name == "debian":
        return held_out(embed(debian_descriptions(), root))
    if name == "vaswani":
        return vaswani(root)
    if name.startswith("clustered-"):
        size = name.split("-")[1]
        rows = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000,
                "1536": 100_000}[size]
        return clustered(rows, 1536 if size == "1536" else 384)
    if name.endswith(".npy"):
        return held_out(np.load(name))
    if name.endswith(".fvecs"):
        return held_out(fvecs(name))
    raise SystemExit(f"no data is called {name}; known: {', '.join(NAMES)}, "
                     "vaswani, or a .npy or .fvecs file")


def held_out(vectors):
    chosen = np.random.default_rng(20).permutation(len(vectors))
    queries = chosen[:min(QUERIES, len(vectors) // 2)]
    return np.delete(vectors, queries, axis=0), vectors[queries]


def clustered(rows, dim):
    rng = np.random.default_rng(7)
    clusters, rank = 500, 48
    centres = normalised(rng.standard_normal((clusters, dim)))
    weights = 1 / np.arange(1, clusters + 1) ** 0.7
    subspace = rng.standard_normal((rank, dim)) / np.sqrt(dim)
    out = np.empty((rows + QUERIES, dim), dtype=np.float32)
    for first in range(0, len(out), 50_000):
        count = min(50_000, len(out) - first)
        chosen = rng.choice(clusters, count, p=weights / weights.sum())
        out[first:first + count] = (
            centres[chosen] +
            0.12 * rng.standard_normal((count, rank)) @ subspace +
            0.015 * rng.standard_normal((count, dim)))
    return out[QUERIES:], out[:QUERIES]


def fvecs(path):
    with open(path, "rb") as file:
        dim = struct.unpack("<i", file.read(4))[0]
    return np.fromfile(path, dtype="<f4").reshape(-1, dim + 1)[:, 1:].copy()


def debian_descriptions():
    """One line per package of the lists that apt has on this machine."""
    dump = subprocess.run(["apt-cache", "dumpavail"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    texts = {}
    for paragraph in dump.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.split("\n")
                      if ": " in line and not line.startswith(" "))
        text = fields.get("Description") or fields.get("Description-en")
        if text and "Package" in fields:
            texts[fields["Package"]] = text
    return sorted(set(texts.values()))


def vaswani(root):
    directory = os.path.join(root, "..", "shared", "data", "eval",
                             "vaswani_jsonl")
    texts = {}
    for part in ("docs", "queries"):
        with open(os.path.join(directory, part + ".jsonl")) as file:
            texts[part] = [json.loads(line)["text"] for line in file]
    return embed(texts["docs"], root), embed(texts["queries"], root)


def embed(texts, root):
    """By the project's own embedder."""
    program = os.path.join(root, "build", "release", "server", "corkscrew")
    lines = "\n".join(" ".join(text.split()) for text in texts) + "\n"
    process = subprocess.Popen([program, "embed", "--json"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    writer = threading.Thread(
        target=lambda: (process.stdin.write(lines), process.stdin.close()))
    writer.start()
    vectors = [np.array(json.loads(line)["vector"], dtype=np.float32)
               for line in process.stdout]
    writer.join()
    if process.wait() != 0 or len(vectors) != len(texts):
        raise SystemExit(f"corkscrew embed gave {len(vectors)} vectors for "
                         f"{len(texts)} texts")
    return np.stack(vectors)
