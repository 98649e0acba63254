//! `handstream setup`: fetches the two MediaPipe networks once, checks them and puts them in place.
//!
//! They travel in the Python wheel `mediapipe` 0.10.21 (Apache-2.0; later wheels leave them out), which
//! pip downloads on any system without installing anything.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use handstream::files::PartFile;
use handstream::home::{DataFolder, HAND_LANDMARK, KnownFile, ModelFiles, PALM_DETECTION};

/// The models' licence in the wheel; a copy goes beside them.
const LICENSE_IN_WHEEL: &str = "mediapipe-0.10.21.dist-info/LICENSE";
const LICENSE_NAME: &str = "LICENSE";
const WHEEL_PREFIX: &str = "mediapipe-0.10.21";

/// What pip is asked for: the Linux wheel of one Python version, whatever runs here, because the model
/// files in it are the same for all systems.
const DOWNLOAD: [&str; 8] = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--platform",
    "manylinux_2_28_x86_64",
    "--python-version",
    "3.12",
    "mediapipe==0.10.21",
];

/// Ways to start pip, tried in turn.
const PIPS: [&[&str]; 5] =
    [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["py", "-m", "pip"], &["pip3"], &["pip"]];

/// Fetches what is missing or wrong; says so and does nothing where all is right.
///
/// `wheel` names a wheel file fetched by hand, for machines without network.
///
/// # Errors
/// One sentence that says what to do by hand where the wheel cannot be had or holds other files.
pub fn run(wheel: Option<&Path>) -> Result<()> {
    let folder = DataFolder::locate()?.models();
    let files = [PALM_DETECTION, HAND_LANDMARK];
    if all_right(&folder, &files) {
        println!("models: already in {}, checked", folder.display());
        return Ok(());
    }
    match wheel {
        Some(wheel) => install(wheel, &folder, &files)?,
        None => {
            let download =
                tempfile::tempdir().context("no temporary folder can be made: free some disk space")?;
            println!("models: fetching the MediaPipe hand networks (36 MB, once)");
            let wheel = fetch(download.path()).map_err(|error| by_hand(&error, &folder))?;
            install(&wheel, &folder, &files)?;
        }
    }
    println!("models: in {}, checked (Apache-2.0, licence beside them)", folder.display());
    Ok(())
}

/// The checked model files, fetched first where they are missing or wrong.
///
/// # Errors
/// As [`run`].
pub fn models() -> Result<ModelFiles> {
    match ModelFiles::locate() {
        Ok(files) => Ok(files),
        Err(_) => {
            run(None)?;
            Ok(ModelFiles::locate()?)
        }
    }
}

fn all_right(folder: &Path, files: &[KnownFile]) -> bool {
    files.iter().all(|file| file.check(&folder.join(file.name)).is_ok())
}

/// Downloads the wheel into `folder` with the first pip there is.
fn fetch(folder: &Path) -> Result<PathBuf> {
    for pip in PIPS {
        let Some((program, arguments)) = pip.split_first() else { continue };
        let output = Command::new(program)
            .args(arguments)
            .args(DOWNLOAD)
            .args(["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2", "--dest"])
            .arg(folder)
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else { continue };
        if output.status.success() {
            return wheel_in(folder);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // A Python without pip says so; the next candidate may have it.
        if !said.contains("No module named") {
            bail!("{} said: {}", pip.join(" "), last_line(&said));
        }
    }
    bail!("no Python with pip was found")
}

fn wheel_in(folder: &Path) -> Result<PathBuf> {
    std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(WHEEL_PREFIX)))
        .ok_or_else(|| anyhow!("pip succeeded but left no {WHEEL_PREFIX} wheel"))
}

fn by_hand(error: &anyhow::Error, folder: &Path) -> anyhow::Error {
    anyhow!(
        "the hand networks could not be fetched ({error}): with network, run `python3 -m pip {}` and then \
         `handstream setup --wheel {WHEEL_PREFIX}-*.whl`, or unzip {} and {} from it into {}",
        DOWNLOAD.join(" "),
        PALM_DETECTION.in_wheel,
        HAND_LANDMARK.in_wheel,
        folder.display()
    )
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason").trim()
}

/// Copies the known files and the licence out of a wheel, each checked before it is put in place.
fn install(wheel: &Path, folder: &Path, files: &[KnownFile]) -> Result<()> {
    let archive =
        File::open(wheel).with_context(|| format!("the wheel {} cannot be opened", wheel.display()))?;
    let mut archive = zip::ZipArchive::new(archive)
        .with_context(|| format!("{} is not a wheel (or was cut off): fetch it again", wheel.display()))?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made: set HANDSTREAM_HOME", folder.display()))?;
    for file in files {
        let bytes = member(&mut archive, file.in_wheel, file.size, wheel)?;
        if file.check_bytes(wheel, &bytes).is_err() {
            bail!(
                "{} in {} is not the published file: fetch the wheel mediapipe 0.10.21 again",
                file.name,
                wheel.display()
            );
        }
        write(&folder.join(file.name), &bytes)?;
    }
    let licence = member(&mut archive, LICENSE_IN_WHEEL, LICENCE_LIMIT, wheel)?;
    write(&folder.join(LICENSE_NAME), &licence)
}

/// A licence text is never longer; keeps a crafted archive from filling the memory.
const LICENCE_LIMIT: u64 = 1 << 20;

/// Content of a file in the archive, of at most `limit` bytes.
fn member(archive: &mut zip::ZipArchive<File>, name: &str, limit: u64, wheel: &Path) -> Result<Vec<u8>> {
    let said = || format!("{} holds no readable {name}: it must be mediapipe 0.10.21", wheel.display());
    let mut bytes = Vec::new();
    let entry = archive.by_name(name).with_context(said)?;
    // One byte more than allowed, so that a longer file is seen as such.
    entry.take(limit + 1).read_to_end(&mut bytes).with_context(said)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = PartFile::create(path).and_then(|mut file| {
        file.write(bytes)?;
        file.commit()
    });
    written.context("the data folder is not writable: set HANDSTREAM_HOME to another one")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// "abc" with its SHA-256, as a stand-in for a network.
    const ABC: KnownFile = KnownFile {
        name: "abc.tflite",
        in_wheel: "inside/abc.tflite",
        size: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    fn wheel(folder: &Path, content: &[u8]) -> PathBuf {
        let path = folder.join("mediapipe-0.10.21-test.whl");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in [(ABC.in_wheel, content), (LICENSE_IN_WHEEL, b"Apache".as_slice())] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn a_good_wheel_gives_the_file_and_its_licence_and_replaces_wrong_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        std::fs::create_dir_all(&models).unwrap();
        std::fs::write(models.join(ABC.name), b"abX").unwrap();
        assert!(!all_right(&models, &[ABC]));
        install(&wheel(folder.path(), b"abc"), &models, &[ABC]).unwrap();
        assert!(all_right(&models, &[ABC]));
        assert_eq!(std::fs::read_dir(&models).unwrap().count(), 2, "no temporary file may stay");
    }

    #[test]
    fn a_wheel_with_other_bytes_is_refused_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        for content in [b"abd".as_slice(), b"abcd", b""] {
            let error = install(&wheel(folder.path(), content), &models, &[ABC]).unwrap_err();
            assert!(error.to_string().contains("not the published file"), "{error}");
        }
        assert!(!models.join(ABC.name).exists());
    }

    #[test]
    fn a_cut_off_wheel_is_refused_with_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = wheel(folder.path(), b"abc");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = install(&path, folder.path(), &[ABC]).unwrap_err();
        assert!(error.to_string().contains("fetch it again"), "{error}");
    }
}
