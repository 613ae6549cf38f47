"""Embeds sentences with ONNX Runtime in fp32: what Systole's embeddings are compared with.

The encoder is built here as an ONNX graph from `model.safetensors`, so nothing of Systole takes
part. Needs, from PyPI: numpy onnx onnxruntime safetensors tokenizers.

    python3 -m venv /tmp/reference
    /tmp/reference/bin/pip install numpy onnx onnxruntime safetensors tokenizers
    /tmp/reference/bin/python tests/reference/embed_reference.py \
        ~/.cache/systole/models/minilm tests/data/eval_sentences.txt \
        tests/data/minilm_fp32.safetensors

With `--time LENGTH...` it prints the median time of one forward pass on one thread instead.
"""

import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer


class Graph:
    """Collects nodes and constants of an ONNX graph."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator, *inputs, **attributes):
        output = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def encoder(config, weights):
    """The BERT encoder for one sentence: `ids` [1, tokens] to `vectors` [1, tokens, hidden]."""
    graph = Graph()
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width = hidden // heads

    def linear(value, name):
        product = graph.node("MatMul", value, graph.constant(weights[f"{name}.weight"].T))
        return graph.node("Add", product, graph.constant(weights[f"{name}.bias"]))

    def norm(value, name):
        gain, offset = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        epsilon = config["layer_norm_eps"]
        return graph.node("LayerNormalization", value, gain, offset, axis=-1, epsilon=epsilon)

    def split_heads(value, order):
        shape = graph.constant(np.array([0, 0, heads, width]))
        return graph.node("Transpose", graph.node("Reshape", value, shape), perm=order)

    words = graph.constant(weights["embeddings.word_embeddings.weight"])
    positions = graph.constant(weights["embeddings.position_embeddings.weight"])
    kind = graph.constant(weights["embeddings.token_type_embeddings.weight"][0])
    zero = graph.constant(np.array([0]))
    tokens = graph.node("Shape", "ids", start=1, end=2)
    places = graph.node("Slice", positions, zero, tokens, zero)
    value = graph.node("Add", graph.node("Gather", words, "ids"), places)
    value = norm(graph.node("Add", value, kind), "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        queries = split_heads(linear(value, f"{name}.attention.self.query"), [0, 2, 1, 3])
        keys = split_heads(linear(value, f"{name}.attention.self.key"), [0, 2, 3, 1])
        values = split_heads(linear(value, f"{name}.attention.self.value"), [0, 2, 1, 3])
        root = graph.constant(np.float32(np.sqrt(width)))
        scores = graph.node("Div", graph.node("MatMul", queries, keys), root)
        context = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), values)
        context = graph.node("Transpose", context, perm=[0, 2, 1, 3])
        context = graph.node("Reshape", context, graph.constant(np.array([0, 0, hidden])))
        output = linear(context, f"{name}.attention.output.dense")
        value = norm(graph.node("Add", value, output), f"{name}.attention.output.LayerNorm")
        inner = linear(value, f"{name}.intermediate.dense")
        root = graph.constant(np.float32(np.sqrt(2)))
        error = graph.node("Erf", graph.node("Div", inner, root))
        error = graph.node("Add", error, graph.constant(np.float32(1)))
        inner = graph.node("Mul", graph.node("Mul", inner, error), graph.constant(np.float32(0.5)))
        output = linear(inner, f"{name}.output.dense")
        value = norm(graph.node("Add", value, output), f"{name}.output.LayerNorm")
    graph.nodes.append(helper.make_node("Identity", [value], ["vectors"]))
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [1, "tokens", hidden])]
    body = helper.make_graph(graph.nodes, "encoder", inputs, outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=pathlib.Path, help="folder of the model")
    parser.add_argument("sentences", type=pathlib.Path, help="text file, one sentence a line")
    parser.add_argument("output", type=pathlib.Path, help="safetensors file to write")
    parser.add_argument("--time", type=int, nargs="+", metavar="LENGTH")
    arguments = parser.parse_args()
    config = json.loads((arguments.model / "config.json").read_text())
    model = encoder(config, load_file(arguments.model / "model.safetensors"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)

    def run(ids):
        return session.run(None, {"ids": np.array([ids], np.int64)})[0][0]

    if arguments.time:
        for length in arguments.time:
            times = []
            for _ in range(15):
                start = time.process_time()
                run([1037] * length)
                times.append(time.process_time() - start)
            print(f"{length} tokens: {1e3 * statistics.median(times):.1f} ms of CPU")
        return

    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vectors = []
    for sentence in arguments.sentences.read_text(encoding="utf-8").splitlines():
        vector = run(tokenizer.encode(sentence).ids).mean(axis=0, dtype=np.float64)
        vectors.append((vector / np.linalg.norm(vector)).astype(np.float32))
    save_file({"embeddings": np.stack(vectors)}, arguments.output)
    print(f"{len(vectors)} sentences of {arguments.sentences} embedded")


if __name__ == "__main__":
    main()
