//! Files that commands write: gzip where the name says so, and never half of one under its name.

use crate::private_file;
use anyhow::{Context, Result};
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Whether a file's name says that it is gzip.
pub(super) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|x| x == "gz")
}

/// Writes a file in one go: what breaks off leaves nothing behind, and an older file as it was.
///
/// # Errors
/// What `write` reports, and what the disk does.
pub(super) fn write_at_once(out: &Path, write: impl FnOnce(&mut PackedFile) -> Result<()>) -> Result<()> {
    let disk = || format!("cannot write {}; check the path and the room on its disk", out.display());
    // A pipe or a terminal has no name to be renamed to.
    if out.metadata().is_ok_and(|m| !m.is_file()) {
        let mut sink = PackedFile::create(out, is_gzip(out)).with_context(disk)?;
        write(&mut sink)?;
        return sink.finish().with_context(disk);
    }
    let part = out.with_file_name(format!("{}.part", out.file_name().unwrap_or_default().to_string_lossy()));
    let mut sink = PackedFile::create(&part, is_gzip(out)).with_context(disk)?;
    let written =
        write(&mut sink).and_then(|()| sink.finish().and_then(|()| std::fs::rename(&part, out)).with_context(disk));
    if written.is_err() {
        // It is of no use to anybody; that it cannot be removed is no reason to hide the first error.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// A file, packed or not.
pub(super) enum PackedFile {
    /// As it is.
    Plain(BufWriter<File>),
    /// As gzip.
    Packed(GzEncoder<BufWriter<File>>),
}

impl PackedFile {
    pub(super) fn create(path: &Path, gzip: bool) -> std::io::Result<PackedFile> {
        let file = BufWriter::new(private_file::create(path)?);
        Ok(match gzip {
            // No time and no name in its head: the same content gives the same bytes.
            true => PackedFile::Packed(flate2::GzBuilder::new().write(file, flate2::Compression::default())),
            false => PackedFile::Plain(file),
        })
    }

    /// Writes what is still held back; dropping it would hide a full disk.
    pub(super) fn finish(self) -> std::io::Result<()> {
        match self {
            PackedFile::Plain(mut file) => file.flush(),
            PackedFile::Packed(gzip) => gzip.finish()?.flush(),
        }
    }
}

impl Write for PackedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            PackedFile::Plain(file) => file.write(bytes),
            PackedFile::Packed(gzip) => gzip.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            PackedFile::Plain(file) => file.flush(),
            PackedFile::Packed(gzip) => gzip.flush(),
        }
    }
}
