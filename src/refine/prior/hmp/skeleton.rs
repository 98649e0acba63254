//! The hand as the encoder sees it: edges instead of joints, merged two by two from layer to layer.
//!
//! Edge 0 hangs above the wrist; the others are the bones, finger by finger in MANO order. Two edges that
//! share a joint are one step apart. A finger's three edges become two (the last two merge), then one.

/// Fingers of the hand.
const FINGERS: usize = 5;
/// Edges of a finger in each layer.
const FINGER_EDGES: [usize; LAYERS] = [3, 2, 1, 1];
/// Farthest an edge may be to be heard.
const HEARING: usize = 2;

/// Layers of the encoder.
pub(super) const LAYERS: usize = 4;

/// Edges that go into a layer.
pub(super) fn edges(layer: usize) -> usize {
    1 + FINGERS * FINGER_EDGES[layer]
}

/// Whether edge `a` hears edge `b` in a layer.
pub(super) fn hears(layer: usize, a: usize, b: usize) -> bool {
    let count = FINGER_EDGES[layer];
    // Which finger, and how many edges lie between this one and the wrist.
    let place =
        |edge: usize| if edge == 0 { (None, 0) } else { (Some((edge - 1) / count), (edge - 1) % count) };
    let ((finger_a, a), (finger_b, b)) = (place(a), place(b));
    let steps = if finger_a == finger_b { a.abs_diff(b) } else { a + b + 1 };
    steps <= HEARING
}

/// The edges of a layer that merge into each edge of the next; `None` where all stay.
pub(super) fn merged(layer: usize) -> Option<Vec<Vec<usize>>> {
    let count = FINGER_EDGES[layer];
    if count == 1 {
        return None;
    }
    let mut merged = vec![vec![0]];
    for finger in 0..FINGERS {
        let first = 1 + finger * count;
        let mut edge = first;
        if count % 2 == 1 {
            merged.push(vec![edge]);
            edge += 1;
        }
        while edge < first + count {
            merged.push(vec![edge, edge + 1]);
            edge += 2;
        }
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_merge_into_those_of_the_next_layer() {
        for layer in 0..LAYERS - 1 {
            let merged = merged(layer).map_or(edges(layer), |merged| {
                let all: Vec<usize> = merged.iter().flatten().copied().collect();
                assert_eq!(all, (0..edges(layer)).collect::<Vec<_>>());
                merged.len()
            });
            assert_eq!(merged, edges(layer + 1));
        }
    }

    #[test]
    fn an_edge_hears_its_own_finger_and_the_knuckles_of_the_others() {
        assert!(hears(0, 3, 1) && hears(0, 0, 2) && hears(0, 1, 4) && hears(0, 2, 4));
        assert!(!hears(0, 0, 3) && !hears(0, 2, 5) && !hears(0, 3, 4));
    }
}
