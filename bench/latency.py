#!/usr/bin/env python3
"""Paced replays of clips at several rates, with MediaPipe's Python package in turns: bench/results/latency.json.

    python3 bench/latency.py --python VENV/bin/python [--tries 4] [--rates 30 60] CLIP...

Needs a release build (`cargo build --release`), the models (`handstream setup`) and, for the comparison, a Python with
mediapipe 0.10.21. Each try replays the clip to the engine with its background idle, to the engine with its background
busy, and to MediaPipe. Of the tries those count during which other programs took least of the processor; of
MediaPipe's its fastest. One page with plots for each try goes to --pages, if that is given.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measure(clip: pathlib.Path, rate: int, attempt: int, args: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        numbers = pathlib.Path(folder) / "numbers.json"
        command = [ROOT / "target/release/handstream", "bench", "latency", clip, "--fps", rate, "--json", numbers]
        if args.python:
            command += ["--vs", "mediapipe", "--python", args.python]
        if args.pages:
            command += ["--report", args.pages / f"{clip.stem}_{rate}_{attempt}.html"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(numbers.read_text())


def quietest(tries: list) -> dict:
    """One result of several tries: see the head of this file."""
    others = lambda run: run["other_programs_s"] / run["wall_s"]
    idle = min((numbers["idle"] for numbers in tries), key=others)
    result = min(tries, key=others) | {"idle": idle}
    totals = {name: run["latency_ms"]["total"] for name, run in (("busy", result), ("idle", result["idle"]))}
    result["busy_to_idle_p99"] = round(totals["busy"]["p99"] / totals["idle"]["p99"], 3)
    rivals = [numbers["mediapipe"] for numbers in tries if numbers["mediapipe"]]
    if rivals:
        rival = min(rivals, key=lambda rival: rival["latency_ms"]["p50"])
        for name, total in totals.items():
            ratios = {part: round(total[part] / rival["latency_ms"][part], 3) for part in ("p50", "p99")}
            rival[f"ours_{name}_to_it"] = ratios
        result["mediapipe"] = rival
    result["tries"] = len(tries)
    result["source"] = pathlib.Path(result["source"]).name
    # Folders of the machine are nobody's business.
    for key in ("command", "machine", "rounds"):
        result.pop(key)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=pathlib.Path)
    parser.add_argument("--rates", nargs="+", type=int, default=[30, 60])
    parser.add_argument("--tries", type=int, default=4)
    parser.add_argument("--python", type=pathlib.Path)
    parser.add_argument("--pages", type=pathlib.Path)
    args = parser.parse_args()
    runs = {}
    for clip in args.clips:
        for rate in args.rates:
            tries = [measure(clip, rate, attempt, args) for attempt in range(args.tries)]
            numbers = runs[f"{clip.stem} at {rate}"] = quietest(tries)
            print(clip.stem, rate, numbers["latency_ms"]["total"])
    sys.path.insert(0, str(ROOT / "bench"))
    from machine import processor

    target = ROOT / "bench/results/latency.json"
    # Clips and rates that were not asked for keep their numbers.
    known = json.loads(target.read_text())["runs"] if target.exists() else {}
    result = {
        "command": "bench/latency.py --python VENV/bin/python [--tries N] [--rates RATE...] CLIP...",
        "what": "bench latency: milliseconds from a frame's due time to its published hands, background busy (top level) and idle; the tries during which other programs took least",
        "processor": processor(),
        "runs": dict(sorted((known | runs).items())),
    }
    target.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
