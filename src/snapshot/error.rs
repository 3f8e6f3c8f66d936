//! Why an input cannot be read: the file, the place in it, what was expected and what to do.

/// An input that cannot be read. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("cannot read {file}: {source}; give a file, a directory of files, or - for standard input")]
    Io {
        /// Path as given.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A directory or archive without a file that could be a dump.
    #[error(
        "{directory} holds no .json, .yaml or .yml file (as such, as .gz, or in a .tar or .tgz), however deep; write the dump into it first"
    )]
    EmptyDirectory {
        /// Path as given.
        directory: String,
    },
    /// A file with nothing in it.
    #[error(
        "{file} is empty; expected what `kubectl get … -o json` prints: see whether the command failed, or remove the file"
    )]
    EmptyFile {
        /// Path as given.
        file: String,
    },
    /// A file of another kind.
    #[error("{file} is {what}; {remedy}")]
    NotADump {
        /// Path as given.
        file: String,
        /// What it is.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// More than is taken in.
    #[error("{file} is {why}")]
    TooLarge {
        /// Path as given.
        file: String,
        /// By what.
        why: super::bounds::TooLarge,
    },
    /// Neither UTF-8 nor UTF-16.
    #[error("{file} is not text in {encoding} (byte {at}); write it as UTF-8, as `kubectl get … -o json` prints it")]
    NotText {
        /// Path as given.
        file: String,
        /// What it was taken for.
        encoding: &'static str,
        /// First wrong byte.
        at: usize,
    },
    /// Neither JSON nor YAML, or cut off.
    #[error("{file} is no valid {format}: {problem}; {remedy}")]
    Syntax {
        /// Path as given.
        file: String,
        /// `JSON` or `YAML`.
        format: &'static str,
        /// What is wrong, with the line.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A document that is no Kubernetes object.
    #[error(
        "{file}: {item} is no Kubernetes object: {problem}; expected an object with apiVersion and kind, a List or an array of such"
    )]
    NotAnObject {
        /// Path as given.
        file: String,
        /// Which document or item.
        item: String,
        /// What is wrong.
        problem: String,
    },
    /// A field of an object is not what the API allows.
    #[error(
        "{file}: {item}: {path}: {problem}; the API server would not store this, so make the dump again or correct the field"
    )]
    Field {
        /// Path as given.
        file: String,
        /// Which item: `items[12] (Pod shop/web-1)`.
        item: String,
        /// Path of the field within the item (`spec.containers[0].resources.requests.cpu`).
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A pod was to be added after names were made by a run.
    #[error("pods can only be added to a snapshot before its state has made names of its own; decode them first")]
    TooLate,
}
