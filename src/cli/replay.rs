//! `handstream replay FILE`: a recorded run once more, compared with what it said then.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use handstream::event::Event;
use handstream::recording::{Entry, RecordingReader, hands_line};
use handstream::source::RecordedSource;

use super::{Cli, Command};

#[derive(Args)]
pub struct ReplayArgs {
    /// What `--record` wrote.
    recording: PathBuf,
    /// Folder for hands.jsonl, hands.npz, summary.json and overlay.mp4.
    #[arg(long, value_name = "DIR", default_value = "out/replay")]
    out: PathBuf,
    /// Also film the hands over the picture.
    #[arg(long)]
    overlay: bool,
}

impl ReplayArgs {
    /// Plays the recording through the same front end and says whether its hands are the same.
    ///
    /// # Errors
    /// One sentence for the user, also where the hands differ.
    pub fn run(self) -> Result<()> {
        let reader = RecordingReader::open(&self.recording)?;
        let head = reader.head().clone();
        let typed = std::iter::once("handstream").chain(head.arguments.iter().map(String::as_str));
        let command = Cli::try_parse_from(typed).map(|cli| cli.command);
        let (settings, then) = match command {
            Ok(Command::Track(args)) => (args.settings(head.fps, head.live)?, Some(args)),
            Ok(Command::Live(args)) => (args.settings()?, None),
            _ => bail!(
                "{} was recorded by `handstream {}`, which this version does not understand: use version {}",
                self.recording.display(),
                head.arguments.join(" "),
                head.program
            ),
        };
        if settings.model.name() != head.hand_model {
            bail!(
                "it was recorded with the hand model {}, and {} is there now: put the same one there",
                head.hand_model,
                settings.model.name()
            );
        }
        let different = head.differences();
        different.iter().for_each(|what| eprintln!("warning: {what}; the last digits may differ"));

        let both = Arc::new(Mutex::new(Comparison::default()));
        let notes = {
            let both = both.clone();
            Box::new(move |entry| both.lock().unwrap_or_else(PoisonError::into_inner).note(entry))
        };
        let source = Box::new(RecordedSource::new(reader, notes)?);
        let camera = head.run_info().camera;
        let mut pipeline =
            settings.pipeline(source, camera, then.as_ref(), self.out.clone(), self.overlay)?;
        pipeline.pauses = Some(RecordingReader::pauses(&self.recording)?);
        let summary = pipeline.run(|event| {
            if let Event::Frame { hands, .. } = event {
                both.lock().unwrap_or_else(PoisonError::into_inner).played(hands.sequence, hands_line(hands));
            }
        })?;
        print!("{summary}");
        println!("results in {}", self.out.display());
        let both = both.lock().unwrap_or_else(PoisonError::into_inner);
        both.verdict(head.begun_later).with_context(|| match different.is_empty() {
            true => "the run is not the same".to_owned(),
            false => format!("the run is not the same ({})", different.join("; ")),
        })
    }
}

/// The hands of both runs, frame by frame.
#[derive(Default)]
struct Comparison {
    recorded: VecDeque<Vec<u8>>,
    played: VecDeque<(u64, Vec<u8>)>,
    same: u64,
    differ: Vec<u64>,
    /// Frames that the recorder had no time for.
    missing: u64,
}

impl Comparison {
    /// Takes an entry of the recording.
    fn note(&mut self, entry: Entry) {
        match entry {
            Entry::Hands(line) => self.recorded.push_back(line),
            Entry::Missing(frames) => self.missing += frames,
            Entry::Frame(_) | Entry::Timing(_) | Entry::Event(_) => {}
        }
        self.compare();
    }

    /// Takes the hands of a frame as they are now.
    fn played(&mut self, sequence: u64, line: Vec<u8>) {
        self.played.push_back((sequence, line));
        self.compare();
    }

    fn compare(&mut self) {
        while !self.recorded.is_empty() && !self.played.is_empty() {
            let (Some(then), Some((sequence, now))) = (self.recorded.pop_front(), self.played.pop_front())
            else {
                return;
            };
            if then == now {
                self.same += 1;
            } else {
                self.differ.push(sequence);
            }
        }
    }

    /// Whether all hands are the same, as they must be unless the recording was `begun_later` than its run.
    fn verdict(&self, begun_later: bool) -> Result<()> {
        if begun_later && !self.differ.is_empty() {
            println!(
                "{} frames have the same hands as recorded, bit for bit, and {} others: the recording began in the middle \
                 of a run, whose front end knew earlier frames",
                self.same,
                self.differ.len()
            );
            return Ok(());
        }
        if let Some(first) = self.differ.first() {
            let why = match self.missing {
                0 => String::new(),
                missing => {
                    format!("; {missing} frames are missing in the recording, which changes those after them")
                }
            };
            bail!("the hands of {} frames differ, frame {first} first{why}", self.differ.len());
        }
        println!("{} frames: the same hands as recorded, bit for bit", self.same);
        Ok(())
    }
}
