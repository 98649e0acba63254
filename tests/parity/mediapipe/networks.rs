//! Each network against LiteRT on the same input.
