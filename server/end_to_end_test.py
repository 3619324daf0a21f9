#!/usr/bin/env python3
"""Runs the real corkscrew and corkscrewd as a script would.

    end_to_end_test.py CORKSCREW CORKSCREWD SOURCE_DIR

Every verb on a directory and on a node must print the same; a node must stop
when told and keep what it acknowledged when killed; encoded vectors must be
those of the golden file of the quantizer's specification.
"""
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

CORKSCREW, CORKSCREWD, SOURCE = sys.argv[1:4]
TEXTS = pathlib.Path(SOURCE, "examples/data/wordnet.jsonl")
GOLDEN = pathlib.Path(SOURCE, "tests/testdata/tq/golden.json")
MAKE_TOKEN = "0123456789abcdef0123456789abcdef\n"
WAIT = 120  # Seconds; only a hang takes this long.


def run(*arguments, stdin="", code=0):
    """Runs corkscrew and returns (standard output, standard error)."""
    done = subprocess.run([CORKSCREW, *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, timeout=WAIT)
    if done.returncode != code:
        raise AssertionError(f"{arguments}: exit code {done.returncode}, want "
                             f"{code}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def write_npy(path, rows, dim):
    """Writes rows of numbers as float64; returns the path."""
    header = ("{'descr': '<f8', 'fortran_order': False, 'shape': "
              f"({len(rows)}, {dim}), }}\n").encode()
    path.write_bytes(
        b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header +
        b"".join(struct.pack(f"<{dim}d", *row) for row in rows))
    return path


class Node:
    """A running corkscrewd."""

    def __init__(self, data, token_file, **environment):
        self.process = subprocess.Popen(
            [CORKSCREWD, "--data", data, "--listen", "127.0.0.1:0",
             "--token-file", token_file],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
        self.ready = self.process.stdout.readline()
        match = re.fullmatch(r"corkscrewd ready on (127\.0\.0\.1:\d+)\n",
                             self.ready)
        if not match:
            self.process.kill()
            raise AssertionError(self.ready + self.process.communicate()[1])
        self.address = match[1]

    def stop(self, how=signal.SIGTERM):
        """Returns (exit code, further standard output, standard error)."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err


class EndToEndTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.token = self.dir / "token"
        self.token.write_text(MAKE_TOKEN)
        self.token.chmod(0o600)
        lines = TEXTS.read_text().splitlines()[:3500:20]
        self.texts = self.dir / "texts.jsonl"
        self.texts.write_text("\n".join(lines) + "\n")
        self.records = [json.loads(line) for line in lines]

    def node(self, data, **environment):
        node = Node(data, self.token, **environment)
        self.addCleanup(node.process.communicate)
        self.addCleanup(node.process.kill)
        return node

    def session(self, target, *options):
        """Uses every verb; returns what was printed, times left out."""
        printed = []

        def step(*arguments, **settings):
            out, _ = run(*arguments, *options, **settings)
            out = re.sub(r'"wall_ms":\d+', '"wall_ms":0', out)
            out = re.sub(r'"version":"(\d+\.\d+)[^"]*"', r'"version":"\1"',
                         out)
            out = re.sub(r'"seconds":[\d.e-]+', '"seconds":0', out)
            out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", out)
            # Tokens and tables hold no times, but stats differ in sizes.
            printed.append((arguments[0], arguments[2:], out))
            return out

        step("collection", "create", target, "words", "--json")
        step("collection", "create", target, "points", "--dim", 2, "--metric",
             "l2", "--bits", 8)
        step("collection", "create", target, "words", code=1)
        bad = self.dir / "bad.jsonl"
        bad.write_text(self.texts.read_text() + '{"id": 1}\n{"id": "x"\n')
        out = step("import", target, "words", bad, "--json", code=3)
        self.assertEqual(json.loads(out)["written"], len(self.records))
        self.assertEqual(json.loads(out)["invalid"], 2)
        out = step("import", target, "words", self.texts, "--json")
        self.assertEqual(json.loads(out)["unchanged"], len(self.records))
        self.assertEqual(json.loads(out)["written"], 0)
        moment = json.loads(out)["lamport"]

        step("import", target, "points", "-",
             stdin='{"id":"a","vector":[0,0]}\n{"id":"b","vector":[3,4],'
                   '"metadata":{"n":7,"d":7.5,"l":["x"],"t":true}}\n')
        out = step("search", target, "points", "@-", "--json", "--with-vectors",
                   stdin='{"id":"q1","vector":[3,3]}\n'
                         '{"id":"q2","vector":[1,2,3]}\n'
                         '{"id":"q3","vector":[0,1]}\n', code=3)
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([a["query"] for a in answers], ["q1", "q3"])
        self.assertEqual([(h["id"], h["score"]) for h in answers[0]["hits"]],
                         [("b", 1), ("a", 18)])

        first = step("search", target, "words", "a small animal", "--json")
        self.assertEqual(len(first.splitlines()), 10)
        best = json.loads(first.splitlines()[0])
        self.assertLessEqual({"id", "score", "lamport"}, best.keys())
        exact = step("search", target, "words", "a small animal", "--exact",
                     "--json")
        # Other searches round the vectors.
        settled = json.loads(exact.splitlines()[0])
        self.assertAlmostEqual(settled.pop("score"), best["score"], 5)
        self.assertEqual(settled | {"score": best["score"]}, best)
        out = step("search", target, "words", "to move", "--filter",
                   'pos = "verb" and uses >= 1', "--k", 5, "--json")
        self.assertEqual({json.loads(line)["metadata"]["pos"]
                          for line in out.splitlines()}, {"verb"})
        step("search", target, "words", "--like", best["id"], "--k", 3)

        step("put", target, "words", "new", "a very small animal",
             "--metadata", '{"pos": "noun"}', "--json")
        step("delete", target, "words", best["id"], "missing", "--json")
        now = step("search", target, "words", "a small animal", "--json")
        self.assertNotIn(best["id"], [json.loads(line)["id"]
                                      for line in now.splitlines()])
        self.assertEqual(first, step("search", target, "words",
                                     "a small animal", "--at", moment,
                                     "--json"))
        step("get", target, "words", best["id"], "new", "--json", code=4)
        step("get", target, "words", best["id"], "--at", moment)
        out = step("history", target, "words", best["id"], "--json")
        self.assertEqual([json.loads(line)["deleted"]
                          for line in out.splitlines()], [True, False])
        out = step("list", target, "words", "--page-size", 3, "--filter",
                   "exists(uses)", "--json")
        token = json.loads(out.splitlines()[-1])["next_page_token"]
        step("list", target, "words", "--page-size", 3, "--filter",
             "exists(uses)", "--page-token", token)
        out = step("count", target, "words")
        self.assertEqual(out, f"{len(self.records)}\n")
        step("count", target, "words", "--at", moment, "--filter",
             'words contains "dog"', "--json")
        step("collection", "info", target, "words", "--json")
        step("collection", "list", target)
        step("collection", "drop", target, "points")
        step("collection", "info", target, "points", code=4)
        run("stats", target, *options)
        stats = json.loads(run("stats", target, "--json", *options)[0])
        self.assertEqual([c["name"] for c in stats["collections"]], ["words"])
        return printed

    def test_a_directory_and_a_node_print_the_same(self):
        on_directory = self.session(self.dir / "local")
        node = self.node(self.dir / "served")
        on_node = self.session(node.address, "--token-file", self.token)
        self.assertEqual(len(on_directory), len(on_node))
        for local, remote in zip(on_directory, on_node):
            if local[0] == "list":  # Its page tokens are opaque.
                continue
            self.assertEqual(local[0], remote[0])
            self.assertEqual(local[2], remote[2])

        # The node holds the directory: a command on it connects to the node,
        # without a token. Then the node gives it back.
        self.assertEqual(run("count", self.dir / "served", "words")[0],
                         f"{len(self.records)}\n")
        socket = self.dir / "served" / "socket"
        self.assertEqual(socket.stat().st_mode & 0o777, 0o600)
        self.assertEqual(run("count", f"unix:{socket}", "words")[0],
                         f"{len(self.records)}\n")
        code, out, log = node.stop()
        self.assertEqual((code, out), (0, ""))
        events = [json.loads(line) for line in log.splitlines()]
        self.assertEqual([e["event"] for e in events],
                         ["opened", "ready", "ready", "draining", "stopped"])
        for event in events:
            self.assertRegex(event["ts"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
            self.assertEqual(event["level"], "info")
        self.assertEqual(run("count", self.dir / "served", "words")[0],
                         f"{len(self.records)}\n")

    def test_a_killed_node_keeps_what_it_acknowledged(self):
        node = self.node(self.dir / "data")
        options = ["--token-file", self.token]
        run("collection", "create", node.address, "words", *options)
        run("import", node.address, "words", self.texts, *options)
        before, _ = run("search", node.address, "words", "bright light",
                        "--json", *options)
        node.stop(signal.SIGKILL)
        node = self.node(self.dir / "data")
        after, _ = run("search", node.address, "words", "bright light",
                       "--json", *options)
        self.assertEqual(before, after)
        self.assertEqual(node.stop(signal.SIGINT)[0], 0)

    def test_a_token_is_needed_and_checked(self):
        node = self.node(self.dir / "data")
        _, err = run("stats", node.address, code=1)
        self.assertIn("--token-file", err)
        wrong = self.dir / "wrong"
        wrong.write_text(MAKE_TOKEN[::-1])
        wrong.chmod(0o600)
        run("stats", node.address, "--token-file", wrong, code=1)
        run("stats", node.address, "--token-file", self.token)
        node.stop()
        run("stats", node.address, "--token-file", self.token, code=5)

    def test_a_node_that_can_not_start_says_why_in_one_line(self):
        def refused(*arguments, token=self.token, code=1, **environment):
            done = subprocess.run(
                [CORKSCREWD, *map(str, arguments)] +
                (["--token-file", str(token)] if token else []),
                capture_output=True, text=True, timeout=WAIT,
                env={**os.environ, **environment})
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(done.stdout, "")
            return [line for line in done.stderr.splitlines()
                    if not line.startswith("{")]

        data = self.dir / "data"
        self.assertIn("--data", refused(code=2)[0])
        self.assertIn("--token-file", refused("--data", data, token=None,
                                              code=2)[0])
        self.assertIn("loopback", refused("--data", data, "--listen",
                                          "0.0.0.0:0")[0])
        self.assertIn("umask 077", refused("--data", data,
                                           token=self.dir / "none")[1])
        self.token.chmod(0o644)
        self.assertIn("chmod 600", refused("--data", data)[1])
        self.token.chmod(0o600)
        holder = self.node(data)
        error = refused(CORKSCREWD_DATA=str(data))
        self.assertEqual(len(error), 1)
        self.assertIn(str(holder.process.pid), error[0])
        # The option wins over the variable.
        self.assertIn("loopback", refused("--listen", "10.0.0.1:1",
                                          CORKSCREWD_DATA=str(self.dir / "b"),
                                          CORKSCREWD_LISTEN="127.0.0.1:0")[0])

    def test_nothing_is_created_by_a_read(self):
        for verb in (["stats"], ["collection", "list"]):
            run(*verb, self.dir / "none", code=4)
        run("search", self.dir / "none", "words", "text", code=4)
        self.assertFalse((self.dir / "none").exists())

    def test_embed_takes_names_and_paths(self):
        text = "The cat sat on the mat.\n\n"
        named, _ = run("embed", "--json", stdin=text)
        lines = [json.loads(line) for line in named.splitlines()]
        self.assertEqual(lines[0]["tokens"],
                         [101, 1996, 4937, 2938, 2006, 1996, 13523, 1012, 102])
        self.assertEqual(len(lines[0]["vector"]), 384)
        self.assertFalse(lines[0]["truncated"])
        self.assertEqual(lines[1]["tokens"], [101, 102])
        model = pathlib.Path(SOURCE, "models/corkscrew-default-1.gguf")
        self.assertEqual(run("embed", "--model", model, "--json",
                             stdin=text)[0], named)
        cut = json.loads(run("embed", "--json", stdin="word " * 1000)[0])
        self.assertTrue(cut["truncated"])
        self.assertEqual(len(cut["tokens"]), 512)
        run("embed", "--model", "no-such-model", stdin=text, code=4)

    def test_a_killed_import_goes_on_without_second_versions(self):
        # Ids repeat, so that only the request ids tell what was written.
        lines = [json.dumps({"id": f"id{i % 37}", "vector": [1, i, i % 5]}) + "\n"
                 for i in range(4000)]
        everything = "".join(lines)
        seed = int.from_bytes(os.urandom(4), "little")
        print(f"seed {seed}", file=sys.stderr)
        chance = random.Random(seed)
        node = self.node(self.dir / "node")
        for target in (self.dir / "db", node.address):
            options = ["--token-file", self.token]
            run("collection", "create", target, "c", "--dim", 3, *options)
            for _ in range(5):
                process = subprocess.Popen(
                    [CORKSCREW, "import", str(target), "c", "-",
                     *map(str, options)], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    text=True)
                process.stdin.write(everything[:chance.randrange(len(everything))])
                process.stdin.flush()
                process.kill()
                process.stdin.close()
                process.wait(WAIT)
            out, _ = run("import", target, "c", "-", "--json", *options,
                         stdin=everything)
            done = json.loads(out)
            self.assertEqual(done["written"] + done["replayed"], len(lines))
            stats = json.loads(run("stats", target, "--json", *options)[0])
            self.assertEqual(stats["collections"][0]["versions"], len(lines))
            last = json.loads(run("get", target, "c", "id3", "--json",
                                  "--with-vectors", *options)[0])
            self.assertEqual(last["vector"], [1, 3999 - (3999 - 3) % 37,
                                              (3999 - (3999 - 3) % 37) % 5])

    def test_a_node_saves_below_its_directory(self):
        saved = self.dir / "saved"
        saved.mkdir()
        node = self.node(self.dir / "db", CORKSCREWD_BACKUP_DIR=str(saved))
        options = ["--token-file", self.token]
        run("collection", "create", node.address, "c", "--dim", 2, *options)
        run("import", node.address, "c", "-", *options,
            stdin='{"id":"a","vector":[1,2],"text":"one"}\n'
                  '{"id":"b","vector":[2,1]}\n{"id":"b","deleted":true}\n')

        def saves(*arguments):
            """Calls it on the node's address, or on the directory it holds."""
            target = [node.address, *options]
            if len(arguments) == 4:
                target, arguments = [self.dir / "db"], arguments[:3]
            verb = arguments[:-1]
            return json.loads(run(*verb, target[0], arguments[-1], "--json",
                                  *target[1:])[0])

        snapshot = saves("snapshot", "one")
        self.assertEqual(snapshot["collections"][0]["lamport"], 2)
        self.assertEqual(saves("backup", "create", "repository")["generation"],
                         1)
        self.assertEqual(saves("backup", "create", "repository",
                               "by directory")["generation"], 2)
        log = saves("offload", "logs")
        self.assertEqual((log["new_ops"], log["logs"][0]["position"]), (3, 3))
        self.assertEqual(saves("offload", "logs")["new_ops"], 0)
        for bad in ("../out", "/tmp/out", ".hidden"):
            _, err = run("snapshot", node.address, bad, *options, code=1)
            self.assertIn("is no name for a backup", err)
        (saved / "link").symlink_to("/tmp")
        run("backup", "create", node.address, "link", *options, code=1)
        run("snapshot", node.address, "one", *options, code=1)

        want, _ = run("get", node.address, "c", "a", "--json",
                      "--with-vectors", *options)
        node.stop()
        run("backup", "verify", saved / "repository", "--generation", 1)
        run("restore", saved / "repository", self.dir / "restored")
        run("restore", saved / "one", self.dir / "from-snapshot")
        run("log", "verify", saved / "logs")
        listed = json.loads(run("log", "list", saved / "logs", "--json")[0])
        self.assertEqual(listed, log["logs"][0])
        replayed = json.loads(run("log", "replay", saved / "logs",
                                  self.dir / "replayed", "--json")[0])
        self.assertEqual((replayed["written"], replayed["left_out"]), (3, 0))
        for copy in ("restored", "from-snapshot", "replayed"):
            got, _ = run("get", self.dir / copy, "c", "a", "--json",
                         "--with-vectors")
            self.assertEqual(json.loads(got)["vector"],
                             json.loads(want)["vector"])
            self.assertEqual(json.loads(got)["lamport"],
                             json.loads(want)["lamport"])
            history = run("history", self.dir / copy, "c", "b", "--json")[0]
            self.assertEqual(len(history.splitlines()), 2)

        plain = self.node(self.dir / "plain")
        _, err = run("snapshot", plain.address, "one", *options, code=1)
        self.assertIn("--backup-dir", err)

    def test_a_node_is_configured_by_a_file(self):
        config = self.dir / "node.toml"
        config.write_text(f'data = "{self.dir}/db"\nlisten = "127.0.0.1:0"\n'
                          f'token_file = "{self.token}"\nlow_space = "1 MiB"\n')
        process = subprocess.Popen([CORKSCREWD, "--config", config],
                                   stdout=subprocess.PIPE, text=True)
        self.assertRegex(process.stdout.readline(), "^corkscrewd ready on 127")
        process.terminate()
        process.communicate(timeout=WAIT)
        self.assertEqual(process.returncode, 0)
        config.write_text("dta = 1\n")
        checked = subprocess.run([CORKSCREWD, "--check-config", "--config",
                                  config], capture_output=True, text=True,
                                 check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn(f'{config}:1: unknown key "dta"; did you mean "data"?',
                      checked.stderr)

    def test_encode_writes_the_records_of_the_golden_file(self):
        cells = [c for c in json.loads(GOLDEN.read_text())["cells"]
                 if c["dim"] in (3, 25, 384)]
        self.assertEqual({c["mode"] for c in cells}, {"mse", "ip"})
        for cell in cells:
            dim = cell["dim"]
            rows, want = [], b""
            for vector in cell["vectors"]:
                source = vector["input"]
                row = [0.0] * dim
                if source["kind"] == "onehot":
                    row[source["index"]] = source["value"]
                elif source["kind"] == "ramp":
                    row = [((7 * i) % 23 - 11) / 2 for i in range(dim)]
                elif source["kind"] != "zeros":
                    continue
                rows.append(row)
                want += bytes.fromhex(vector["codes"])
                want += bytes.fromhex(vector.get("signs", ""))
                scale = vector["scale" if cell["mode"] == "mse" else "gamma"]
                want += struct.pack("<ff", float.fromhex(vector["norm"]),
                                    float.fromhex(scale))
            npy = write_npy(self.dir / "in.npy", rows, dim)
            run("encode", "--bits", cell["bits"], "--seed",
                int(cell["seed"], 16), "--mode", cell["mode"], "--codebook",
                cell["codebook"], npy, self.dir / "out.bin")
            self.assertEqual((self.dir / "out.bin").read_bytes().hex(),
                             want.hex(), cell["bits"])

    def test_bench_measures_recall_against_brute_force(self):
        rng = random.Random(5)
        rows = [[rng.gauss(0, 1) for _ in range(48)] for _ in range(700)]
        base = write_npy(self.dir / "base.npy", rows[50:], 48)
        queries = write_npy(self.dir / "queries.npy", rows[:50], 48)

        def bench(*options):
            return json.loads(run("bench", "search", "--base", base,
                                  "--queries", queries, "--json", *options)[0])

        for metric in ("cosine", "dot", "l2"):
            exact = bench("--metric", metric, "--exact")
            self.assertEqual(exact["recall_at_k"], 1.0, metric)
            self.assertEqual(exact["vectors"], 650)
        coarse = bench("--bits", "1", "--codes-only")
        fine = bench("--bits", "8", "--codes-only", "--batch", "7")
        self.assertLess(coarse["recall_at_k"], fine["recall_at_k"])
        self.assertGreater(fine["recall_at_k"], 0.95)
        self.assertEqual(coarse["rescore_bytes_per_vector"], 0)
        filtered = bench("--exact", "--selectivity", "0.1")
        self.assertEqual((filtered["recall_at_k"], filtered["fewest_hits"]),
                         (1.0, 10))

        # Against neighbours that are given, of a database that is kept.
        wrong = write_npy(self.dir / "truth.npy", [[0.0] * 10] * 50, 10)
        kept = ("--database", self.dir / "kept")
        self.assertGreater(bench(*kept)["build_s"], 0)
        again = bench(*kept, "--truth", wrong)
        self.assertEqual(again["build_s"], 0)
        self.assertLess(again["recall_at_k"], 0.2)
        _, err = run("bench", "search", "--base", queries, "--queries", queries,
                     *kept, code=1)
        self.assertIn("holds 650 records of 4 bits, want 50 of 4", err)

        live = json.loads(run("recall", self.dir / "kept", "bench", "--samples",
                              "40", "--json")[0])
        self.assertGreater(live["recall_at_k"], 0.95)
        self.assertGreaterEqual(live["samples"], 40)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
