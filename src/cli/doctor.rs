//! `handstream doctor`: what is there, what is missing, and the next step for each.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use handstream::hand::HandModel;
use handstream::home::{DataFolder, ModelFiles, OwnFile, OwnFiles};

use super::own_files;

/// What one look found.
enum Finding {
    /// It is there; says which.
    Good(String),
    /// It is missing, and some commands need it; says the next step.
    Optional(String),
    /// It is missing, and tracking needs it; says the next step.
    Missing(String),
}

/// Prints every finding on a line of its own.
///
/// `hand_model` is a model file of the user's; without it the open hand is looked at.
///
/// # Errors
/// Where something is missing that tracking needs.
pub fn run(hand_model: Option<&Path>) -> Result<()> {
    let findings = [
        ("data folder", data_folder()),
        ("hand networks", hand_networks()),
        ("hand model", hand_model_in(hand_model)),
        (OwnFile::Hamer.name(), own_file(OwnFile::Hamer)),
        (OwnFile::Haptic.name(), own_file(OwnFile::Haptic)),
        (OwnFile::OmniHands.name(), own_file(OwnFile::OmniHands)),
        (OwnFile::Mano.name(), own_file(OwnFile::Mano)),
        ("ffmpeg", program("ffmpeg")),
        ("ffprobe", program("ffprobe")),
        ("camera", cameras()),
        ("graphics", graphics()),
        ("processor", processor()),
        ("priority", priority()),
    ];
    let mut missing = 0;
    for (what, finding) in findings {
        let (mark, text) = match finding {
            Finding::Good(text) => ("ok", text),
            Finding::Optional(text) => ("note", text),
            Finding::Missing(text) => {
                missing += 1;
                ("MISSING", text)
            }
        };
        println!("{mark:8}{what:15}{text}");
    }
    match missing {
        0 => Ok(()),
        1 => bail!("one thing is missing: see the line marked MISSING"),
        count => bail!("{count} things are missing: see the lines marked MISSING"),
    }
}

/// Whether files can be kept; makes the folder where it does not exist.
fn data_folder() -> Finding {
    let folder = match DataFolder::locate() {
        Ok(folder) => folder,
        Err(error) => return Finding::Missing(error.to_string()),
    };
    let path = folder.path();
    let writable = std::fs::create_dir_all(path).and_then(|()| tempfile::NamedTempFile::new_in(path));
    match writable {
        Ok(_) => Finding::Good(format!("{} (writable)", path.display())),
        Err(error) => Finding::Missing(format!(
            "{} is not writable ({error}): set HANDSTREAM_HOME to a folder that is",
            path.display()
        )),
    }
}

fn hand_networks() -> Finding {
    match ModelFiles::locate() {
        Ok(files) => Finding::Good(format!("{} and its palm detector, checked", files.landmark.display())),
        Err(error) => Finding::Missing(error.to_string()),
    }
}

fn hand_model_in(path: Option<&Path>) -> Finding {
    let Some(path) = path else { return Finding::Good(HandModel::open().name().to_owned()) };
    match HandModel::load(path) {
        Ok(model) => Finding::Good(format!("{} from {}", model.name(), path.display())),
        Err(error) => Finding::Missing(error.to_string()),
    }
}

/// A file that only the profiles `haptic` and `omnihands` need, and that only the user can have.
fn own_file(file: OwnFile) -> Finding {
    let files = DataFolder::locate().map_err(|error| error.to_string());
    let files = files.and_then(|folder| OwnFiles::load(&folder).map_err(|error| error.to_string()));
    let files = match files {
        Ok(files) => files,
        Err(error) => return Finding::Optional(error),
    };
    match files.get(file).map(|path| own_files::look(file, path)) {
        Some(Ok(text)) => Finding::Good(text),
        Some(Err(error)) => Finding::Optional(error.to_string()),
        None => Finding::Optional(format!(
            "not set up: run `handstream setup {} PATH` if you have it",
            file.flag()
        )),
    }
}

/// The version a program of ffmpeg's states.
fn program(name: &str) -> Finding {
    let missing = "needed for video files: install ffmpeg (apt, dnf or brew install ffmpeg)";
    let output = Command::new(name).arg("-version").stdin(Stdio::null()).output();
    let Ok(output) = output else { return Finding::Missing(format!("not found; {missing}")) };
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.split_whitespace().nth(2).filter(|_| output.status.success());
    version.map_or_else(
        || Finding::Missing(format!("does not run; {missing}")),
        |version| Finding::Good(version.to_owned()),
    )
}

#[cfg(feature = "camera")]
fn cameras() -> Finding {
    use handstream::source::{CameraSystem, NativeCameras};
    match NativeCameras.list() {
        Ok(cameras) if cameras.is_empty() => {
            Finding::Optional("none found: plug one in, or track a video file".to_owned())
        }
        Ok(cameras) => {
            let names: Vec<_> =
                cameras.iter().map(|camera| format!("{} {}", camera.index, camera.name)).collect();
            Finding::Good(names.join(", "))
        }
        Err(reason) => Finding::Optional(format!("cannot be listed ({reason}): track a video file")),
    }
}

#[cfg(not(feature = "camera"))]
fn cameras() -> Finding {
    Finding::Optional("left out of this build: build with the feature `camera`".to_owned())
}

/// Draws nothing yet, but opens the adapter that would.
#[cfg(feature = "render")]
fn graphics() -> Finding {
    use handstream::frame::PictureSize;
    use handstream::render::Renderer;
    match Renderer::new(PictureSize::new(64, 64)) {
        Ok(renderer) => Finding::Good(renderer.adapter().to_owned()),
        Err(error) => Finding::Optional(format!("{error} (needed for overlay films)")),
    }
}

#[cfg(not(feature = "render"))]
fn graphics() -> Finding {
    Finding::Optional("left out of this build: build with the feature `render`".to_owned())
}

/// Whether `--pin` would work; tried on a thread of its own.
fn priority() -> Finding {
    match std::thread::spawn(|| handstream::engine::run_first(0)).join() {
        Ok(Ok(())) => Finding::Good("--pin gives the front end cores and priority".to_owned()),
        Ok(Err(refused)) => Finding::Optional(format!("{refused} (only --pin needs it)")),
        Err(_) => Finding::Optional("cannot be tried".to_owned()),
    }
}

/// The vector instructions that the networks run on.
#[cfg(target_arch = "x86_64")]
fn processor() -> Finding {
    let features = [
        ("AVX-512", is_x86_feature_detected!("avx512f")),
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("FMA", is_x86_feature_detected!("fma")),
    ];
    let there: Vec<_> = features.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if there.contains(&"AVX2") && there.contains(&"FMA") {
        return Finding::Good(format!("{cores} cores with {}", there.join(", ")));
    }
    Finding::Optional(format!("{cores} cores without AVX2: everything runs, several times slower"))
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Finding::Good(format!("{cores} cores, {}", std::env::consts::ARCH))
}
