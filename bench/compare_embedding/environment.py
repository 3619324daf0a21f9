"""The peer and the Python packages of comparisons, below build/compare-embed.

llama.cpp comes as node-llama-cpp, installed without running its scripts: it
brings a built library and never fetches or compiles another.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "compare-embed")
PEER = "node-llama-cpp@3.22.1"


def enter():
    """Goes on in the environment with numpy; makes that at first."""
    environment = os.path.join(WORK, "venv")
    if os.path.realpath(sys.prefix) == os.path.realpath(environment):
        return
    python = os.path.join(environment, "bin", "python")
    requirements = os.path.join(HERE, "requirements.txt")
    stamp = os.path.join(environment, "installed.txt")
    with open(requirements) as file:
        wanted = file.read()
    installed = ""
    if os.path.exists(stamp):
        with open(stamp) as file:
            installed = file.read()
    if installed != wanted:
        os.makedirs(WORK, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment],
                       check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r",
                        requirements], check=True)
        with open(stamp, "w") as file:
            file.write(wanted)
    os.execv(python, [python] + sys.argv)


def install_peer():
    """Installs llama.cpp unless it is there."""
    package = os.path.join(WORK, "node_modules", "node-llama-cpp",
                           "package.json")
    if os.path.exists(package):
        with open(package) as file:
            if PEER.endswith("@" + json.load(file)["version"]):
                return
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(WORK, "package.json"), "w") as file:
        file.write('{"private": true}\n')
    subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit",
                    "--no-fund", "--loglevel=error", PEER], cwd=WORK,
                   check=True)


class Llama:
    """llama.cpp in a process of its own, with one model."""

    def __init__(self, model, threads=1):
        install_peer()
        # Modules are looked for beside the program, so it goes there.
        program = os.path.join(WORK, "llama.mjs")
        with open(os.path.join(HERE, "llama.mjs")) as file:
            text = file.read()
        with open(program, "w") as file:
            file.write(text)
        self.process = subprocess.Popen(
            ["node", program, model, str(threads)], cwd=WORK,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded = self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("llama.cpp ended")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def ask(self, **message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
