//! The flag `--record`, and how a recording is started and closed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use handstream::engine::{Delivery, Recorded, Recorder};
use handstream::event::{Event, RunInfo};
use handstream::recording::{PicturesFrom, RecordedFile, RecordingHead};
use handstream::source::ImagesSource;

/// Flags of `track` and `live`.
#[derive(Args, Clone)]
pub struct RecordArgs {
    /// Record what the front end sees and says; `handstream replay FILE` plays it. A video's own pictures are not
    /// copied, a camera's take 10 to 30 MB a second.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl RecordArgs {
    /// Starts the recording of a run from `source`, as the user typed it, where one is asked for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn start(&self, source: &str, run: &RunInfo, delivery: Delivery) -> Result<Option<Recording>> {
        let Some(path) = &self.record else { return Ok(None) };
        let head = head(source, run, delivery, typed())?;
        Ok(Some(Recording::start(path, &head, delivery)?))
    }
}

/// What the user typed after the program's name.
pub fn typed() -> Vec<String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The head of a recording of a run from `source` that `arguments` would start.
///
/// # Errors
/// One sentence for the user.
pub fn head(
    source: &str,
    run: &RunInfo,
    delivery: Delivery,
    arguments: Vec<String>,
) -> Result<RecordingHead> {
    let film = Path::new(source);
    let pictures = match film.is_file() && !ImagesSource::reads(film) {
        true => PicturesFrom::File(RecordedFile::of(film)?),
        false => PicturesFrom::Here,
    };
    Ok(RecordingHead::new(run, arguments, pictures, delivery != Delivery::Every))
}

/// A recording that goes on.
pub struct Recording {
    recorder: Recorder,
    path: PathBuf,
}

impl Recording {
    /// Starts the file at `path`.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn start(path: &Path, head: &RecordingHead, delivery: Delivery) -> Result<Self> {
        Ok(Self { recorder: Recorder::start(path, head, delivery)?, path: path.to_owned() })
    }

    /// Takes one event; says on the terminal what goes wrong with the recording, and gives it back.
    pub fn event(&mut self, event: &Event) -> Option<Event> {
        let wrong = self.recorder.event(event);
        match &wrong {
            Some(Event::Warning(sentence)) => eprintln!("warning: {sentence}"),
            Some(Event::Trouble(trouble)) => eprintln!("warning: {trouble}"),
            _ => {}
        }
        wrong
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has broken off, for example because the disk is full.
    pub fn broke_off(&self) -> bool {
        self.recorder.broke_off()
    }

    /// Closes the recording and says what is in it.
    ///
    /// # Errors
    /// Why it broke off.
    pub fn finish(self) -> Result<()> {
        let Recorded { frames, missing, bytes } = self.recorder.finish().map_err(anyhow::Error::msg)?;
        let lost =
            if missing > 0 { format!(", {missing} came too fast and are missing") } else { String::new() };
        println!("recorded {frames} frames{lost}: {} ({:.1} MB)", self.path.display(), bytes as f64 / 1e6);
        Ok(())
    }
}
