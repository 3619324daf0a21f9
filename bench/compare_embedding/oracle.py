"""Forward passes in float64, by the definitions of the models: slow and plain.

Knows bert, nomic-bert, nomic-bert-moe and modern-bert (arXiv:1810.04805,
arXiv:2402.01613, arXiv:2412.13663).
"""

import math
import struct

import numpy as np

import gguf

KNOWN = ("bert", "nomic-bert", "nomic-bert-moe", "modern-bert")
erf = np.vectorize(math.erf)


def gelu(x):
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def rotate(x, base):
    """Rotary positions; pairs are half a head apart. [heads, tokens, width]"""
    half = x.shape[2] // 2
    angle = np.arange(x.shape[1])[:, None] * base ** (-np.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle),
                           b * np.cos(angle) + a * np.sin(angle)], -1)


class Oracle:
    """A model; weights are those of its blocks."""

    def __init__(self, path):
        file = gguf.read(path)
        self.values = dict(file.values)
        self.architecture = self.text("general.architecture")
        self.weights = {
            name: gguf.decode(data, kind).reshape(shape[::-1]).astype(np.float64)
            for name, shape, kind, data in file.tensors
        } if self.architecture in KNOWN else {}

    def text(self, key):
        return self.values[key][12:].decode()

    def number(self, key, default=None):
        data = self.values.get(f"{self.architecture}.{key}")
        if data is None:
            return default
        kind, = struct.unpack_from("<I", data)
        return struct.unpack_from("<f" if kind == gguf.FLOAT32 else "<I", data,
                                  4)[0]

    def known(self):
        return self.architecture in KNOWN

    def linear(self, name, x):
        y = x @ self.weights[name + ".weight"].T
        bias = self.weights.get(name + ".bias")
        return y if bias is None else y + bias

    def norm(self, name, x):
        weight = self.weights.get(name + ".weight")
        if weight is None:
            return x
        x = x - x.mean(1, keepdims=True)
        x /= np.sqrt((x * x).mean(1, keepdims=True) +
                     self.number("attention.layer_norm_epsilon"))
        return x * weight + self.weights.get(name + ".bias", 0)

    def attention(self, layer, x):
        at = f"blk.{layer}.attn_"
        qkv = (self.linear(at + "qkv", x) if at + "qkv.weight" in self.weights
               else np.concatenate([self.linear(at + p, x) for p in "qkv"], 1))
        tokens, heads = len(x), self.number("attention.head_count")
        q, k, v = np.moveaxis(qkv.reshape(tokens, 3, heads, -1), 0, 2)
        base, hidden = self.number("rope.freq_base"), np.zeros((tokens, tokens))
        if self.architecture == "modern-bert" and layer % 3 != 0:
            base = self.number("rope.freq_base_swa", 10000.0)
            place = np.arange(tokens)
            reach = self.number("attention.sliding_window") // 2
            hidden[np.abs(place[:, None] - place) > reach] = -np.inf
        if self.architecture != "bert":
            q, k = rotate(q, base), rotate(k, base)
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[2]) + hidden
        mixed = (softmax(scores) @ v).transpose(1, 0, 2).reshape(tokens, -1)
        return self.linear(at + "output", mixed)

    def feed_forward(self, layer, x):
        at = f"blk.{layer}.ffn_"
        if at + "gate_inp.weight" in self.weights:
            return self.experts(at, x)
        up = self.linear(at + "up", x)
        if self.architecture == "nomic-bert":
            up = silu(self.linear(at + "gate", x)) * up
        elif self.architecture == "modern-bert":
            gate, value = np.split(up, 2, 1)
            up = gelu(gate) * value
        else:
            up = gelu(up)
        return self.linear(at + "down", up)

    def experts(self, at, x):
        share = softmax(self.linear(at + "gate_inp", x))
        best = np.argsort(-share, 1)[:, :self.number("expert_used_count")]
        y = np.zeros_like(x)
        for row, chosen in enumerate(best):
            for e in chosen:
                up = gelu(self.weights[at + "up_exps.weight"][e] @ x[row])
                y[row] += share[row, e] * (
                    self.weights[at + "down_exps.weight"][e] @ up)
        return y

    def vector(self, ids):
        x = self.weights["token_embd.weight"][ids]
        if "token_types.weight" in self.weights:
            x = x + self.weights["token_types.weight"][0]
        if "position_embd.weight" in self.weights:
            x = x + self.weights["position_embd.weight"][:len(ids)]
        x = self.norm("token_embd_norm", x)
        for layer in range(self.number("block_count")):
            at = f"blk.{layer}."
            if self.architecture == "modern-bert":
                x = x + self.attention(layer, self.norm(at + "attn_norm", x))
                x = x + self.feed_forward(layer, self.norm(at + "ffn_norm", x))
                continue
            x = self.norm(at + "attn_output_norm", x + self.attention(layer, x))
            x = self.norm(at + "layer_output_norm",
                          x + self.feed_forward(layer, x))
        x = self.norm("output_norm", x)
        # 1 mean, 2 the first token.
        return x[0] if self.number("pooling_type", 1) == 2 else x.mean(0)
