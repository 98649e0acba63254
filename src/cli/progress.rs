//! What a person sees while a run goes on: a bar on a terminal, nothing when piped.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use handstream::event::Event;

/// Bar for runs whose length is known, spinner for the others.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar on standard error, hidden where that is no terminal.
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// Takes one event of the run.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started(run) if stderr().is_terminal() => {
                let (bar, template) = match run.frame_count {
                    Some(frames) => {
                        (ProgressBar::new(frames), "{bar:32} {pos}/{len} frames, {per_sec}, {eta} left {msg}")
                    }
                    None => (ProgressBar::new_spinner(), "{spinner} {pos} frames, {per_sec} {msg}"),
                };
                let style = ProgressStyle::with_template(template);
                self.bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            Event::Frame { hands, .. } => {
                self.bar.inc(1);
                self.bar.set_message(format!("({} hands)", hands.hands.len()));
            }
            Event::Warning(sentence) => self.bar.suspend(|| eprintln!("warning: {sentence}")),
            Event::Trouble(trouble) => self.bar.suspend(|| eprintln!("warning: {trouble}")),
            Event::Finished => self.bar.finish_and_clear(),
            Event::Started(_)
            | Event::Refined(_)
            | Event::SecondPass(_)
            | Event::Paused { .. }
            | Event::Dropped { .. } => {}
        }
    }
}
