"""Times the backbone (ViT-H on one picture of 256 x 192, 32-bit) against PyTorch, in turns within one run.

Usage: vit.py PROGRAM [--rounds N] [--threads 1 2] [--pictures 1] [--out FILE]

PROGRAM is the compiled bench/vit.rs. Both read the same random weights, which are written to a temporary
folder (2.5 GB), and both see the same picture; their features are compared before anything is timed. The two
take turns pass by pass, so both see the same machine; medians and minima of all passes are compared. Linux only.
bench/vit.sh builds and calls all this.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from machine import processor

WIDTH, DEPTH, HEADS, HIDDEN, TOKENS = 1280, 32, 16, 5120, 192
HEAD_WIDTH, HEAD_INNER, HEAD_DEPTH = 1024, 512, 6
EPSILON = 1e-6
SPIN_SECONDS = 0.3


def cpu_seconds(pid):
    """Processor time that a process has used: what to compare when other programs are running."""
    with open(f"/proc/{pid}/stat") as line:
        user, system = line.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def weights():
    """Random weights under the names of the released checkpoints, and the shapes that tell the head's sizes."""
    random = torch.Generator().manual_seed(7)
    tensors = {}

    def layer(name, outputs, *inputs):
        size = torch.Size(inputs).numel() ** -0.5
        tensors[f"{name}.weight"] = torch.randn(outputs, *inputs, generator=random) * size
        tensors[f"{name}.bias"] = torch.randn(outputs, generator=random) * 0.02

    def norm(name):
        tensors[f"{name}.weight"] = 1 + 0.1 * torch.randn(WIDTH, generator=random)
        tensors[f"{name}.bias"] = 0.1 * torch.randn(WIDTH, generator=random)

    layer("backbone.patch_embed.proj", WIDTH, 3, 16, 16)
    tensors["backbone.pos_embed"] = torch.randn(1, 1 + TOKENS, WIDTH, generator=random) * 0.1
    for i in range(DEPTH):
        block = f"backbone.blocks.{i}"
        norm(f"{block}.norm1")
        norm(f"{block}.norm2")
        layer(f"{block}.attn.qkv", 3 * WIDTH, WIDTH)
        layer(f"{block}.attn.proj", WIDTH, WIDTH)
        layer(f"{block}.mlp.fc1", HIDDEN, WIDTH)
        layer(f"{block}.mlp.fc2", WIDTH, HIDDEN)
    norm("backbone.last_norm")

    layers = "mano_head.transformer.transformer"
    for i in range(HEAD_DEPTH):
        look = f"{layers}.layers.{i}.1"
        tensors[f"{look}.norm.weight"] = torch.ones(HEAD_WIDTH)
        tensors[f"{look}.fn.to_q.weight"] = torch.zeros(HEAD_INNER, HEAD_WIDTH)
        tensors[f"{look}.fn.to_kv.weight"] = torch.zeros(2 * HEAD_INNER, WIDTH)
        tensors[f"{layers}.layers.{i}.2.fn.net.0.weight"] = torch.zeros(HEAD_WIDTH, HEAD_WIDTH)
        tensors[f"{layers}.cross_view_layers.{i}.0.norm.weight"] = torch.ones(HEAD_WIDTH)
    tensors[f"{layers}.pos_enc_f.pos_table"] = torch.zeros(1, 30, HEAD_WIDTH)
    return tensors


class Block(nn.Module):
    """A block of the backbone, as PyTorch would write it today."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, EPSILON)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH)})
        self.norm2 = nn.LayerNorm(WIDTH, EPSILON)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, HIDDEN), "fc2": nn.Linear(HIDDEN, WIDTH)})

    def forward(self, x):
        batch = x.shape[0]
        qkv = self.attn["qkv"](self.norm1(x)).reshape(batch, TOKENS, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv)
        x = x + self.attn["proj"](mixed.transpose(1, 2).reshape(batch, TOKENS, WIDTH))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Backbone(nn.Module):
    """The backbone with the released names."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TOKENS, WIDTH))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, 16, 16, 2)})
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.last_norm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, pictures):
        x = self.patch_embed["proj"](pictures).flatten(2).transpose(1, 2)
        x = x + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x)


