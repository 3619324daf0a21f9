#!/usr/bin/env python3
"""Uses a node from Python with nothing but gRPC and the .proto files.

    client_test.py ADDRESS TOKEN_FILE PROTO_DIR MODEL

Puts, reads, searches and imports texts and vectors through the running node at
ADDRESS, and checks what comes back. Stubs are generated as the script starts.
Debian packages: python3-grpcio, python3-protobuf, protobuf-compiler,
protobuf-compiler-grpc.
"""
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc

ADDRESS, TOKEN_FILE, PROTO_DIR, MODEL = sys.argv[1:5]

stubs = tempfile.TemporaryDirectory()
subprocess.run(
    ["protoc", f"--proto_path={PROTO_DIR}", f"--python_out={stubs.name}",
     f"--grpc_out={stubs.name}",
     f"--plugin=protoc-gen-grpc={shutil.which('grpc_python_plugin')}",
     *map(str, pathlib.Path(PROTO_DIR).rglob("*.proto"))], check=True)
sys.path.insert(0, stubs.name)

from corkscrew.v1 import admin_pb2, admin_pb2_grpc
from corkscrew.v1 import collections_pb2, collections_pb2_grpc
from corkscrew.v1 import records_pb2, records_pb2_grpc
from corkscrew.v1 import search_pb2, search_pb2_grpc
from corkscrew.v1 import types_pb2
from google.rpc import error_details_pb2, status_pb2

# The example of docs/rpc.md: from here to the first function that tests.
token = pathlib.Path(TOKEN_FILE).read_text().strip()
metadata = [("authorization", f"Bearer {token}")]
channel = grpc.insecure_channel(ADDRESS)
collections = collections_pb2_grpc.CollectionsStub(channel)
records = records_pb2_grpc.RecordsStub(channel)
searches = search_pb2_grpc.SearchStub(channel)
admin = admin_pb2_grpc.AdminStub(channel)


def call(method, request):
    return method(request, metadata=metadata, timeout=60)


def text_item(id, text, **values):
    item = records_pb2.PutItem()
    item.record.id = id
    item.record.text = text
    for key, value in values.items():
        kind = "int_value" if isinstance(value, int) else "string_value"
        setattr(item.record.metadata[key], kind, value)
    return item


call(collections.CreateCollection, collections_pb2.CreateCollectionRequest(
    name="notes", options=types_pb2.CollectionOptions(model=MODEL)))
notes = types_pb2.CollectionRef(name="notes")

reply = call(records.Put, records_pb2.PutRequest(collection=notes, items=[
    text_item("cat", "the cat sat on the mat", animal="cat", year=2021),
    text_item("dog", "a dog chased the ball", animal="dog", year=2022),
    text_item("tax", "the tax return is due in May", year=2023),
]))
first = reply.lamport

found = call(searches.Search, search_pb2.SearchRequest(
    collection=notes,
    query=search_pb2.Query(text="a kitten on a rug", k=2)))
for hit in found.hits:
    print(f"{hit.score:.3f} {hit.id}: {hit.text}")


def expect_error(code, method, request, **arguments):
    """Returns the message and the ErrorInfo of the failure."""
    try:
        method(request, timeout=60, **arguments)
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin")
        info = error_details_pb2.ErrorInfo()
        if details is not None:
            status_pb2.Status.FromString(details).details[0].Unpack(info)
        return error.details(), info
    raise AssertionError(f"no error, want {code}")


def test_texts():
    assert found.hits[0].id == "cat", found
    assert len(found.hits) == 2 and found.coverage.answered == 1
    assert found.hits[0].metadata["year"].int_value == 2021
    assert not found.hits[0].vector

    recent = types_pb2.Filter(
        op=types_pb2.FILTER_OP_GE, key="year",
        values=[types_pb2.Value(int_value=2022)])
    newer = call(searches.Search, search_pb2.SearchRequest(
        collection=notes,
        query=search_pb2.Query(text="a kitten on a rug", filter=recent)))
    assert [hit.id for hit in newer.hits] == ["dog", "tax"], newer

    # The past is searched as it was.
    deleted = call(records.Delete, records_pb2.DeleteRequest(
        collection=notes, ids=["cat", "nothing"]))
    assert list(deleted.deleted) == [True, False]
    query = search_pb2.Query(text="a kitten on a rug")
    now = call(searches.Search, search_pb2.SearchRequest(
        collection=notes, query=query))
    assert "cat" not in [hit.id for hit in now.hits]
    query.at.lamport = first
    then = call(searches.Search, search_pb2.SearchRequest(
        collection=notes, query=query))
    assert then.hits[0].id == "cat" and then.at == first

    history = call(records.History, records_pb2.HistoryRequest(
        collection=notes, id="cat"))
    assert [version.deleted for version in history.versions] == [True, False]
    got = call(records.Get, records_pb2.GetRequest(
        collection=notes, ids=["cat", "dog"]))
    assert [result.HasField("record") for result in got.results] == [
        False, True]
    assert got.results[1].record.record.text == "a dog chased the ball"


