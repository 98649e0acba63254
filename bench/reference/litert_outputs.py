"""Draws test pictures and records what LiteRT makes of them: tests/fixtures/mediapipe_networks.safetensors.

Usage: litert_outputs.py MODEL_FOLDER [OUT_FILE]      (needs: pip install ai-edge-litert numpy safetensors)

Two pictures per network. `pattern` is a formula that the test repeats, so only the outputs are stored. `hand` is a
simple drawing of an open hand, good enough for the networks to see one; it is stored as bytes.
"""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from safetensors.numpy import save_file

NETWORKS = {"palm_detection_full": ("palm", 192, 0.5), "hand_landmark_full": ("landmark", 224, 0.92)}

# An open hand in the unit square, wrist at the bottom: joints of each finger from knuckle to tip, and the palm.
FINGERS = [
    ([(0.42, 0.86), (0.28, 0.74), (0.19, 0.62), (0.12, 0.52)], 0.050),
    ([(0.38, 0.52), (0.34, 0.34), (0.32, 0.22), (0.31, 0.12)], 0.042),
    ([(0.49, 0.50), (0.49, 0.29), (0.49, 0.16), (0.49, 0.05)], 0.044),
    ([(0.59, 0.52), (0.63, 0.33), (0.65, 0.21), (0.67, 0.11)], 0.041),
    ([(0.68, 0.57), (0.76, 0.43), (0.81, 0.34), (0.85, 0.26)], 0.035),
]
PALM = [((0.42, 0.84), (0.42, 0.58), 0.11), ((0.50, 0.84), (0.52, 0.58), 0.12), ((0.58, 0.82), (0.62, 0.60), 0.10)]
WRIST = ((0.50, 0.80), (0.50, 1.30), 0.115)


def pattern(size):
    """Triangle waves of different lengths per channel, 0..255."""
    y, x, c = np.mgrid[:size, :size, :3]
    wave = (x * (3 + c) + y * (5 - c) + x * y // 16 + 40 * c) % 510
    return np.where(wave > 255, 510 - wave, wave).astype(np.uint8)


def capsule(x, y, start, end, radius):
    """Height of a rounded limb above the picture plane, 0 outside."""
    start, end = np.array(start), np.array(end)
    along = end - start
    t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
    distance = np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])
    return np.sqrt(np.maximum(radius**2 - distance**2, 0))


def hand(size, scale):
    """A drawn open hand of `scale` times the picture, lit from the upper left, before a dim wall."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    x, y = (x - 0.5) / scale + 0.5, (y - 0.5) / scale + 0.5
    parts = [capsule(x, y, *WRIST)] + [capsule(x, y, *part) for part in PALM]
    for joints, radius in FINGERS:
        parts += [capsule(x, y, a, b, radius * (1 - 0.08 * i)) for i, (a, b) in enumerate(zip(joints, joints[1:]))]
    height = np.max(parts, axis=0)
    slope_y, slope_x = np.gradient(height, 1 / (size * scale))
    light = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    shade = 0.45 + 0.55 * np.clip(light * (1 + 0.25 * slope_x + 0.25 * slope_y), 0, 1.2)
    skin = np.array([224, 172, 146]) * shade[..., None]
    wall = np.array([70, 84, 92]) * (0.8 + 0.3 * y[..., None])
    return np.clip(np.where(height[..., None] > 0, skin, wall), 0, 255).astype(np.uint8)


def main():
    models = sys.argv[1]
    out = sys.argv[2] if len(sys.argv) > 2 else "tests/fixtures/mediapipe_networks.safetensors"
    tensors = {}
    for file, (name, size, scale) in NETWORKS.items():
        interpreter = Interpreter(os.path.join(models, file + ".tflite"), num_threads=1)
        interpreter.allocate_tensors()
        for title, picture in (("pattern", pattern(size)), ("hand", hand(size, scale))):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None].astype(np.float32) / 255)
            interpreter.invoke()
            for index, details in enumerate(interpreter.get_output_details()):
                values = interpreter.get_tensor(details["index"]).astype(np.float32)
                tensors[f"{name}.{title}.output{index}"] = values
                print(name, title, index, details["name"], values.shape, f"largest {np.abs(values).max():.5g}")
            if title == "hand":
                tensors[f"{name}.{title}.picture"] = picture
    save_file(tensors, out)
    print(out, os.path.getsize(out), "bytes")


if __name__ == "__main__":
    main()
