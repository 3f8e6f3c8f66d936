//! How much of an input is taken in: a small packed file may unpack to more than there is memory, and a device never ends.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of an input, unpacked, that are taken in if nobody says otherwise: 4 GiB.
pub const MAX_INPUT: u64 = 4 << 30;

/// Of the process, for it protects the process' memory, and changes no result.
static MOST: AtomicU64 = AtomicU64::new(MAX_INPUT);

/// Says how many bytes of an input, unpacked, are taken in.
pub fn set_max_input(bytes: u64) {
    MOST.store(bytes, Ordering::Relaxed);
}

/// How many bytes of an input, unpacked, are taken in.
pub fn max_input() -> u64 {
    MOST.load(Ordering::Relaxed)
}

/// What is packed may unpack to so many times its size: dumps to some 20 times, and a file made to fill a memory to 1,000 times.
const MOST_TIMES: u64 = 200;
/// Below so many unpacked bytes nobody counts.
const HARMLESS: u64 = 64 << 20;
/// So much is read between two looks.
const PIECE: u64 = 1 << 20;

/// An input is larger than is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// By its size.
    #[error("larger than {0} bytes, unpacked; if it is meant to be, say so with --max-input")]
    Size(u64),
    /// By what it unpacks to.
    #[error("packed more than {MOST_TIMES} times, which no dump is; unpack it and look at it first")]
    Ratio,
}

impl TooLarge {
    /// Which, where that is why something could not be read.
    pub fn of(error: &io::Error) -> Option<TooLarge> {
        error.get_ref().and_then(|e| e.downcast_ref()).copied()
    }
}

/// Gives what a reader gives, and [`TooLarge`] beyond what is taken in.
pub struct Bounded<R> {
    reader: R,
    most: u64,
    given: u64,
}

impl<R: Read> Bounded<R> {
    /// Of a reader.
    pub fn new(reader: R) -> Bounded<R> {
        Bounded { reader, most: max_input(), given: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let given = self.reader.read(buffer)?;
        self.given += given as u64;
        match self.given > self.most {
            true => Err(io::Error::other(TooLarge::Size(self.most))),
            false => Ok(given),
        }
    }
}

/// Reads to the end.
///
/// # Errors
/// What the reader gives, and [`TooLarge`].
pub fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Bounded::new(reader).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Unpacks gzip.
///
/// # Errors
/// It is none, and [`TooLarge`].
pub fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let most = max_input();
    let mut decoder = MultiGzDecoder::new(packed);
    let mut bytes = Vec::with_capacity((packed.len() as u64).saturating_mul(8).min(HARMLESS) as usize);
    loop {
        let before = bytes.len();
        decoder.by_ref().take(PIECE).read_to_end(&mut bytes)?;
        if bytes.len() == before {
            return Ok(bytes);
        }
        let (unpacked, used) = (bytes.len() as u64, (packed.len() - decoder.get_ref().len()) as u64);
        if unpacked > most {
            return Err(io::Error::other(TooLarge::Size(most)));
        }
        if unpacked > HARMLESS && unpacked / MOST_TIMES > used {
            return Err(io::Error::other(TooLarge::Ratio));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(times: usize, of: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        (0..times).for_each(|_| gzip.write_all(of).expect("it is memory"));
        gzip.finish().expect("it is memory")
    }

    #[test]
    fn what_unpacks_to_a_memory_full_is_refused_before_it_has() {
        let zeros = packed(200, &vec![0; 1 << 20]);
        assert!(zeros.len() < 2 << 20, "{}", zeros.len());
        assert_eq!(TooLarge::of(&unpack(&zeros).unwrap_err()), Some(TooLarge::Ratio));
        // So much is nothing yet, however it is packed; and two members are one text.
        let small = [packed(30, &vec![0; 1 << 20]), packed(1, b"end")].concat();
        assert_eq!(unpack(&small).expect("it is gzip").len(), (30 << 20) + 3);
    }

    #[test]
    fn what_is_no_gzip_and_what_is_cut_off_are_no_matter_of_size() {
        let whole = packed(1, b"text");
        for bad in [&b"text"[..], &whole[..whole.len() - 5]] {
            assert_eq!(TooLarge::of(&unpack(bad).unwrap_err()), None);
        }
    }
}
