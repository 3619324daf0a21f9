"""The engines of the comparison, each behind build() and search().

An engine gets normalised float32 vectors and answers inner product queries with
row numbers. It uses one thread. `rescore` candidates are scored again with the
vectors by a compiled loop (rescore.c).

As a program: a worker that builds one engine and measures passes on request, so
that passes of several engines can take turns. One JSON object per line:
  -> {"engine": NAME, "base": FILE, "queries": FILE, "k": N, "core": N,
      "scratch": DIR}
  <- {"build_s": ..., "rss_mb": ..., "empty_us": ...}
  -> {"pass": true}
  <- {"us": [...], "ids": [[...]]}
"""

import ctypes
import json
import os
import resource
import sqlite3
import subprocess
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1",
                  OPENBLAS_NUM_THREADS="1")
import numpy as np  # noqa: E402  After the number of threads.


class Turbovec:
    def __init__(self, bits):
        self.bits = bits

    def build(self, base, scratch, train):
        import turbovec
        self.index = turbovec.TurboQuantIndex(base.shape[1], self.bits)
        # As its documentation advises: a uniform sample before adding.
        sample = np.random.default_rng(1).choice(
            len(train), min(1024, len(train)), replace=False)
        self.index.calibrate(np.ascontiguousarray(train[np.sort(sample)]))
        self.index.add(base)
        self.index.prepare()

    def search(self, query, k):
        return self.index.search(query[None, :], k)[1][0]


class Faiss:
    def __init__(self, factory):
        self.factory = factory

    def build(self, base, scratch, train):
        import faiss
        faiss.omp_set_num_threads(1)
        self.index = faiss.index_factory(base.shape[1], self.factory,
                                         faiss.METRIC_INNER_PRODUCT)
        self.index.train(train)
        self.index.add(base)

    def search(self, query, k):
        return self.index.search(query[None, :], k)[1][0]


class Hnswlib:
    def __init__(self, ef):
        self.ef = ef

    def build(self, base, scratch, train):
        import hnswlib
        self.index = hnswlib.Index(space="ip", dim=base.shape[1])
        self.index.init_index(max_elements=len(base), M=16,
                              ef_construction=200)
        self.index.set_num_threads(1)
        self.index.add_items(base)
        self.index.set_ef(self.ef)

    def search(self, query, k):
        return self.index.knn_query(query, k)[0][0].astype(np.int64)


class UsearchExact:
    def build(self, base, scratch, train):
        self.base = base

    def search(self, query, k):
        import usearch.index
        found = usearch.index.search(self.base, query, k,
                                     usearch.index.MetricKind.IP, exact=True,
                                     threads=1)
        return np.asarray(found.keys).astype(np.int64)


class SqliteVector:
    def __init__(self, quantization):
        self.quantization = quantization

    def build(self, base, scratch, train):
        import importlib.resources
        self.db = sqlite3.connect(":memory:")
        self.db.enable_load_extension(True)
        self.db.load_extension(
            str(importlib.resources.files("sqlite_vector.binaries") / "vector"))
        self.db.execute("create table t(id integer primary key, v blob)")
        self.db.executemany("insert into t values(?, ?)",
                            ((i, row.tobytes()) for i, row in enumerate(base)))
        self.db.execute("select vector_init('t', 'v', ?)",
                        (f"dimension={base.shape[1]},type=FLOAT32,"
                         "distance=DOT",))
        self.db.execute("select vector_quantize('t', 'v', ?)",
                        (f"qtype={self.quantization}",))
        self.db.execute("select vector_quantize_preload('t', 'v')")

    def search(self, query, k):
        rows = self.db.execute(
            "select rowid from vector_quantize_scan('t', 'v', ?, ?)",
            (query.tobytes(), k))
        return np.array([row[0] for row in rows], dtype=np.int64)


class Zvec:
    initialized = False

    def __init__(self, quantization):
        self.quantization = quantization

    def build(self, base, scratch, train):
        import zvec
        self.zvec = zvec
        if not Zvec.initialized:  # Once per process.
            zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1)
            Zvec.initialized = True
        params = zvec.FlatIndexParam(
            metric_type=zvec.MetricType.IP,
            quantize_type=getattr(zvec.QuantizeType, self.quantization))
        schema = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32,
                                   base.shape[1], params)
        self.index = zvec.create_and_open(
            os.path.join(scratch, "zvec"),
            zvec.CollectionSchema(name="c", vectors=schema))
        for first in range(0, len(base), 500):
            self.index.insert([
                zvec.Doc(id=str(i), vectors={"v": base[i].tolist()})
                for i in range(first, min(first + 500, len(base)))])
        self.index.optimize()

    def search(self, query, k):
        hits = self.index.query(
            self.zvec.Query(field_name="v", vector=query.tolist()), topk=k,
            output_fields=[])
        return np.array([int(hit.id) for hit in hits], dtype=np.int64)