def pictures(count):
    """The same made-up pictures as in bench/vit.rs."""
    numbers = np.arange(count * 3 * 256 * 192) * 97 % 256 / 64 - 2
    return torch.from_numpy(numbers.astype(np.float32).reshape(count, 3, 256, 192))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pictures", type=int, nargs="+", default=[1])
    parser.add_argument("--out")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = os.path.join(folder, "random.safetensors")
        save_file(weights(), path)
        start = time.perf_counter()
        ours = subprocess.Popen(
            [arguments.program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def ask(line):
            ours.stdin.write(line + "\n")
            ours.stdin.flush()
            return ours.stdout.readline()

        flops = json.loads(ask("flops"))
        loading = time.perf_counter() - start
        with torch.device("meta"):
            theirs = Backbone()
        mapped = load_file(path)
        state = {name.removeprefix("backbone."): tensor.clone() for name, tensor in mapped.items()}
        theirs.load_state_dict(state, strict=False, assign=True)
        theirs.eval()
        del mapped, state

        written = os.path.join(folder, "features")
        ask(f"features {written}")
        features = np.fromfile(written, np.float32).reshape(TOKENS, WIDTH)
        expected = theirs(pictures(1))[0].numpy()
        difference = float(np.abs(features - expected).max() / np.abs(expected).max())
        print(f"features differ by {difference:.1e} of the largest; loading took {loading:.1f} s")
        assert difference < 1e-4

        results = {}
        for count in arguments.pictures:
            batch = pictures(count)
            for threads in arguments.threads:
                torch.set_num_threads(threads)
                times = {"handstream": [], "pytorch": []}
                processor_times = {"handstream": [], "pytorch": []}

                def timed(name, pid, work):
                    start, used = time.perf_counter(), cpu_seconds(pid)
                    work()
                    times[name].append((time.perf_counter() - start) * 1e3)
                    processor_times[name].append((cpu_seconds(pid) - used) * 1e3)

                for _ in range(arguments.rounds + 1):
                    timed("handstream", ours.pid, lambda: ask(f"{threads} {count}"))
                    timed("pytorch", os.getpid(), lambda: theirs(batch))
                    # PyTorch's threads spin for a while after their work.
                    time.sleep(SPIN_SECONDS)
                summary = {}
                for name, all_times in times.items():
                    # The first pass of each warms up.
                    all_times = all_times[1:]
                    least = min(all_times)
                    summary[name] = {
                        "min_ms": round(least, 1),
                        "p50_ms": round(statistics.median(all_times), 1),
                        "cpu_p50_ms": round(statistics.median(processor_times[name][1:])),
                        "gflops_at_min": round(flops["backbone"]["all"] * count / least * 1e3, 1),
                    }
                for least in ["min_ms", "p50_ms", "cpu_p50_ms"]:
                    ratio = summary["pytorch"][least] / summary["handstream"][least]
                    summary[f"pytorch_over_handstream_{least.removesuffix('_ms')}"] = round(ratio, 3)
                results[f"{count} pictures, {threads} threads"] = summary
                print(count, threads, json.dumps(summary))
        ours.stdin.close()
        ours.wait()

    report = {
        "command": f"bench/vit.sh --rounds {arguments.rounds} "
        f"--threads {' '.join(map(str, arguments.threads))} --pictures {' '.join(map(str, arguments.pictures))}",
        "what": "milliseconds of a pass of ViT-H, 32-bit, both engines in turns: wall time, and time of all processors",
        "other_load": os.getloadavg(),
        "processor": processor(),
        "torch": torch.__version__,
        "passes": arguments.rounds,
        "features_differ_by": difference,
        "gflop": flops,
        "results": results,
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
