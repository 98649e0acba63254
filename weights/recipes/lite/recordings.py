"""Recorded hands: Leap recordings and Quest poses, retargeted to the open hand's free angles (README.md)."""

from dataclasses import dataclass

import torch
from safetensors import safe_open
from scipy.spatial.transform import Rotation

# Recordings that no training run reads.
HELD_OUT = ("HandSplay", "flapping", "grab", "rollAndPitch", "three-claps")
LEAP_FILE, QUEST_FILE = "leap_recordings.safetensors", "quest_poses.safetensors"


@dataclass
class Clip:
    """One recorded hand, 30 frames per second.

    angles [T,21]; orientation [T,4]: quaternions (w, x, y, z) of one sign; position [T,3] metres.
    """

    name: str
    angles: torch.Tensor
    orientation: torch.Tensor
    position: torch.Tensor


def leap_clips(folder, held_out):
    """The Leap recordings that are (not) held out."""
    clips = []
    with safe_open(str(folder / LEAP_FILE), "pt") as file:
        for number, name in sorted(file.metadata().items()):
            if name.startswith(HELD_OUT) == held_out:
                root = file.get_tensor(f"{number}.rotations")[:, 0]
                orientation = torch.from_numpy(Rotation.from_matrix(root.numpy()).as_quat()).float().roll(1, -1)
                for t in range(1, len(orientation)):
                    if orientation[t] @ orientation[t - 1] < 0:
                        orientation[t] *= -1
                position = file.get_tensor(f"{number}.root_position")
                clips.append(Clip(name, file.get_tensor(f"{number}.dof"), orientation, position))
    return clips


def recorded_poses(folder, clips):
    """Angles [N,21]: the Quest poses, each as often as it takes to weigh like all clips, and the clips' frames."""
    with safe_open(str(folder / QUEST_FILE), "pt") as file:
        quest = file.get_tensor("dof")
    frames = torch.cat([clip.angles for clip in clips])[::3]
    return torch.cat([quest.repeat(2 * len(frames) // len(quest), 1), frames])