class QdrantEdge:
    def __init__(self, bits, oversampling):
        self.bits = bits
        self.oversampling = oversampling

    def build(self, base, scratch, train):
        import qdrant_edge as qe
        self.qe = qe
        self.shard = qe.EdgeShard.create(
            os.path.join(scratch, "qdrant"),
            qe.EdgeConfig(
                vectors=qe.EdgeVectorParams(size=base.shape[1],
                                            distance=qe.Distance.Dot),
                quantization_config=qe.TurboQuantQuantizationConfig(
                    always_ram=True,
                    bits=getattr(qe.TurboQuantBitSize, f"Bits{self.bits}")),
                max_search_threads=1))
        for first in range(0, len(base), 1000):
            self.shard.update(qe.UpdateOperation.upsert_points([
                qe.Point(i, base[i].tolist(), {})
                for i in range(first, min(first + 1000, len(base)))]))
        self.shard.optimize()
        self.params = qe.SearchParams(
            quantization=qe.QuantizationSearchParams(
                rescore=True, oversampling=self.oversampling))

    def search(self, query, k):
        hits = self.shard.query(self.qe.QueryRequest(
            limit=k, query=self.qe.Query.Nearest(query.tolist()),
            params=self.params))
        return np.array([hit.id for hit in hits], dtype=np.int64)


# name -> (engine, candidates that are rescored or 0)
ENGINES = {
    "turbovec 4 bits": (lambda: Turbovec(4), 0),
    "turbovec 2 bits": (lambda: Turbovec(2), 0),
    "turbovec 4 bits + rescore 40": (lambda: Turbovec(4), 40),
    "turbovec 2 bits + rescore 40": (lambda: Turbovec(2), 40),
    "turbovec 2 bits + rescore 100": (lambda: Turbovec(2), 100),
    "faiss PQ96x4fs": (lambda: Faiss("PQ96x4fs"), 0),
    "faiss PQ96x4fs + rescore 100": (lambda: Faiss("PQ96x4fs"), 100),
    "faiss RaBitQfs + rescore 100": (lambda: Faiss("RaBitQfs"), 100),
    "faiss Flat": (lambda: Faiss("Flat"), 0),
    "usearch exact f32": (UsearchExact, 0),
    "hnswlib M16 ef64": (lambda: Hnswlib(64), 0),
    "hnswlib M16 ef128": (lambda: Hnswlib(128), 0),
    "sqlite-vector TURBO4": (lambda: SqliteVector("TURBO4"), 0),
    "sqlite-vector TURBO2": (lambda: SqliteVector("TURBO2"), 0),
    "zvec flat int8": (lambda: Zvec("INT8"), 0),
    "qdrant-edge TQ2 HNSW + rescore x4": (lambda: QdrantEdge(2, 4.0), 0),
}


def rescorer(directory):
    library = os.path.join(directory, "rescore.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "rescore.c")
    subprocess.run(["cc", "-O3", "-march=native", "-ffast-math", "-shared",
                    "-fPIC", "-o", library, source], check=True)
    function = ctypes.CDLL(library).rescore
    function.restype = None
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p,
                         ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t,
                         ctypes.c_void_p]

    def rescore(base, query, candidates, k):
        candidates = np.ascontiguousarray(candidates, dtype=np.int64)
        out = np.empty(k, dtype=np.int64)
        function(base.ctypes.data, base.shape[1], query.ctypes.data,
                 candidates.ctypes.data, len(candidates), k, out.ctypes.data)
        return out
    return rescore


def rss_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def one_pass(engine, base, queries, k, candidates, rescore):
    microseconds, ids = [], []
    for query in queries:
        start = time.perf_counter_ns()
        found = engine.search(query, candidates or k)
        if candidates:
            found = rescore(base, query, found, k)
        microseconds.append((time.perf_counter_ns() - start) / 1000)
        ids.append([int(i) for i in found[:k]])
    return {"us": microseconds, "ids": ids}


def main():
    request = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, {request["core"]})
    make, candidates = ENGINES[request["engine"]]
    base = np.load(request["base"])
    queries = np.load(request["queries"])
    scratch = request["scratch"]
    rescore = rescorer(scratch) if candidates else None
    k = request["k"]

    # What a call costs when there is next to nothing to search.
    small = os.path.join(scratch, "small")
    os.makedirs(small)
    engine = make()
    engine.build(base[:64], small, base[:4096])
    one_pass(engine, base, queries, min(k, 64), 0, None)
    empty_us = float(np.median(
        one_pass(engine, base, queries, min(k, 64), 0, None)["us"]))
    del engine

    before = rss_mb()
    engine = make()
    start = time.perf_counter()
    engine.build(base, scratch, base[:100_000])
    built = {"build_s": time.perf_counter() - start,
             "rss_mb": rss_mb() - before, "empty_us": empty_us}
    one_pass(engine, base, queries[:100], k, candidates, rescore)
    print(json.dumps(built), flush=True)
    for _ in sys.stdin:
        print(json.dumps(one_pass(engine, base, queries, k, candidates,
                                  rescore)), flush=True)


if __name__ == "__main__":
    main()
