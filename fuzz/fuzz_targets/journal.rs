//! A journal, whatever its bytes: read and folded, cut at its torn tail, or refused; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeferry::session::journal::{fold, read};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(journal) = read(bytes) {
        let _ = fold(&journal.entries);
    }
});
