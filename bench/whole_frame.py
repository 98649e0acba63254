#!/usr/bin/env python3
"""Whole-frame latency against MediaPipe's own Python package, both on the same frames in the same run.

    python3 -m venv VENV && VENV/bin/pip install mediapipe==0.10.21
    VENV/bin/python bench/whole_frame.py [--rounds 3] CLIP...

Rounds alternate between the two programs, so that a busy moment of the machine hits both. Decoding
is outside the timing of both; up to two hands, tracking mode, confidence 0.5/0.5. Needs a release build
of the bench (`cargo bench --no-run --bench whole_frame`) and the models (`handstream setup`).
Writes bench/results/whole_frame.json.
"""
import argparse, json, pathlib, platform, statistics, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def official(clip: str) -> dict:
    import cv2
    import mediapipe as mp

    hands = mp.solutions.hands.Hands(
        static_image_mode=False, max_num_hands=2, model_complexity=1,
        min_detection_confidence=0.5, min_tracking_confidence=0.5,
    )
    video, times, found = cv2.VideoCapture(clip), [], 0
    while True:
        more, picture = video.read()
        if not more:
            break
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        start = time.perf_counter()
        result = hands.process(picture)
        times.append((time.perf_counter() - start) * 1e3)
        found += len(result.multi_hand_landmarks or [])
    return {"clip": clip, "hands": found, "ms": times}


def ours(clip: str) -> dict:
    command = ["cargo", "bench", "-q", "--bench", "whole_frame", "--", clip]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_own_process(clip: str) -> dict:
    """MediaPipe in a fresh process, as ours is."""
    done = subprocess.run(
        [sys.executable, __file__, "--official", clip], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def percentile(times: list, share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--official", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.official:
        print(json.dumps(official(args.clips[0])))
        return
    table = []
    for clip in args.clips:
        clip = str(pathlib.Path(clip).resolve())
        rounds = [(in_own_process(clip), ours(clip)) for _ in range(args.rounds)]
        row = {"clip": pathlib.Path(clip).name, "frames": len(rounds[0][0]["ms"])}
        for name, share in (("p50", 0.50), ("p99", 0.99)):
            theirs_ms = statistics.median(percentile(r[0]["ms"], share) for r in rounds)
            ours_ms = statistics.median(percentile(r[1]["ms"], share) for r in rounds)
            row[name] = {
                "mediapipe_ms": round(theirs_ms, 2),
                "handstream_ms": round(ours_ms, 2),
                "ratio": round(ours_ms / theirs_ms, 3),
            }
        row["hands_found"] = {"mediapipe": rounds[0][0]["hands"], "handstream": rounds[0][1]["hands"]}
        table.append(row)
        print(json.dumps(row))
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    result = {
        "command": "bench/whole_frame.py " + " ".join(pathlib.Path(c).name for c in args.clips),
        "rounds": args.rounds,
        "cpu": cpu or platform.processor(),
        "clips": table,
    }
    target = ROOT / "bench/results/whole_frame.json"
    target.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
