#!/usr/bin/env python3
"""Paced replays of clips at several rates, with MediaPipe's Python package in turns: bench/results/latency.json.

    python3 bench/latency.py --python VENV/bin/python [--rounds 3] [--rates 30 60 90] CLIP...

Needs a release build (`cargo build --release`), the models (`handstream setup`) and, for the comparison, a Python with
mediapipe 0.10.21. One page with plots for each run goes to --pages, if that is given.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measure(clip: pathlib.Path, rate: int, args: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        numbers = pathlib.Path(folder) / "numbers.json"
        command = [ROOT / "target/release/handstream", "bench", "latency", clip, "--fps", rate]
        command += ["--rounds", args.rounds, "--json", numbers]
        if args.frames:
            command += ["--frames", args.frames]
        if args.python:
            command += ["--vs", "mediapipe", "--python", args.python]
        if args.pages:
            command += ["--report", args.pages / f"{clip.stem}_{rate}.html"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(numbers.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=pathlib.Path)
    parser.add_argument("--rates", nargs="+", type=int, default=[30, 60])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--python", type=pathlib.Path)
    parser.add_argument("--pages", type=pathlib.Path)
    args = parser.parse_args()
    runs = {}
    for clip in args.clips:
        for rate in args.rates:
            numbers = measure(clip, rate, args)
            numbers["source"] = clip.name
            # Folders of the machine are nobody's business.
            for key in ("command", "machine"):
                numbers.pop(key)
            runs[f"{clip.stem} at {rate}"] = numbers
            idle, busy, rival = numbers["idle"], numbers, numbers["mediapipe"]
            print(clip.stem, rate, "idle", idle["latency_ms"]["total"], "busy", busy["latency_ms"]["total"], rival and rival["latency_ms"])
    sys.path.insert(0, str(ROOT / "bench"))
    from machine import processor

    target = ROOT / "bench/results/latency.json"
    # Clips and rates that were not asked for keep their numbers.
    known = json.loads(target.read_text())["runs"] if target.exists() else {}
    result = {
        "command": "bench/latency.py --python VENV/bin/python [--rounds N] --rates RATE CLIP",
        "what": "bench latency: milliseconds from a frame's due time to its published hands, background busy (top level) and idle",
        "processor": processor(),
        "runs": dict(sorted((known | runs).items())),
    }
    target.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
