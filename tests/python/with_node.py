#!/usr/bin/env python3
"""Runs a command beside a fresh node and stops the node afterwards.

    with_node.py CORKSCREWD MODEL_DIR COMMAND...

In COMMAND, {address} and {token_file} become those of the node, which has an
empty database and a fresh token. Exits as the command does, or with 1 if the
node did not start or did not stop cleanly.
"""
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

corkscrewd, model_dir, *command = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    token_file = pathlib.Path(folder, "token")
    token_file.touch(mode=0o600)
    token_file.write_text(secrets.token_hex(32) + "\n")
    node = subprocess.Popen(
        [corkscrewd, "--data", pathlib.Path(folder, "data"),
         "--listen", "127.0.0.1:0", "--token-file", token_file,
         "--model-dir", model_dir], stdout=subprocess.PIPE, text=True)
    try:
        ready = node.stdout.readline()
        address = re.search(r"127\.0\.0\.1:\d+", ready)
        if address is None:
            sys.exit(f"no ready line from {corkscrewd}: {ready!r}")
        code = subprocess.run([
            part.format(address=address[0], token_file=token_file)
            for part in command]).returncode
        node.terminate()
        stopped = node.wait(timeout=60)
        if stopped != 0:
            sys.exit(f"{corkscrewd} ended with {stopped}, want 0")
    finally:
        node.kill()
sys.exit(code)
