#!/usr/bin/env python3
"""HaPTIC's network in PyTorch, written from its paper and its tensors, beside handstream's on the same card.

    gpu_torch.py WEIGHTS.safetensors [--runs N] [--device cuda|cpu]

The work of one new frame of two hands, features of earlier frames kept: four pictures of 256 x 192 through the
backbone in one batch, then the decoder over two windows of eight frames. bf16, batch normalised before, no
gradients; eager, and torch.compile with CUDA graphs. Medians of device events. Prints one JSON object.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

WINDOW, TOKENS = 8, 192


def read(path):
    """The tensors of a safetensors file."""
    kinds = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool, "U8": torch.uint8}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__" or name.startswith(("backbone_bg.", "discriminator.")):
                continue
            first, end = entry["data_offsets"]
            file.seek(start + first)
            data = bytearray(file.read(end - first))
            numbers = torch.frombuffer(data, dtype=kinds[entry["dtype"]]) if data else torch.empty(0)
            tensors[name] = numbers.reshape(entry["shape"])
    return tensors


class Network(torch.nn.Module):
    """Backbone and decoder; `vit_heads` and `heads` are what no shape tells."""

    def __init__(self, tensors, vit_heads, heads):
        super().__init__()
        self.weights = torch.nn.ParameterDict(
            {
                name.replace(".", "/"): torch.nn.Parameter(t, requires_grad=False)
                for name, t in tensors.items()
                if t.is_floating_point()
            }
        )
        self.vit_heads, self.heads = vit_heads, heads
        count = lambda pattern: sum(f"{pattern.format(i)}" in tensors for i in range(64))
        self.depth = count("backbone.blocks.{}.norm1.weight")
        self.layers = count("mano_head.transformer.transformer.layers.{}.1.norm.weight")

    def w(self, name):
        return self.weights[name.replace(".", "/")]

    def linear(self, name, x, biased=True):
        return F.linear(x, self.w(f"{name}.weight"), self.w(f"{name}.bias") if biased else None)

    def norm(self, name, x, epsilon):
        return F.layer_norm(x, x.shape[-1:], self.w(f"{name}.weight"), self.w(f"{name}.bias"), epsilon)

    def attend(self, q, k, v, heads):
        split = lambda x: x.unflatten(-1, (heads, -1)).transpose(-2, -3)
        return F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(-2, -3).flatten(-2)

    def encode(self, pictures):
        """[N, 3, 256, 192] to [N, 192, width]."""
        w = self.w
        x = F.conv2d(
            pictures, w("backbone.patch_embed.proj.weight"), w("backbone.patch_embed.proj.bias"), stride=16, padding=2
        )
        places = w("backbone.pos_embed")
        x = x.flatten(2).transpose(1, 2) + places[:, 1:] + places[:, :1]
        for i in range(self.depth):
            block = f"backbone.blocks.{i}"
            q, k, v = self.linear(f"{block}.attn.qkv", self.norm(f"{block}.norm1", x, 1e-6)).chunk(3, -1)
            x = x + self.linear(f"{block}.attn.proj", self.attend(q, k, v, self.vit_heads))
            hidden = F.gelu(self.linear(f"{block}.mlp.fc1", self.norm(f"{block}.norm2", x, 1e-6)))
            x = x + self.linear(f"{block}.mlp.fc2", hidden)
        return self.norm("backbone.last_norm", x, 1e-6)

    def among(self, name, x):
        """Attention of the rows of x to each other, behind a norm that the caller applied."""
        q, k, v = self.linear(f"{name}.fn.to_qkv", x, False).chunk(3, -1)
        return self.linear(f"{name}.fn.to_out.0", self.attend(q, k, v, self.heads))

    def across(self, name, x, features):
        """Attention of each frame's token to the features of that frame."""
        q = self.linear(f"{name}.fn.to_q", self.norm(f"{name}.norm", x, 1e-5), False).unsqueeze(-2)
        k, v = self.linear(f"{name}.fn.to_kv", features, False).chunk(2, -1)
        return self.linear(f"{name}.fn.to_out.0", self.attend(q, k, v, self.heads).squeeze(-2))

    def decode(self, crops, wholes):
        """[B, T, 192, context] of both to [B, T, 110]: pose, shape, camera, depth."""
        outer = "mano_head.transformer"
        inner = f"{outer}.transformer"
        batch, frames = crops.shape[:2]
        x = (self.w(f"{outer}.to_token_embedding.bias") + self.w(f"{outer}.pos_embedding")).expand(batch, frames, -1)
        codes = self.w(f"{inner}.pos_enc_f.pos_table")[:, :frames]
        for i in range(self.layers):
            own = f"{inner}.layers.{i}"
            # A token alone: every frame is a batch of one.
            x = x + self.among(f"{own}.0", self.norm(f"{own}.0.norm", x, 1e-5).unsqueeze(-2)).squeeze(-2)
            x = x + self.across(f"{own}.1", x, crops)
            view = f"{inner}.cross_view_layers.{i}.0"
            x = x + self.among(view, self.norm(f"{view}.norm", x + codes, 1e-5))
            x = x + self.across(f"{inner}.global_layers.{i}.0", x, wholes)
            hidden = F.gelu(self.linear(f"{own}.2.fn.net.0", self.norm(f"{own}.2.norm", x, 1e-5)))
            x = x + self.linear(f"{own}.2.fn.net.3", hidden)
        heads = [("decpose", "hand_pose"), ("decshape", "betas"), ("deccam", "cam"), ("decaux", "aux")]
        return torch.cat([self.linear(f"mano_head.{h}", x) + self.w(f"mano_head.init_{m}") for h, m in heads], -1)

    def forward(self, pictures, kept_crops, kept_wholes):
        """The newest frame's pictures, crops first, and the features of the seven frames before."""
        crops, wholes = self.encode(pictures).chunk(2)
        crops = torch.cat([kept_crops, crops.unsqueeze(1)], 1)
        wholes = torch.cat([kept_wholes, wholes.unsqueeze(1)], 1)
        return self.decode(crops, wholes)


def median(work, runs, on_card):
    """Milliseconds of one call."""
    for _ in range(max(3, runs // 10)):
        work()
    times = []
    for _ in range(runs):
        if on_card:
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end))
        else:
            start = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--heads", type=int, nargs=2, default=(16, 8), help="of the backbone, of the decoder")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU here")
    on_card = args.device == "cuda"
    kind = torch.bfloat16 if on_card else torch.float32
    torch.manual_seed(1)
    results = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if on_card else "cpu"}
    with torch.inference_mode():
        network = Network(read(args.weights), *args.heads).to(args.device, kind).eval()
        width = network.w("backbone.last_norm.weight").numel()
        for hands in (1, 2):
            pictures = torch.randn(2 * hands, 3, 256, 192, device=args.device, dtype=kind)
            kept = [torch.randn(hands, WINDOW - 1, TOKENS, width, device=args.device, dtype=kind) for _ in range(2)]
            eager = median(lambda: network(pictures, *kept), args.runs, on_card)
            results[f"eager_{hands}_ms"] = eager
            if on_card:
                compiled = torch.compile(network, mode="max-autotune", fullgraph=True)
                results[f"compiled_{hands}_ms"] = median(lambda: compiled(pictures, *kept), args.runs, on_card)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
