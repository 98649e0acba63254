//! The numbers of a latency run as one page for a person: no other file, no network.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::paced::PacedRun;
use super::statistics::Samples;

/// The page; it draws what stands in the place of [`PLACE`].
const PAGE: &str = include_str!("report.html");
const PLACE: &str = "/*DATA*/";

/// What the page says beside the runs.
pub struct Heading {
    /// Name of the source.
    pub source: String,
    /// Picture size, as words.
    pub picture: String,
    /// Frames a second.
    pub fps: f64,
    /// Latest time at which a pose is in time, milliseconds.
    pub deadline: f64,
    /// The machine, as words.
    pub machine: String,
    /// What was typed.
    pub command: String,
}

/// One line of the plots.
pub struct Plotted {
    /// Its name.
    pub name: String,
    /// Whether the headline and the stages are this run's.
    pub main: bool,
    /// Its frames.
    pub run: PacedRun,
}

/// Writes the page.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, heading: &Heading, runs: &[Plotted]) -> Result<()> {
    let page = page(heading, runs);
    std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))
}

fn page(heading: &Heading, runs: &[Plotted]) -> String {
    let data = json!({
        "source": heading.source,
        "picture": heading.picture,
        "fps": heading.fps,
        "deadline": heading.deadline,
        "machine": heading.machine,
        "command": heading.command,
        "runs": runs.iter().map(plotted).collect::<Vec<_>>(),
    });
    // A name with `</script>` in it would end the data early.
    PAGE.replace(PLACE, &data.to_string().replace('<', "\\u003c"))
}

fn plotted(plotted: &Plotted) -> Value {
    let run = &plotted.run;
    let short = |value: f64| (value * 1e3).round() / 1e3;
    let stage = |name: &'static str| {
        let of = |frame: &super::paced::FrameTimes| short(frame.on_the_way(name));
        json!([name, run.frames.iter().map(of).collect::<Vec<_>>()])
    };
    let ages: Samples = run.ages.iter().copied().collect();
    json!({
        "name": plotted.name,
        "main": plotted.main,
        "totals": run.frames.iter().map(|frame| short(frame.total)).collect::<Vec<_>>(),
        "stages": run.stages().into_iter().map(stage).collect::<Vec<_>>(),
        "dropped": run.dropped,
        "age_p50": ages.quantile(0.5),
    })
}

#[cfg(test)]
mod tests {
    use super::super::paced::FrameTimes;
    use super::*;

    #[test]
    fn the_page_holds_its_data_and_nothing_from_elsewhere() {
        let stages = vec![("landmark", 9.0), ("fit", 1.0)];
        let frame = FrameTimes { total: 11.0, wait: 0.0, overhead: 1.0, stages, hands: 1, abreast: false };
        let run = PacedRun { frames: vec![frame; 3], ..PacedRun::default() };
        let heading = Heading {
            source: "</script>".into(),
            picture: "1280x720".into(),
            fps: 30.0,
            deadline: 33.3,
            machine: "a machine".into(),
            command: "handstream bench latency".into(),
        };
        let page = page(&heading, &[Plotted { name: "background busy".into(), main: true, run }]);
        assert!(page.contains(r#""totals":[11.0,11.0,11.0]"#), "the latencies are there");
        assert!(!page.contains(PLACE) && page.matches("</script>").count() == 2);
        for elsewhere in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "the page asks for {elsewhere}");
        }
    }
}
