//! The hand itself: a MANO-shaped model (blend shapes, skinning, joints), the open hand, MANO's own files.
