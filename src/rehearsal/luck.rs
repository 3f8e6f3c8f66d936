//! What goes wrong at the simulated API, and how often: drawn for each thing by its own name, so that one fault does not shift the others.

use crate::cluster::draw::Draws;
use crate::rehearsal::lies::Lie;
use crate::rehearsal::status;
use crate::runner::Ms;
use crate::session::{Request, Response, answer};
use crate::sim::apiserver::Refusal;
use std::collections::BTreeMap;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing.
    None,
    /// Now and then something.
    #[default]
    Light,
    /// Most of the time something.
    Heavy,
}

impl std::str::FromStr for Profile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Profile::None),
            "light" => Ok(Profile::Light),
            "heavy" => Ok(Profile::Heavy),
            _ => Err(format!("no profile of faults {text:?}; expected one of none, light, heavy")),
        }
    }
}

impl Profile {
    /// The name of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::None => "none",
            Profile::Light => "light",
            Profile::Heavy => "heavy",
        }
    }
    /// Scales a probability that is given for heavy, in parts per million.
    fn ppm(self, heavy: u64) -> u64 {
        match self {
            Profile::None => 0,
            Profile::Light => heavy / 5,
            Profile::Heavy => heavy,
        }
    }
    /// Scales a number that is given for heavy.
    fn most(self, heavy: u64) -> u64 {
        match self {
            Profile::None => 0,
            Profile::Light => heavy.div_ceil(3),
            Profile::Heavy => heavy,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is served.
    Served,
    /// It is answered so, and nothing is done.
    Refused(Response),
    /// It never arrives, and no answer comes.
    LostBefore,
    /// It is served, and the answer is lost.
    LostAfter,
    /// No answer comes; it is served so much later.
    Late(Ms),
    /// It is served, and answered so all the same.
    FailedAfter(Response),
    /// It is served, and the answer comes so much later: what watches tell meanwhile overtakes it.
    Slow(Ms),
    /// It is answered from a cache that lags behind by so much.
    Stale(Ms),
    /// Somebody deletes the object just before it is served, which takes so much longer.
    Overtaken(Ms),
    /// Somebody else answers in the server's place.
    Lied {
        /// What.
        lie: Lie,
        /// Whether it was served all the same.
        served: bool,
    },
}

/// The luck of one run.
#[derive(Clone, Debug)]
pub struct Luck {
    draws: Draws,
    profile: Profile,
    counts: BTreeMap<String, u64>,
}

impl Luck {
    /// The luck of a seed.
    pub fn new(seed: u64, profile: Profile) -> Luck {
        Luck { draws: Draws::new(seed).fork("rehearsal", 0), profile, counts: BTreeMap::new() }
    }
    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }
    /// How many of this there have been before.
    fn nth(&mut self, name: &str) -> u64 {
        let n = self.counts.entry(name.to_owned()).or_default();
        *n += 1;
        *n - 1
    }
    /// Whether it happens this time, by a probability given for heavy.
    pub fn strikes(&mut self, name: &str, heavy_ppm: u64) -> bool {
        let ppm = self.profile.ppm(heavy_ppm);
        if ppm == 0 {
            return false;
        }
        let nth = self.nth(name);
        self.draws.chance(name, "strikes", nth, ppm)
    }
    /// A number of the range, this time.
    pub fn between(&mut self, name: &str, low: u64, high: u64) -> u64 {
        let nth = self.nth(name);
        self.draws.between(name, "between", nth, low, high)
    }
    /// A moment or time of the range, this time; 0 where nothing goes wrong.
    pub fn delay(&mut self, name: &str, low: Ms, high: Ms) -> Ms {
        match self.profile {
            Profile::None => 0,
            _ => self.between(name, low.max(0) as u64, high.max(0) as u64) as Ms,
        }
    }
    /// How often something that is rare happens in the whole run: up to a number given for heavy.
    pub fn how_many(&mut self, name: &str, heavy_most: u64) -> u64 {
        match self.profile.most(heavy_most) {
            0 => 0,
            most => self.between(name, 0, most),
        }
    }
    /// What becomes of a request that is sent now.
    pub fn fate(&mut self, request: &Request) -> Fate {
        let (name, reads) = match request {
            Request::Api(e) => {
                let path = e.path.split('?').next().unwrap_or_default();
                (format!("{} {path}", e.method.text()), !e.writes())
            }
            Request::Watch { .. } => return Fate::Served,
            Request::Run(p) => (format!("run {}", p.argv.join(" ")), false),
        };
        let lists = matches!(request, Request::Api(e) if reads && e.path.contains("limit="));
        let is_program = matches!(request, Request::Run(_));
        if !self.strikes(&name, 160_000) {
            let slow = format!("{name} slow");
            return match !is_program && self.strikes(&slow, 100_000) {
                true => Fate::Slow(self.delay(&slow, 1, 5_000)),
                false => Fate::Served,
            };
        }
        let evicts = name.ends_with("/eviction");
        match self.between(&format!("{name} fate"), 0, 11) {
            0 if !is_program => Fate::Refused(overloaded(Some(1000))),
            1 if !is_program => Fate::Refused(overloaded(None)),
            2 if !is_program => {
                Fate::Refused(status::failure(500, "InternalError", "Internal error occurred: etcd is away"))
            }
            3 if !is_program => Fate::Refused(status::failure(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            )),
            4 if !is_program && !reads => Fate::Refused(status::refused("objects", "it", &Refusal::Modified)),
            5 => Fate::LostBefore,
            6 => Fate::LostAfter,
            7 if !reads => Fate::Late(self.delay(&format!("{name} late"), 1_000, 150_000)),
            8 if !is_program => Fate::FailedAfter(status::failure(
                504,
                "Timeout",
                "Timeout: request did not complete within the allotted timeout",
            )),
            9 if !is_program => {
                Fate::FailedAfter(status::failure(500, "InternalError", "Internal error occurred: context canceled"))
            }
            10 if evicts => Fate::Overtaken(self.delay(&format!("{name} overtaken"), 0, 8_000)),
            10 if is_program => {
                Fate::Refused(Response::Exited { code: Some(1), output: "the provider is busy".into() })
            }
            // One object is read from etcd itself and never lags; a list may come from a cache.
            11 if lists => Fate::Stale(self.delay(&format!("{name} stale"), 100, 20_000)),
            _ => Fate::LostAfter,
        }
    }
}

/// What a server says that has too much to do: no JSON, as its priority and fairness answers.
fn overloaded(retry_after_ms: Option<Ms>) -> Response {
    match retry_after_ms {
        Some(_) => answer::read(
            429,
            retry_after_ms,
            Some("text/plain; charset=utf-8"),
            b"Too many requests, please try again later.\n",
        ),
        None => status::failure(429, "TooManyRequests", "too many requests, please try again later"),
    }
}
