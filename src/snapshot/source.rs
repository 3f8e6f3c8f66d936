//! Files, directories and standard input as bytes, unpacked; the only place of this room that does I/O.

use super::error::ReadError;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One input, unpacked.
#[derive(Clone, Debug)]
pub struct Source {
    /// How the user named it; `-` is standard input.
    pub name: String,
    /// Its bytes, gunzipped.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A source from bytes, gunzipped if they are gzip.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Result<Source, ReadError> {
        let name = name.into();
        let bytes = unpack(bytes).map_err(|source| ReadError::Io { file: name.clone(), source })?;
        Ok(Source { name, bytes })
    }
}

/// Reads files, directories (their dump files sorted by name, not deeper) and standard input (`-`), in this order.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Source>, ReadError> {
    let mut sources = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        let io = |source| ReadError::Io { file: shown.clone(), source };
        if shown == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(io)?;
            sources.push(Source::new("standard input", bytes)?);
        } else if path.is_dir() {
            let files = dump_files(path).map_err(io)?;
            if files.is_empty() {
                return Err(ReadError::EmptyDirectory { directory: shown });
            }
            for file in files {
                sources.push(load_file(&file)?);
            }
        } else {
            sources.push(load_file(path)?);
        }
    }
    Ok(sources)
}

fn load_file(path: &Path) -> Result<Source, ReadError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ReadError::Io { file: name.clone(), source })?;
    Source::new(name, bytes)
}

fn dump_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bare = name.strip_suffix(".gz").unwrap_or(&name);
        if path.is_file() && [".json", ".yaml", ".yml"].iter().any(|e| bare.ends_with(e)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn unpack(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() * 8);
    flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut out)?;
    Ok(out)
}
