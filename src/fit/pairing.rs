//! Which hands of a frame are a person's.

use nalgebra::Vector2;

use crate::event::{Side, TrackId};

/// A hand that is looked for a partner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Single {
    /// Its track.
    pub track: TrackId,
    /// Which hand it is.
    pub side: Side,
    /// Its middle in the picture, in any unit.
    pub centre: Vector2<f64>,
}

/// Pairs of a right and a left hand (in this order) by their places in the list, the nearest first; those left over
/// are alone. The order of the hands makes no difference.
pub fn pairs(hands: &[Single]) -> Vec<[Option<usize>; 2]> {
    let of = |side: Side| {
        let mut places: Vec<usize> = (0..hands.len()).filter(|&at| hands[at].side == side).collect();
        places.sort_by_key(|&at| hands[at].track);
        places
    };
    let (mut rights, mut lefts) = (of(Side::Right), of(Side::Left));
    let mut found = Vec::new();
    let away = |right: usize, left: usize| (hands[right].centre - hands[left].centre).norm();
    loop {
        let all = rights.iter().flat_map(|&right| lefts.iter().map(move |&left| (right, left)));
        let nearest = all.min_by(|a, b| away(a.0, a.1).total_cmp(&away(b.0, b.1)));
        let Some((right, left)) = nearest else { break };
        rights.retain(|&at| at != right);
        lefts.retain(|&at| at != left);
        found.push([Some(right), Some(left)]);
    }
    found.extend(rights.into_iter().map(|right| [Some(right), None]));
    found.extend(lefts.into_iter().map(|left| [None, Some(left)]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand(track: u32, side: Side, x: f64) -> Single {
        Single { track: TrackId(track), side, centre: Vector2::new(x, 0.0) }
    }

    #[test]
    fn the_nearest_right_and_left_hands_are_a_pair_and_the_rest_are_alone() {
        use Side::{Left, Right};
        let hands =
            [hand(0, Right, 100.0), hand(1, Left, 800.0), hand(2, Left, 300.0), hand(3, Right, 850.0)];
        assert_eq!(pairs(&hands), [[Some(3), Some(1)], [Some(0), Some(2)]]);
        assert_eq!(pairs(&hands[..3]), [[Some(0), Some(2)], [None, Some(1)]]);
        assert_eq!(pairs(&hands[..1]), [[Some(0), None]]);
        assert!(pairs(&[]).is_empty());
    }
}
