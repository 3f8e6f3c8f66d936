//! Files, directories, archives and standard input as text, unpacked; the only place of this room that does I/O.

use super::bounds::{self, Bounded, TooLarge};
use super::condense::{self, Condensed, Start};
use super::error::ReadError;
use super::tar;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Archives within archives are unpacked so deep.
const DEEPEST: usize = 3;

/// One input, unpacked.
#[derive(Clone, Debug)]
pub struct Source {
    /// How the user named it; `-` is standard input. A file of a directory or archive has its path below the name given.
    pub name: String,
    /// Its bytes, gunzipped; UTF-16 has become UTF-8.
    pub bytes: Vec<u8>,
    /// It was found in a directory or archive: what in it is no Kubernetes object is passed over, with a finding.
    pub found: bool,
    /// Only what is read of its objects is left in `bytes` ([`load_condensed`]).
    pub(super) condensed: Option<Box<Original>>,
}

/// What is known of a file's text that is not kept.
#[derive(Clone, Debug)]
pub(super) struct Original {
    /// Where the items stand.
    pub(super) starts: Vec<Start>,
    /// The hash of it and of all sources before it.
    pub(super) hash: Sha256,
}

impl Source {
    /// A source from bytes: gunzipped if they are gzip, UTF-16 made UTF-8.
    ///
    /// # Errors
    /// Bytes that cannot be unpacked, or are a known kind of file that holds no text.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Result<Source, ReadError> {
        let name = name.into();
        let bytes = unpack(bytes).map_err(|e| not_gzip(&name, &e))?;
        Source::of_unpacked(name, bytes, false)
    }

    /// A source from text.
    pub fn of_text(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Source {
        Source { name: name.into(), bytes: text.into(), found: false, condensed: None }
    }

    /// A List as JSON, packed or not, of which only what a [`Snapshot`](super::Snapshot) is made of is left, as [`load_condensed`] has it; none for
    /// anything else. The hash is that of those before it.
    fn condensed(name: String, list: impl Read, found: bool, hash: &mut Sha256) -> std::io::Result<Option<Source>> {
        let mut after = hash.clone();
        let mut list = BufReader::with_capacity(1 << 18, list);
        let condensed = match list.fill_buf()?.starts_with(&PACKED) {
            true => condense::read(Bounded::new(MultiGzDecoder::new(list)), &mut after)?,
            false => condense::read(Bounded::new(list), &mut after)?,
        };
        Ok(condensed.map(|Condensed { text, starts }| {
            *hash = after.clone();
            let condensed = Some(Box::new(Original { starts, hash: after }));
            Source { name, bytes: text.into_bytes(), found, condensed }
        }))
    }

    fn of_unpacked(name: String, bytes: Vec<u8>, found: bool) -> Result<Source, ReadError> {
        if let Some((what, remedy)) = other_file(&bytes) {
            return Err(ReadError::NotADump { file: name, what: what.into(), remedy: remedy.into() });
        }
        let bytes = match utf16(&bytes) {
            None => bytes,
            Some(Ok(text)) => text.into_bytes(),
            Some(Err(at)) => return Err(ReadError::NotText { file: name, encoding: "UTF-16", at }),
        };
        Ok(Source { name, bytes, found, condensed: None })
    }

    /// Its text, without a byte order mark.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, ReadError> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(text.trim_start_matches('\u{feff}')),
            Err(e) => Err(ReadError::NotText { file: self.name.clone(), encoding: "UTF-8", at: e.valid_up_to() }),
        }
    }
}

/// Reads files, directories (their dump files sorted by path, however deep), archives and standard input (`-`), in this order.
///
/// # Errors
/// What cannot be read or unpacked, or holds no file that could be a dump.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Source>, ReadError> {
    load_as(paths, None)
}

/// As [`load`], but of large files that hold a List as JSON only what a [`Snapshot`](super::Snapshot) is made of is left: they are read piece by
/// piece, which takes a little longer and a fraction of the memory. The sources must be read together, none before them.
///
/// # Errors
/// As [`load`].
pub fn load_condensed(paths: &[PathBuf]) -> Result<Vec<Source>, ReadError> {
    load_condensed_from(paths, LARGE)
}

