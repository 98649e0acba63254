//! What can go wrong in a run without ending it, told apart so that programs can act on it.

use std::fmt;
use std::time::Duration;

/// A part of the engine that works on a thread of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Reads the source.
    Capture,
    /// Makes hands of frames.
    FrontEnd,
    /// Follows the camera.
    Odometry,
    /// Makes earlier hands better.
    Refinement,
    /// Writes frames and events to a file.
    Recorder,
}

impl Worker {
    /// The worker's name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            Worker::Capture => "capture",
            Worker::FrontEnd => "front end",
            Worker::Odometry => "odometry",
            Worker::Refinement => "refinement",
            Worker::Recorder => "recorder",
        }
    }
}

/// What became of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerFailure {
    /// It panicked, with these words.
    Panicked(String),
    /// It has not answered for this long, and is left behind.
    Hung(Duration),
}

/// How the run goes on after a worker failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// A new worker has taken over.
    Restarted,
    /// The run goes on without it, or ends where it cannot.
    Gone,
    /// Nobody else can do its work: it is waited for.
    WaitedFor,
}

/// Something that went wrong and that the run survived. Displayed, it is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A live source gave the same frame again; it is left out.
    DuplicateFrame {
        /// Number of the frame.
        sequence: u64,
    },
    /// A live source gave a frame that is older than one before it; it is left out.
    FrameOutOfOrder {
        /// Number of the frame.
        sequence: u64,
        /// Number of the newest frame before it.
        newest: u64,
    },
    /// A frame does not hold the pixels of its size; it is left out.
    MalformedFrame {
        /// Number of the frame.
        sequence: u64,
    },
    /// Frames come late: this is the first of them.
    LateFrame {
        /// Number of the frame.
        sequence: u64,
        /// Time since its capture when the source handed it over.
        age: Duration,
    },
    /// A live source gave no frame for a long time, and this is the first one again.
    FramesMissing {
        /// Number of the frame.
        sequence: u64,
        /// Capture time since the frame before.
        pause: Duration,
    },
    /// A worker failed.
    Worker {
        /// Which one.
        worker: Worker,
        /// How.
        failure: WorkerFailure,
        /// Number of the frame it was at, where that is known.
        sequence: Option<u64>,
        /// How the run goes on.
        recovery: Recovery,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::DuplicateFrame { sequence } => {
                write!(f, "frame {sequence} came twice and was taken once")
            }
            Trouble::FrameOutOfOrder { sequence, newest } => {
                write!(f, "frame {sequence} came after frame {newest} and was left out")
            }
            Trouble::MalformedFrame { sequence } => {
                write!(f, "frame {sequence} does not hold the pixels of its size and was left out")
            }
            Trouble::LateFrame { sequence, age } => {
                write!(f, "frames come late: frame {sequence} was {:.0} ms old", 1e3 * age.as_secs_f64())
            }
            Trouble::FramesMissing { sequence, pause } => {
                write!(f, "no frame came for {:.2} s before frame {sequence}", pause.as_secs_f64())
            }
            Trouble::Worker { worker, failure, sequence, recovery } => {
                let name = worker.name();
                match failure {
                    WorkerFailure::Panicked(words) => {
                        write!(f, "the {name} failed on an internal error ({words})")?
                    }
                    WorkerFailure::Hung(since) => {
                        write!(f, "the {name} has not answered for {:.1} s", since.as_secs_f64())?;
                    }
                }
                if let Some(sequence) = sequence {
                    write!(f, " at frame {sequence}")?;
                }
                f.write_str(match recovery {
                    Recovery::Restarted => "; it was started anew",
                    Recovery::Gone => "; the run goes on without it, please report it",
                    Recovery::WaitedFor => "; it is waited for",
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_in_one_sentence() {
        let trouble = Trouble::Worker {
            worker: Worker::FrontEnd,
            failure: WorkerFailure::Hung(Duration::from_secs(10)),
            sequence: Some(7),
            recovery: Recovery::Restarted,
        };
        assert_eq!(
            trouble.to_string(),
            "the front end has not answered for 10.0 s at frame 7; it was started anew"
        );
    }
}
