"""Times both networks against LiteRT (XNNPACK), one thread each, in turns within one run.

Usage: networks.py PROGRAM MODEL_FOLDER [--rounds N] [--isa NAME] [--out FILE]

PROGRAM is the compiled bench/networks.rs. The two engines take turns in short batches, so both see the same
machine; the medians and minima of all runs are compared. bench/networks.sh builds and calls all this.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from machine import processor

MODELS = ["palm_detection_full", "hand_landmark_full"]
BATCH = 5


def load(path):
    """A LiteRT interpreter with an input that covers 0..1."""
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    count = int(np.prod(details["shape"]))
    picture = (np.arange(count) * 97 % 256 / 255).astype(np.float32)
    interpreter.set_tensor(details["index"], picture.reshape(details["shape"]))
    return interpreter


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--isa")
    parser.add_argument("--out")
    arguments = parser.parse_args()

    command = [arguments.program] + ([arguments.isa] if arguments.isa else [])
    ours = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run_ours(path):
        ours.stdin.write(f"{path} {BATCH}\n")
        ours.stdin.flush()
        return [float(word) for word in ours.stdout.readline().split()]

    def run_litert(interpreter):
        times = []
        for _ in range(BATCH):
            start = time.perf_counter()
            interpreter.invoke()
            times.append((time.perf_counter() - start) * 1e3)
        return times

    results = {}
    for model in MODELS:
        path = os.path.join(arguments.models, model + ".tflite")
        interpreter = load(path)
        run_ours(path), run_litert(interpreter)
        times = {"handstream": [], "litert": []}
        for _ in range(arguments.rounds):
            times["handstream"] += run_ours(path)
            times["litert"] += run_litert(interpreter)
        result = {
            engine: {"median_ms": round(statistics.median(values), 3), "min_ms": round(min(values), 3)}
            for engine, values in times.items()
        }
        for measure in ("median", "min"):
            mine, theirs = (result[engine][measure + "_ms"] for engine in ("handstream", "litert"))
            result[f"ratio_of_{measure}s"] = round(mine / theirs, 3)
        results[model] = result
        print(f"{model}: {result}")
    ours.stdin.close()
    ours.wait()

    if arguments.out:
        report = {
            "command": "bench/networks.sh",
            "what": "one inference, one thread, milliseconds; engines take turns in batches of 5",
            "rounds": arguments.rounds,
            "isa": arguments.isa or "best",
            "processor": processor(),
            "litert": ai_edge_litert.__version__,
            "networks": results,
        }
        with open(arguments.out, "w") as file:
            json.dump(report, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