/// Files of so many bytes are read piece by piece.
const LARGE: u64 = 256 << 20;
/// Dumps that gzip has packed are so many times as large, or more.
const PACKED_RATIO: u64 = 16;

/// The same of files that have at least so many bytes.
pub(super) fn load_condensed_from(paths: &[PathBuf], large: u64) -> Result<Vec<Source>, ReadError> {
    load_as(paths, Some(&mut Condenser { hash: Sha256::new(), hashed: 0, large }))
}

/// What is condensed, and the hash of all that was read.
struct Condenser {
    hash: Sha256,
    /// So many sources are in it.
    hashed: usize,
    large: u64,
}

/// Reads files whole, or condensed where there is a hash to add them to.
fn load_as(paths: &[PathBuf], mut condenser: Option<&mut Condenser>) -> Result<Vec<Source>, ReadError> {
    let mut sources = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        if shown == "-" {
            let name = "standard input".to_owned();
            let bytes = bounds::read_all(std::io::stdin().lock()).map_err(|e| not_read(&name, e))?;
            add(name, bytes, false, 0, &mut sources)?;
        } else if path.is_dir() {
            let mut files = Vec::new();
            dump_files(path, &mut BTreeSet::new(), &mut files)?;
            if files.is_empty() {
                return Err(ReadError::EmptyDirectory { directory: shown });
            }
            for file in files {
                add_file(&file, true, condenser.as_deref_mut(), &mut sources)?;
            }
        } else {
            add_file(path, false, condenser.as_deref_mut(), &mut sources)?;
        }
    }
    Ok(sources)
}

fn add_file(
    path: &Path,
    found: bool,
    condenser: Option<&mut Condenser>,
    sources: &mut Vec<Source>,
) -> Result<(), ReadError> {
    let name = path.display().to_string();
    // What cannot be read or unpacked is complained of by who reads it as a whole.
    if let Some(condenser) = condenser
        && is_large(path, condenser.large)
        && let Ok(file) = std::fs::File::open(path)
    {
        // Its hash goes on from that of those before it, which nobody needs where nothing is condensed.
        for whole in sources[condenser.hashed..].iter().filter(|s| s.condensed.is_none()) {
            condenser.hash.update(&whole.bytes);
        }
        condenser.hashed = sources.len();
        match Source::condensed(name.clone(), file, found, &mut condenser.hash) {
            Ok(Some(source)) => {
                sources.push(source);
                condenser.hashed = sources.len();
                return Ok(());
            }
            Err(e) if TooLarge::of(&e).is_some() => return Err(not_read(&name, e)),
            _ => {}
        }
    }
    add(name, read(path)?, found, 0, sources)
}

/// Whether a path is a file that has so many bytes, or as many fewer as gzip makes of them. What is no file (a pipe) can be read only once.
fn is_large(path: &Path, large: u64) -> bool {
    let packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let large = if packed { large / PACKED_RATIO } else { large };
    std::fs::metadata(path).is_ok_and(|of| of.is_file() && of.len() >= large)
}

fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let open = || {
        let most = bounds::max_input();
        match std::fs::metadata(path)? {
            of if of.is_file() && of.len() > most => Err(std::io::Error::other(TooLarge::Size(most))),
            _ => bounds::read_all(std::fs::File::open(path)?),
        }
    };
    open().map_err(|e| not_read(&path.display().to_string(), e))
}

/// Adds a file's text, or the dump files of an archive, sorted by name.
fn add(name: String, bytes: Vec<u8>, found: bool, depth: usize, sources: &mut Vec<Source>) -> Result<(), ReadError> {
    let bytes = unpack(bytes).map_err(|e| not_gzip(&name, &e))?;
    if depth >= DEEPEST || !tar::is_tar(&bytes) {
        sources.push(Source::of_unpacked(name, bytes, found)?);
        return Ok(());
    }
    let mut files = tar::files(&bytes).map_err(|problem| ReadError::NotADump {
        file: name.clone(),
        what: format!("a tar archive that cannot be read: {problem}"),
        remedy: "make the archive again, or unpack it and give the directory".into(),
    })?;
    let listed = |name: &str| {
        !Path::new(name).components().any(|c| matches!(c, Component::Normal(n) if is_hidden(Path::new(n))))
    };
    files.retain(|f| is_dump_file(Path::new(&f.0)) && listed(&f.0));
    files.sort_by(|a, b| Path::new(&a.0).cmp(Path::new(&b.0)));
    if files.is_empty() {
        return Err(ReadError::EmptyDirectory { directory: name });
    }
    for (file, content) in files {
        add(format!("{name}/{}", file.trim_start_matches("./")), content.to_vec(), true, depth + 1, sources)?;
    }
    Ok(())
}

