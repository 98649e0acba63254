//! MediaPipe's own Python package beside us: the same pictures, the same pace, the same run.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::film::Film;
use super::paced::WARM_UP;

/// The program that runs in Python.
const SCRIPT: &str = include_str!("mediapipe.py");
/// The variable that names a Python, and the name without it.
const VARIABLE: &str = "HANDSTREAM_PYTHON";
const DEFAULT: &str = "python3";
/// What to do where Python or the package is missing.
const REMEDY: &str = "install it with `pip install mediapipe==0.10.21` and name that Python with --python";

/// What MediaPipe did with one picture.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Time of its `process` call alone, milliseconds.
    pub took: f64,
    /// Hands found.
    pub hands: usize,
}

/// A running Python with the package and the pictures.
pub struct MediaPipe {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Version of the package.
    pub version: String,
    pictures: NamedTempFile,
    count: usize,
}

impl MediaPipe {
    /// Starts `python`, else the one that the environment names, on the pictures of `film`.
    ///
    /// # Errors
    /// One sentence where there is no such Python, or it lacks the package.
    pub fn start(python: Option<&Path>, film: &Film, most_hands: usize) -> Result<Self> {
        let named = python.map(Path::to_owned).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        let python = named.unwrap_or_else(|| DEFAULT.into());
        let mut pictures = NamedTempFile::new().context("no temporary file for the pictures")?;
        for frame in &film.frames {
            pictures.write_all(&frame.pixels).context("the pictures do not fit into the temporary folder")?;
        }
        let size = film.info.size;
        let numbers = [size.width, size.height, film.frames.len(), most_hands];
        let mut child = Command::new(&python)
            .args(["-c", SCRIPT])
            .arg(pictures.path())
            .args(numbers.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started: {REMEDY}", python.display()))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{} has no pipes", python.display());
        };
        let answers = BufReader::new(answers);
        let mut started =
            Self { child, requests, answers, version: String::new(), pictures, count: film.frames.len() };
        match started.answer()?.split_once(' ') {
            Some(("ready", version)) => started.version = version.to_owned(),
            Some(("missing", what)) => bail!("{} has no mediapipe ({what}): {REMEDY}", python.display()),
            _ => bail!("{} does not run mediapipe: {REMEDY}", python.display()),
        }
        Ok(started)
    }

    /// Plays all pictures once at `fps` to a fresh tracker. A picture whose turn has come while the one before is
    /// still being worked on waits, and its waiting is not counted.
    ///
    /// # Errors
    /// When Python stops.
    pub fn replay(&mut self, fps: f64) -> Result<Vec<Answer>> {
        self.ask("start")?;
        let start = Instant::now();
        let mut answers = Vec::with_capacity(self.count);
        for picture in 0..self.count {
            let due = start + Duration::from_secs_f64(picture as f64 / fps);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let answer = self.ask(&picture.to_string())?;
            let mut numbers = answer.split(' ').map(str::parse::<f64>);
            let (Some(Ok(nanoseconds)), Some(Ok(hands))) = (numbers.next(), numbers.next()) else {
                bail!("mediapipe answered {answer:?} instead of a time");
            };
            if picture as u64 >= WARM_UP {
                answers.push(Answer { took: nanoseconds * 1e-6, hands: hands as usize });
            }
        }
        Ok(answers)
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        writeln!(self.requests, "{request}").context("mediapipe stopped")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("mediapipe stopped")?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for MediaPipe {
    fn drop(&mut self) {
        // It may have ended already; the pictures go with us.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.pictures.flush();
    }
}