def test_vectors():
    info = call(collections.CreateCollection,
                collections_pb2.CreateCollectionRequest(
                    name="points",
                    options=types_pb2.CollectionOptions(
                        dim=8, metric=types_pb2.METRIC_L2))).collection
    points = types_pb2.CollectionRef(name="points", uuid=info.uuid)
    items = []
    for i in range(100):
        item = records_pb2.PutItem()
        item.record.id = f"p{i:02}"
        item.record.vector.extend(
            math.cos(2 * math.pi * i * d / 100) for d in range(8))
        items.append(item)
    call(records.Put, records_pb2.PutRequest(collection=points, items=items))
    query = search_pb2.Query(
        vector=search_pb2.Vector(values=items[7].record.vector), k=3,
        exact=True, fields=types_pb2.Fields(vector=True))
    found = call(searches.Search, search_pb2.SearchRequest(
        collection=points, query=query))
    assert [hit.score for hit in found.hits][0] == 0.0
    assert found.hits[0].id in ("p07", "p93"), found  # Mirror images.
    assert len(found.hits[0].vector) == 8
    batch = call(searches.SearchBatch, search_pb2.SearchBatchRequest(
        collection=points, queries=[query, query]))
    assert [list(r.hits) for r in batch.responses] == [list(found.hits)] * 2

    # Pages hold the moment of the first one.
    seen, page_token = [], ""
    while True:
        page = call(records.List, records_pb2.ListRequest(
            collection=points, page_size=30, page_token=page_token))
        seen += [stored.record.id for stored in page.records]
        page_token = page.next_page_token
        if not page_token:
            break
        call(records.Delete, records_pb2.DeleteRequest(
            collection=points, ids=["p99"]))
    assert seen == [f"p{i:02}" for i in range(100)]
    count = call(records.Count, records_pb2.CountRequest(collection=points))
    assert count.count == 99

    # A handle by uuid does not reach the next collection of that name.
    call(collections.DropCollection,
         collections_pb2.DropCollectionRequest(collection=points))
    call(collections.CreateCollection, collections_pb2.CreateCollectionRequest(
        name="points", options=types_pb2.CollectionOptions(dim=3)))
    message, info = expect_error(
        grpc.StatusCode.NOT_FOUND, records.Count,
        records_pb2.CountRequest(collection=points), metadata=metadata)
    assert info.reason == "COLLECTION_REPLACED", (message, info)


def test_import():
    def requests(batches):
        yield records_pb2.ImportRequest(
            collection=types_pb2.CollectionRef(name="notes"),
            options=records_pb2.WriteOptions(request_id="import-1"))
        for batch in batches:
            yield records_pb2.ImportRequest(items=batch)

    batches = [[text_item(f"n{b}-{i}", f"note {i} of batch {b}")
                for i in range(16)] for b in range(4)]
    for reply in records.Import(requests(batches), metadata=metadata,
                                timeout=600):
        print(f"batch {reply.index} is durable")
    assert reply.index == 3
    assert reply.put.items[15].version.lamport == reply.put.lamport
    # Once more with the same request id: nothing is written twice.
    replies = list(records.Import(requests(batches), metadata=metadata,
                                  timeout=600))
    assert all(reply.put.replayed for reply in replies)
    stats = call(admin.CollectionStats, admin_pb2.CollectionStatsRequest(
        collection=types_pb2.CollectionRef(name="notes"))).stats
    assert stats.info.records == 2 + 64, stats


def test_errors():
    listing = collections_pb2.ListCollectionsRequest()
    for wrong in ([], [("authorization", "Bearer wrong")]):
        message, _ = expect_error(grpc.StatusCode.UNAUTHENTICATED,
                                  collections.ListCollections, listing,
                                  metadata=wrong)
        assert "token" in message
    message, info = expect_error(
        grpc.StatusCode.NOT_FOUND, records.Count,
        records_pb2.CountRequest(
            collection=types_pb2.CollectionRef(name="absent")),
        metadata=metadata)
    assert "absent" in message, message
    assert (info.domain, info.reason) == ("corkscrewdb", "NOT_FOUND"), info
    assert info.metadata["collection"] == "absent"
    message, _ = expect_error(
        grpc.StatusCode.INVALID_ARGUMENT, searches.Search,
        search_pb2.SearchRequest(
            collection=types_pb2.CollectionRef(name="points"),
            query=search_pb2.Query(vector=search_pb2.Vector(values=[1, 2]))),
        metadata=metadata)
    assert "2" in message and "3" in message, message


test_texts()
test_vectors()
test_import()
test_errors()
print("ok")