/// The dump files below a directory, sorted by path. A directory that links lead to twice is read once.
fn dump_files(directory: &Path, seen: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let io = |source| ReadError::Io { file: directory.display().to_string(), source };
    if !seen.insert(std::fs::canonicalize(directory).map_err(io)?) {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io)? {
        entries.push(entry.map_err(io)?.path());
    }
    entries.sort();
    for path in entries {
        if is_hidden(&path) {
            continue;
        } else if path.is_dir() {
            dump_files(&path, seen, files)?;
        } else if path.is_file() && is_dump_file(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a path is one that its owner does not list: `.git`, and the `._name` that macOS puts into archives.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
}

/// Whether a file could be a dump, by its name.
fn is_dump_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    [".json", ".yaml", ".yml", ".tar", ".tgz"].iter().any(|e| bare.ends_with(e))
}

/// How gzip begins.
const PACKED: [u8; 2] = [0x1f, 0x8b];

fn unpack(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    if bytes.starts_with(&PACKED) { bounds::unpack(&bytes) } else { Ok(bytes) }
}

fn not_read(file: &str, source: std::io::Error) -> ReadError {
    match TooLarge::of(&source) {
        Some(why) => ReadError::TooLarge { file: file.to_owned(), why },
        None => ReadError::Io { file: file.to_owned(), source },
    }
}

fn not_gzip(file: &str, error: &std::io::Error) -> ReadError {
    if let Some(why) = TooLarge::of(error) {
        return ReadError::TooLarge { file: file.to_owned(), why };
    }
    let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
    let problem = if cut { "it is cut off" } else { "it is damaged" };
    ReadError::NotADump {
        file: file.into(),
        what: format!("a gzip file that cannot be unpacked: {problem}"),
        remedy: "make or copy it again".into(),
    }
}

/// Files that hold no text, by how they begin: what they are, and what to do.
fn other_file(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNPACK: &str = "unpack it and give the directory or the files";
    const KNOWN: &[(&[u8], &str, &str)] = &[
        (b"PK\x03\x04", "a zip archive", UNPACK),
        (b"\xfd7zXZ\0", "packed with xz", UNPACK),
        (b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
        (b"BZh", "packed with bzip2", UNPACK),
        (b"7z\xbc\xaf", "a 7z archive", UNPACK),
        (b"k8s\0", "in Kubernetes' binary form (protobuf)", "make the dump with `kubectl get … -o json`"),
    ];
    let found = KNOWN.iter().find(|(magic, _, _)| bytes.starts_with(magic)).map(|(_, what, remedy)| (*what, *remedy));
    found.or_else(|| tar::is_tar(bytes).then_some(("a tar archive", UNPACK)))
}

/// UTF-16 as text, by its byte order mark or by the zero beside its first character; None for what is none. The error is
/// the byte that is wrong.
fn utf16(bytes: &[u8]) -> Option<Result<String, usize>> {
    let (little, skip) = match bytes {
        [0xff, 0xfe, ..] => (true, 2),
        [0xfe, 0xff, ..] => (false, 2),
        [first, 0, second, 0, ..] if first.is_ascii() && second.is_ascii() && *first != 0 => (true, 0),
        [0, first, 0, second, ..] if first.is_ascii() && second.is_ascii() && *first != 0 => (false, 0),
        _ => return None,
    };
    let unit = |pair: &[u8]| match (pair, little) {
        ([a, b], true) => u16::from_le_bytes([*a, *b]),
        ([a, b], false) => u16::from_be_bytes([*a, *b]),
        _ => 0xdc00, // half a unit at the end: a surrogate without its other half is an error
    };
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut at = skip;
    for c in char::decode_utf16(bytes[skip..].chunks(2).map(unit)) {
        match c {
            Ok(c) => {
                at += 2 * c.len_utf16();
                text.push(c);
            }
            Err(_) => return Some(Err(at)),
        }
    }
    Some(Ok(text))
}
