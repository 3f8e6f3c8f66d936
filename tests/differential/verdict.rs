//! What was tried and what was wrong.

use crate::Compared;

/// What was tried and what was wrong.
#[derive(Default)]
pub struct Verdict {
    tried: usize,
    wrong: Vec<String>,
    /// What is shown, right or wrong.
    pub said: Vec<String>,
}

impl Verdict {
    /// Something that must hold.
    pub fn expect(&mut self, what: &str, wrong: Vec<String>) {
        self.tried += 1;
        if !wrong.is_empty() {
            self.wrong.push(format!("{what}:\n  {}", wrong.join("\n  ")));
        }
    }

    /// The same for a truth, with what is shown if it is none.
    pub fn is(&mut self, what: &str, holds: bool, said: &impl std::fmt::Debug) {
        self.expect(what, if holds { Vec::new() } else { vec![format!("{said:?}")] });
    }

    /// Takes in what another has found.
    pub fn join(&mut self, other: Verdict) {
        self.tried += other.tried;
        self.wrong.extend(other.wrong);
        self.said.extend(other.said);
    }

    /// All of it.
    pub fn compared(self, about: String) -> Compared {
        for line in &self.said {
            println!("  {line}");
        }
        Compared {
            about,
            tried: self.tried,
            equal: self.tried - self.wrong.len(),
            differences: (!self.wrong.is_empty()).then(|| self.wrong.join("\n")),
        }
    }
}
