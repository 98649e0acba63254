//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {cause}; choose a folder you may write to, on a disk with room")]
pub struct WriteError {
    /// The file's final name.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

impl WriteError {
    /// The failure `cause` while writing `path`.
    pub fn new(path: &Path, cause: io::Error) -> Self {
        Self { path: path.to_path_buf(), cause }
    }
}

/// A file written beside its final name and moved there when it is complete, so that nobody ever
/// reads half a result. Dropped before [`PartFile::commit`], it leaves nothing behind.
pub struct PartFile {
    path: PathBuf,
    part: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl PartFile {
    /// Starts the file that will be `path`; its folder is made when missing.
    ///
    /// # Errors
    /// [`WriteError`] when the folder cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let part = part_path(path);
        let open = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create(&part)
        };
        let file = open().map_err(|cause| WriteError::new(path, cause))?;
        Ok(Self { path: path.to_path_buf(), part, writer: Some(BufWriter::new(file)) })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`WriteError`], for example when the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_all(bytes).map_err(|cause| WriteError::new(&self.path, cause))
    }

    /// Flushes to the disk and gives the file its final name.
    ///
    /// # Errors
    /// [`WriteError`]; an older file of the same name is then still there.
    pub fn commit(mut self) -> Result<(), WriteError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer
            .flush()
            .and_then(|()| writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.part, &self.path))
            .map_err(|cause| {
                // The half-written file is of no use; what matters is the first error.
                let _ = fs::remove_file(&self.part);
                WriteError::new(&self.path, cause)
            })
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // Nothing more can be done about a file that will not go away.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Where `path` is written until it is complete: the same folder, so that the move is atomic, and
/// the same ending, so that programs which go by it (ffmpeg) write the right format.
pub fn part_path(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy());
    path.with_file_name(format!(".part-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("handstream-files-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_file_has_its_name_only_when_complete() {
        let folder = scratch("whole");
        let path = folder.join("result.txt");
        let mut file = PartFile::create(&path).unwrap();
        file.write(b"hands").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hands");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_and_keeps_the_old_one() {
        let folder = scratch("abandoned");
        let path = folder.join("result.txt");
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, b"old").unwrap();
        drop(PartFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_a_file_is_one_clear_sentence() {
        let blocker = scratch("blocker");
        fs::write(&blocker, b"").unwrap();
        let error = PartFile::create(&blocker.join("result.txt")).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        fs::remove_file(blocker).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_nothing_behind() {
        if !Path::new("/dev/full").exists() {
            println!("skipped: this system has no /dev/full");
            return;
        }
        let folder = scratch("full");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("result.txt");
        std::os::unix::fs::symlink("/dev/full", part_path(&path)).unwrap();
        let mut file = PartFile::create(&path).unwrap();
        let written = file.write(&[0; 1 << 20]).and_then(|()| file.commit());
        assert!(written.unwrap_err().to_string().contains("disk with room"));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
