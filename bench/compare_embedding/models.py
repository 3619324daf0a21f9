"""Models to compare on: files as users have them, and seeded random ones."""

import os
import struct

import numpy as np

import gguf

SEED = 20260122


def random_matrix(random, rows, columns):
    return random.standard_normal((rows, columns), np.float32) / np.sqrt(
        np.float32(columns))


def minilm_f32(shared, path):
    """all-MiniLM-L6-v2 with its float16 matrices widened."""
    file = gguf.read(os.path.join(shared, "all-MiniLM-L6-v2-F16.gguf"))
    tensors, file.tensors = file.tensors, []
    for name, shape, kind, data in tensors:
        array = np.frombuffer(
            data, np.float16 if kind == gguf.F16 else np.float32)
        file.add(name, array.astype(np.float32).reshape(shape[::-1]))
    file.put("general.file_type", 0)
    file.write(path)


def static(shared, path):
    """The token table distilled from MiniLM, rows in blocks of Q8_0."""
    table = np.load(os.path.join(shared, "static-minilm-256.npz"))
    minilm = gguf.read(os.path.join(shared, "all-MiniLM-L6-v2-Q8_0.gguf"))
    file = gguf.File()
    file.put("general.architecture", "static")
    file.put("general.name", "static-minilm-256")
    file.put("static.embedding_length", 256)
    file.put("static.context_length", 512)
    file.put("static.pooling_type", 1)
    file.values += [v for v in minilm.values
                    if v[0].startswith("tokenizer.")]
    codes = table["q"].reshape(-1, 32).view(np.uint8)
    scales = np.repeat(table["scale"].astype(np.float32), 256 // 32)
    # [CLS] and [SEP] have rows of zeros: the mean's direction is the others'.
    file.tensors.append(("token_embd.weight", (256, table["q"].shape[0]),
                         gguf.Q8_0, gguf.join(scales, codes)))
    file.write(path)


def letters(count):
    """Characters of the ideographic planes that no normaliser changes."""
    return [chr(0x4E00 + i) if i < 20000 else chr(0x20000 + i - 20000)
            for i in range(count)]


def embedding_gemma(path, kind="Q8_0", layers=24, seed=SEED):
    """Random weights of the shape of EmbeddingGemma-300m. Each ideograph is a
    token, alone and behind a space."""
    width, wide, head, heads, vocabulary = 768, 1152, 256, 3, 262144
    prefix = "gemma-embedding."
    file = gguf.File()
    file.put("general.architecture", "gemma-embedding")
    # A name with "EmbeddingGemma" would bring that model's prompts.
    file.put("general.name", "random weights, shape of the 300m Gemma model")
    for key, item in {
            "block_count": layers, "context_length": 2048,
            "embedding_length": width, "feed_forward_length": wide,
            "attention.head_count": heads, "attention.head_count_kv": 1,
            "attention.key_length": head, "attention.value_length": head,
            "attention.layer_norm_rms_epsilon": 1e-6,
            "attention.sliding_window": 512, "rope.freq_base": 1e6,
            "pooling_type": 1, "dense_2_feat_in": width,
            "dense_2_feat_out": 3072, "dense_3_feat_in": 3072,
            "dense_3_feat_out": width}.items():
        file.put(prefix + key, item)
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokens += [f"<0x{i:02X}>" for i in range(256)] + ["\u2581"]
    types = [3, 3, 3, 2] + [6] * 256 + [1]
    single = letters(20000)
    tokens += single + ["\u2581" + c for c in single]
    tokens += [f"<unused{i}>" for i in range(vocabulary - len(tokens))]
    types += [1] * 40000
    types += [5] * (vocabulary - len(types))
    file.put("tokenizer.ggml.model", "llama")
    file.put("tokenizer.ggml.pre", "default")
    file.put("tokenizer.ggml.tokens", tokens)
    file.put("tokenizer.ggml.scores",
             [-float(i) for i in range(vocabulary)])
    file.put("tokenizer.ggml.token_type", types)
    for key, item in {"bos_token_id": 2, "eos_token_id": 1,
                      "unknown_token_id": 3, "padding_token_id": 0,
                      "add_bos_token": True, "add_eos_token": True,
                      "add_space_prefix": False}.items():
        file.put("tokenizer.ggml." + key, item)
    random = np.random.default_rng(seed)

    def matrix(name, columns, rows):
        file.add(name + ".weight", random_matrix(random, rows, columns),
                 gguf.TYPES[kind])

    def norm(name, size):
        file.add(name + ".weight",
                 1 + random.standard_normal(size, np.float32) / 8)

    matrix("token_embd", width, vocabulary)
    for layer in range(layers):
        at = f"blk.{layer}."
        for name in ("attn_norm", "post_attention_norm", "ffn_norm",
                     "post_ffw_norm"):
            norm(at + name, width)
        norm(at + "attn_q_norm", head)
        norm(at + "attn_k_norm", head)
        matrix(at + "attn_q", width, heads * head)
        matrix(at + "attn_k", width, head)
        matrix(at + "attn_v", width, head)
        matrix(at + "attn_output", heads * head, width)
        matrix(at + "ffn_gate", width, wide)
        matrix(at + "ffn_up", width, wide)
        matrix(at + "ffn_down", wide, width)
    norm("output_norm", width)
    matrix("dense_2", width, 3072)
    matrix("dense_3", 3072, width)
    file.write(path)


def reweighed(source, path, kind, seed):
    """A model like `source` with other random weights: matrices of `kind`."""
    file = gguf.read(source)
    tensors, file.tensors = file.tensors, []
    random = np.random.default_rng(seed)
    for name, shape, _, _ in tensors:
        add_random(file, random, name, shape, kind)
    file.write(path)


def add_random(file, random, name, shape, kind):
    if len(shape) > 1:
        array = random.standard_normal(shape[::-1], np.float32)
        if name.startswith("blk."):
            array *= 1.5 / np.sqrt(np.float32(shape[0]))
        # Positions and types are added to rows and stay float32.
        file.add(name, array, gguf.TYPES[kind]
                 if name.startswith(("blk.", "token_embd.", "dense_"))
                 and "gate_inp" not in name else gguf.F32)
    elif name.endswith(".bias"):
        file.add(name, random.standard_normal(shape, np.float32) / 8)
    else:
        file.add(name, 1 + random.standard_normal(shape, np.float32) / 8)


def experts(source, path, kind, seed):
    """A nomic-bert-moe with the vocabulary of `source`, a nomic-bert."""
    width, wide, count, layers = 64, 128, 8, 4
    base = gguf.read(source)
    file = gguf.File()
    new = "nomic-bert-moe."
    file.put("general.architecture", "nomic-bert-moe")
    for key, data in base.values:
        if key.startswith("nomic-bert."):
            file.values.append((new + key[len("nomic-bert."):], data))
        elif key.startswith("tokenizer."):
            file.values.append((key, data))
    file.put(new + "block_count", layers)
    file.put(new + "expert_count", count)
    file.put(new + "expert_used_count", 2)
    file.put(new + "moe_every_n_layers", 2)
    vocabulary = next(t[1][1] for t in base.tensors
                      if t[0] == "token_embd.weight")
    shapes = {"token_embd.weight": (width, vocabulary),
              "token_types.weight": (width, 2),
              "token_embd_norm.weight": (width,),
              "token_embd_norm.bias": (width,)}
    for layer in range(layers):
        at = f"blk.{layer}."
        shapes[at + "attn_qkv.weight"] = (width, 3 * width)
        shapes[at + "attn_qkv.bias"] = (3 * width,)
        shapes[at + "attn_output.weight"] = (width, width)
        shapes[at + "attn_output.bias"] = (width,)
        for norm in ("attn_output_norm", "layer_output_norm"):
            shapes[at + norm + ".weight"] = (width,)
            shapes[at + norm + ".bias"] = (width,)
        if layer % 2 == 1:
            shapes[at + "ffn_gate_inp.weight"] = (width, count)
            shapes[at + "ffn_up_exps.weight"] = (width, wide, count)
            shapes[at + "ffn_down_exps.weight"] = (wide, width, count)
        else:
            shapes[at + "ffn_up.weight"] = (width, wide)
            shapes[at + "ffn_up.bias"] = (wide,)
            shapes[at + "ffn_down.weight"] = (wide, width)
            shapes[at + "ffn_down.bias"] = (width,)
    random = np.random.default_rng(seed)
    for name, shape in shapes.items():
        add_random(file, random, name, shape, kind)
    file.write(path)


def dequantized(source, path):
    """The model `source` with all its weights expanded to float32."""
    file = gguf.read(source)
    tensors, file.tensors = file.tensors, []
    for name, shape, kind, data in tensors:
        file.add(name, gguf.decode(data, kind).reshape(shape[::-1]))
    file.put("general.file_type", 0)
    file.write(path)


def made(directory, name, make):
    """The path of a model that `make(path)` writes unless it is there."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name + ".gguf")
    if not os.path.exists(path):
        make(path + ".part")
        os.replace(path + ".part", path)
    return path


def words_of(path):
    """Lower-case words that are one token of a WordPiece model."""
    data = dict(gguf.read(path).values)["tokenizer.ggml.tokens"]
    count, = struct.unpack_from("<Q", data, 8)
    at, words = 16, []
    for _ in range(count):
        size, = struct.unpack_from("<Q", data, at)
        token = data[at + 8:at + 8 + size].decode()
        at += 8 + size
        if token[0] == "\u2581" and len(token) > 3 and token[1:].isascii() and \
                token[1:].isalpha():
            words.append(token[1:])
    return words
