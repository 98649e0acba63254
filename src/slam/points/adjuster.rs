//! Who does the bundle adjustment.

use std::sync::{Arc, Mutex};

use super::map::Adjustment;
use crate::jobs::Background;

/// Who adjusts the map.
#[derive(Default)]
pub(super) enum Adjuster {
    /// The frame that made the keyframe, before the next one is taken: the same result twice.
    #[default]
    InOrder,
    /// Another thread; the result is taken over by the first frame after it is there.
    Behind {
        /// Where the work goes.
        background: Box<dyn Background>,
        /// Where the result appears.
        done: Arc<Mutex<Option<Adjustment>>>,
        /// Whether one is on its way.
        busy: bool,
    },
}
