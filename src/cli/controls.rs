//! What keys of the live window ask for: another profile, a recording.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use handstream::engine::{Delivery, Exchange, FrontEnd, Watchdog};
use handstream::event::{Event, RunInfo};
use handstream::home::{DataFolder, OwnFiles};
use handstream::recording::RecordingHead;
use handstream::view::live::{LiveFeed, Request};

use super::live::ProfileMaker;
use super::profile::ProfileName;
use super::record::{Recording, head, typed};

/// The flag that a recording of another profile than the one typed is played with.
const PROFILE: &str = "--profile";

/// A run as its keys know it.
pub struct Controls {
    /// Name of the source, as the user typed it.
    pub source: String,
    /// What is known of the run.
    pub run: RunInfo,
    /// Which frames are delivered.
    pub delivery: Delivery,
    /// Where warnings are shown.
    pub feed: Arc<LiveFeed>,
    /// Exchanges the run's front end.
    pub exchange: Exchange<Box<dyn FrontEnd>>,
    /// Makes the next.
    pub make: ProfileMaker,
    /// How long a front end of a profile may take.
    pub watchdog: Box<dyn Fn(ProfileName) -> Watchdog>,
    /// What makes hands at the moment.
    pub profile: Arc<Mutex<ProfileName>>,
    /// The recording that goes on, if one does.
    pub recording: Arc<Mutex<Option<Recording>>>,
    /// Recordings that are being closed.
    pub closing: Vec<JoinHandle<()>>,
}

impl Controls {
    /// Does what a key asks for; what stands against it is shown.
    pub fn ask(&mut self, request: Request) {
        let done = match request {
            Request::Record => self.record(),
            Request::NextProfile => self.next_profile(),
        };
        if let Err(error) = done {
            warn(&self.feed, &error);
        }
    }

    fn next_profile(&mut self) -> Result<()> {
        // A recording says once what its hands were made with.
        anyhow::ensure!(
            lock(&self.recording).is_none(),
            "the profile stays while the run is recorded: end the recording with r first"
        );
        let own = OwnFiles::load(&DataFolder::locate()?)?;
        let next = lock(&self.profile).next(&own);
        let (make, profile, feed) = (self.make.clone(), self.profile.clone(), self.feed.clone());
        let made = move || {
            let supply = make(next).map_err(|error| format!("{error:#}"))?;
            *lock(&profile) = next;
            feed.set_profile(next.name());
            Ok(supply)
        };
        self.exchange.to((self.watchdog)(next).front_end, made)?;
        Ok(())
    }

    /// Ends the recording that goes on; where there is none, or it has broken off, one begins.
    fn record(&mut self) -> Result<()> {
        let before = lock(&self.recording).take();
        self.feed.set_recording(None);
        let goes_on = before.as_ref().is_some_and(|recording| !recording.broke_off());
        if let Some(recording) = before {
            let feed = self.feed.clone();
            let close = move || {
                if let Err(error) = recording.finish() {
                    warn(&feed, &error);
                }
            };
            // What still waits is written while the window goes on.
            self.closing.push(thread::Builder::new().name("recording-end".into()).spawn(close)?);
        }
        if goes_on {
            return Ok(());
        }
        let arguments = with_profile(typed(), lock(&self.profile).name());
        let head =
            RecordingHead { begun_later: true, ..head(&self.source, &self.run, self.delivery, arguments)? };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = file_name(since, Path::exists);
        let recording = Recording::start(&path, &head, self.delivery)?;
        self.feed.set_recording(Some(recording.path().display().to_string()));
        *lock(&self.recording) = Some(recording);
        Ok(())
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        for closing in self.closing.drain(..) {
            // It has said itself what went wrong.
            let _ = closing.join();
        }
    }
}

/// Says it on the terminal and in the window.
fn warn(feed: &LiveFeed, error: &anyhow::Error) {
    let sentence = format!("{error:#}");
    eprintln!("warning: {sentence}");
    feed.event(&Event::Warning(sentence));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The arguments that start the same run with the profile `name`.
fn with_profile(arguments: Vec<String>, name: &str) -> Vec<String> {
    let mut kept = Vec::with_capacity(arguments.len() + 2);
    let mut all = arguments.into_iter();
    while let Some(argument) = all.next() {
        if argument == PROFILE {
            all.next();
        } else if !argument.starts_with("--profile=") {
            kept.push(argument);
        }
    }
    kept.extend([PROFILE.to_owned(), name.to_owned()]);
    kept
}

/// A file in the working folder named by the date `since` 1970, in UTC, that is not `taken` yet.
fn file_name(since: Duration, taken: impl Fn(&Path) -> bool) -> PathBuf {
    let (year, month, day) = date(since.as_secs() / 86_400);
    let second = since.as_secs() % 86_400;
    let time = format!("{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60);
    let stem = format!("handstream-{year:04}-{month:02}-{day:02}-{time}z");
    let names = std::iter::once(format!("{stem}.hsr")).chain((2..).map(|n| format!("{stem}-{n}.hsr")));
    names.map(PathBuf::from).find(|path| !taken(path)).unwrap_or_default()
}

/// Year, month and day of the Gregorian calendar, `days` after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_named_by_the_date_and_replace_none() {
        let at = |seconds| Duration::from_secs(seconds);
        let name = |since| file_name(since, |_| false).display().to_string();
        assert_eq!(name(at(0)), "handstream-1970-01-01-000000z.hsr");
        // A leap day, and the last second of a year.
        assert_eq!(name(at(1_709_208_000)), "handstream-2024-02-29-120000z.hsr");
        assert_eq!(name(at(1_798_761_599)), "handstream-2026-12-31-235959z.hsr");
        let taken = |path: &Path| !path.to_string_lossy().contains("-3.");
        assert_eq!(file_name(at(0), taken).display().to_string(), "handstream-1970-01-01-000000z-3.hsr");
    }

    #[test]
    fn a_recording_is_played_with_the_profile_that_made_its_hands() {
        let typed = |words: &str| words.split(' ').map(String::from).collect::<Vec<_>>();
        for start in ["live 0 --profile lite --size 640x480", "live 0 --size 640x480 --profile=haptic"] {
            let arguments = with_profile(typed(start), "direct");
            assert_eq!(arguments, typed("live 0 --size 640x480 --profile direct"));
        }
    }
}
