//! Files that only their owner may read: journals, plans and dumps name nodes and pods, and hold what programs print.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Error, ErrorKind, Write};
use std::path::Path;

/// Options for opening a file; one that they create only its owner may read and write (0600). One that is there keeps its mode.
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a file, or empties the one that is there.
///
/// # Errors
/// The file system refuses.
pub fn create(path: &Path) -> io::Result<File> {
    options().write(true).create(true).truncate(true).open(path)
}

/// Writes a file.
///
/// # Errors
/// The file system refuses.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(bytes.as_ref())
}

/// Creates a directory that only its owner may enter (0700), and those above it that are missing.
///
/// # Errors
/// The file system refuses.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Refuses what is no regular file: a device may never end, and a pipe without a writer never begins.
///
/// # Errors
/// There is nothing, or it is something else.
pub fn must_be_regular(path: &Path) -> io::Result<()> {
    match path.metadata()?.is_file() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_may_read_what_is_made() {
        let tmp = tempfile::tempdir().expect("a directory");
        let (dir, file) = (tmp.path().join("a/b"), tmp.path().join("a/b/c"));
        create_dir_all(&dir).expect("made");
        write(&file, "x").expect("written");
        assert_eq!((mode(&dir), mode(dir.parent().expect("one")), mode(&file)), (0o700, 0o700, 0o600));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("changed");
        write(&file, "y").expect("written");
        assert_eq!(mode(&file), 0o640, "whoever has opened it to others meant it");
    }

    #[test]
    fn a_device_and_a_directory_are_no_regular_files() {
        let tmp = tempfile::tempdir().expect("a directory");
        let link = tmp.path().join("journal.jsonl");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        assert_eq!(must_be_regular(&link).unwrap_err().to_string(), "it is not a regular file");
        assert!(must_be_regular(tmp.path()).is_err());
    }
}
