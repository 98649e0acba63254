//! OmniHands' modules on the fixtures of the released ones.

mod modules;
mod variant;
