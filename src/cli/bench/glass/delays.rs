//! From what a camera saw of a flashing screen to the delays between both.

/// Cells that a picture is cut into, columns and rows: the screen fills some of them.
pub const GRID: [usize; 2] = [16, 9];
/// All cells.
pub const CELLS: usize = GRID[0] * GRID[1];
/// Last part of the time between two changes in which a picture is taken to show the newer colour alone.
const SETTLED: f64 = 0.4;
/// Least difference of a cell between white and black, grey levels of 255, and in standard deviations.
const LEAST_LEVELS: f64 = 2.0;
const LEAST_DEVIATIONS: f64 = 3.0;
/// Part of the usual step that a change must make to count as seen.
const LEAST_STEP: f64 = 0.3;

/// A picture: when it came and how bright its cells are, 0..255.
#[derive(Clone, Debug)]
pub struct Look {
    /// When the program had it, seconds.
    pub arrived: f64,
    /// When it was captured, by the camera's clock, if it has one, seconds.
    pub captured: Option<f64>,
    /// Mean brightness of the cells.
    pub cells: [f32; CELLS],
}

/// A change of the screen's colour.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When its picture was given to the system, seconds.
    pub at: f64,
    /// White, else black.
    pub white: bool,
}

/// Delay of one change, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Until the first picture that shows it was there.
    pub to_arrival: f64,
    /// Until that picture's capture, by the camera's clock.
    pub to_capture: Option<f64>,
}

/// The delays of all changes but the first, in order; `None` for one that no picture shows. Nothing where the
/// camera does not see the screen.
pub fn delays(looks: &[Look], changes: &[Change]) -> Option<Vec<Option<Delay>>> {
    let weights = weights(looks, changes)?;
    let signal: Vec<f64> = looks
        .iter()
        .map(|look| look.cells.iter().zip(&weights).map(|(c, w)| f64::from(*c) * w).sum())
        .collect();
    let levels: Vec<Option<f64>> = (0..changes.len())
        .map(|k| mean(settled(looks, changes, k).map(|(index, _)| signal[index])))
        .collect();
    let steps: Vec<f64> = levels.windows(2).filter_map(|pair| Some((pair[1]? - pair[0]?).abs())).collect();
    let usual = mean(steps.iter().copied())?;
    let delay = |k: usize| -> Option<Delay> {
        let (before, after) = (levels[k - 1]?, levels[k]?);
        let until = changes.get(k + 1).map_or(f64::INFINITY, |next| next.at);
        let crossed = |value: f64| (value - before) / (after - before) > 0.5;
        let first = looks
            .iter()
            .zip(&signal)
            .find(|(look, value)| look.arrived > changes[k].at && look.arrived < until && crossed(**value));
        let (look, _) = first.filter(|_| (after - before).abs() > LEAST_STEP * usual)?;
        let to_capture = look.captured.map(|captured| captured - changes[k].at);
        Some(Delay { to_arrival: look.arrived - changes[k].at, to_capture })
    };
    Some((1..changes.len()).map(delay).collect())
}

/// How much each cell follows the screen; zero where it does not. `None` where no cell does.
fn weights(looks: &[Look], changes: &[Change]) -> Option<Vec<f64>> {
    let of = |white: bool| -> Vec<&Look> {
        let own = (0..changes.len()).filter(|k| changes[*k].white == white);
        own.flat_map(|k| settled(looks, changes, k).map(|(_, look)| look)).collect()
    };
    let (white, black) = (of(true), of(false));
    let weight = |cell: usize| -> Option<f64> {
        let value = |look: &&Look| f64::from(look.cells[cell]);
        let (w, b) = (mean(white.iter().map(value))?, mean(black.iter().map(value))?);
        let squares = white.iter().map(|look| (value(look) - w).powi(2));
        let squares = squares.chain(black.iter().map(|look| (value(look) - b).powi(2)));
        let deviation = mean(squares)?.sqrt();
        let follows = (w - b).abs() > LEAST_LEVELS.max(LEAST_DEVIATIONS * deviation);
        Some(if follows { w - b } else { 0.0 })
    };
    let weights = (0..CELLS).map(weight).collect::<Option<Vec<f64>>>()?;
    weights.iter().any(|weight| *weight != 0.0).then_some(weights)
}

/// The pictures that show the colour of change `k` alone.
fn settled<'a>(looks: &'a [Look], changes: &[Change], k: usize) -> impl Iterator<Item = (usize, &'a Look)> {
    let start = changes[k].at;
    // The last colour stays as long as the one before it.
    let lasted = if k > 0 { start - changes[k - 1].at } else { 0.0 };
    let end = changes.get(k + 1).map_or(start + lasted, |next| next.at);
    let from = end - SETTLED * (end - start);
    looks.iter().enumerate().filter(move |(_, look)| (from..end).contains(&look.arrived))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera at 30 frames a second that sees the screen in a corner, late by `late` seconds, and noise.
    fn seen(late: f64, contrast: f32) -> (Vec<Look>, Vec<Change>) {
        let changes: Vec<Change> = (0..20)
            .map(|k| Change { at: 0.5 * f64::from(k) + 0.013 * f64::from(k % 5), white: k % 2 == 1 })
            .collect();
        let look = |n: u32| {
            let arrived = f64::from(n) / 30.0;
            let shown = changes.iter().rev().find(|change| change.at <= arrived - late);
            let bright = if shown.is_some_and(|change| change.white) { contrast } else { 0.0 };
            let noise = |cell: usize| ((cell * 7919 + n as usize * 104_729) % 13) as f32 * 0.1;
            let cells = std::array::from_fn(|cell| 40.0 + noise(cell) + if cell < 6 { bright } else { 0.0 });
            Look { arrived, captured: Some(arrived - 0.02), cells }
        };
        ((0..330).map(look).collect(), changes)
    }

    #[test]
    fn delays_are_those_of_the_camera_and_at_most_a_frame_longer() {
        let (looks, changes) = seen(0.08, 20.0);
        let delays = delays(&looks, &changes).expect("the camera sees the screen");
        assert_eq!(delays.len(), 19);
        for delay in delays {
            let delay = delay.expect("every change is seen");
            assert!((0.08..0.08 + 1.0 / 30.0 + 1e-9).contains(&delay.to_arrival), "{delay:?}");
            assert!((delay.to_arrival - delay.to_capture.unwrap() - 0.02).abs() < 1e-9);
        }
    }

    #[test]
    fn a_camera_that_looks_elsewhere_gives_nothing() {
        let (looks, changes) = seen(0.08, 0.0);
        assert_eq!(delays(&looks, &changes), None);
        assert_eq!(delays(&[], &changes), None);
    }
}
