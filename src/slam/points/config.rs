//! Settings of the point odometry.

/// Settings of [`super::PointOdometry`]; the defaults are those measured on hand-held indoor film.
#[derive(Clone, Debug, PartialEq)]
pub struct PointOdometryConfig {
    /// Points followed from frame to frame, as many as there are cells to keep them apart.
    pub points: usize,
    /// Levels of the picture's pyramid, each half the one before.
    pub levels: usize,
    /// Least strength of a corner: smaller eigenvalue of the structure tensor, squared grey levels a pixel.
    pub corner_strength: f32,
    /// Least correlation of a followed patch with itself, -1..1.
    pub least_correlation: f32,
    /// Largest distance of a point of the map from where it is seen, pixels.
    pub inlier_px: f64,
    /// Least points of the map that must agree on a pose.
    pub least_inliers: usize,
    /// Below this many points of the map followed, descriptors look for more.
    pub thin: usize,
    /// Below this many points of the map followed, new points may join it with less parallax.
    pub plenty: usize,
    /// Least angle between two rays to a point that joins the map, radians.
    pub least_parallax: f64,
    /// Median angle between the two rays to a point from which a map may start, radians.
    pub start_parallax: f64,
    /// Keyframes adjusted together.
    pub window: usize,
    /// Frames after which a camera that has moved makes a keyframe.
    pub keyframe_frames: u64,
    /// A keyframe is made where fewer than this share of the last one's points are still seen.
    pub keyframe_share: f64,
    /// Points the map may hold.
    pub most_map_points: usize,
    /// Lost frames after which a new map is begun.
    pub patience: u32,
    /// Frames whose poses the path keeps; the oldest go. A run without end needs no whole path.
    pub path_frames: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for PointOdometryConfig {
    fn default() -> Self {
        Self {
            points: 600,
            levels: 5,
            corner_strength: 1.0,
            least_correlation: 0.75,
            inlier_px: 2.0,
            least_inliers: 15,
            thin: 80,
            plenty: 150,
            least_parallax: 0.03,
            start_parallax: 0.025,
            window: 16,
            keyframe_frames: 4,
            keyframe_share: 0.8,
            most_map_points: 6000,
            patience: 5,
            path_frames: usize::MAX,
            seed: 1,
        }
    }
}
