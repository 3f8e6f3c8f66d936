//! Delays as distributions.

use serde::{Deserialize, Serialize};

/// A distribution of a delay; all times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Delay {
    /// Always the same.
    Constant {
        /// Milliseconds.
        ms: i64,
    },
    /// Every millisecond from min to max (both included) equally likely.
    Uniform {
        /// Least.
        min_ms: i64,
        /// Most.
        max_ms: i64,
    },
    /// Log-normal, given by median and 95th percentile.
    LogNormal {
        /// Median.
        median_ms: i64,
        /// 95th percentile, at least the median.
        p95_ms: i64,
    },
    /// From min to max, equally likely on a logarithmic scale: as likely between 1 s and 10 s as between 10 s and 100 s.
    LogUniform {
        /// Least, at least 1.
        min_ms: i64,
        /// Most.
        max_ms: i64,
    },
    /// One of these, equally likely.
    Empirical {
        /// Samples.
        samples_ms: Vec<i64>,
    },
}

/// A span of time in the words of a finding, in its largest unit: `45 s`, `10 min`, `28 h`, `3 d`.
pub fn duration_text(ms: i64) -> String {
    let seconds = (ms.max(0) + 500) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Standard normal quantile at 0.95.
const Z95: f64 = 1.644_853_626_951_472_2;

/// The longest time that a file may state, in milliseconds: a hundred years. Sums of times stay far within what they are counted in.
pub const LONGEST_MS: i64 = 100 * 366 * 86_400_000;

/// Why a time in milliseconds makes no sense, if it does not: it is negative, or longer than [`LONGEST_MS`].
pub fn time_problem(ms: i64) -> Option<String> {
    match ms {
        ..0 => Some("a time cannot be negative".to_owned()),
        0..=LONGEST_MS => None,
        _ => Some(format!("expected at most {LONGEST_MS}, which is a hundred years")),
    }
}

impl Delay {
    /// The delay that a uniform draw of 64 bits gives, never negative.
    ///
    /// Portable: log-normal goes through libm's `exp` and a rational inverse normal, so that the same draw gives the
    /// same milliseconds on every machine.
    pub fn sample(&self, draw: u64) -> i64 {
        match self {
            Delay::Constant { ms } => (*ms).max(0),
            Delay::Uniform { min_ms, max_ms } => {
                let span = (*max_ms - *min_ms).max(0) as u128 + 1;
                (min_ms + ((u128::from(draw) * span) >> 64) as i64).max(0)
            }
            Delay::LogNormal { median_ms, p95_ms } => {
                if *median_ms <= 0 {
                    return 0;
                }
                let ratio = (*p95_ms as f64 / *median_ms as f64).max(1.0);
                let sigma = libm::log(ratio) / Z95;
                // 53 bits, centred, so that neither 0 nor 1 occurs.
                let u = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                let ms = *median_ms as f64 * libm::exp(sigma * inverse_normal(u));
                libm::round(ms.min(1e15)) as i64
            }
            Delay::LogUniform { min_ms, max_ms } => {
                let (min, max) = (*min_ms.max(&1), *max_ms.max(min_ms).max(&1));
                let u = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                let ms = min as f64 * libm::exp(libm::log(max as f64 / min as f64) * u);
                (libm::round(ms.min(1e15)) as i64).clamp(min, max)
            }
            Delay::Empirical { samples_ms } => {
                let n = samples_ms.len() as u128;
                samples_ms.get(((u128::from(draw) * n) >> 64) as usize).copied().unwrap_or(0).max(0)
            }
        }
    }

    /// What 95 of 100 draws do not exceed, in milliseconds.
    pub fn p95(&self) -> i64 {
        self.sample(u64::MAX / 100 * 95)
    }

    /// The same distribution with every time multiplied by `numerator / denominator`, rounded down.
    pub fn times(&self, numerator: u32, denominator: u32) -> Delay {
        let scaled = |ms: i64| {
            let product = i128::from(ms) * i128::from(numerator) / i128::from(denominator.max(1));
            i64::try_from(product).unwrap_or(i64::MAX)
        };
        match self {
            Delay::Constant { ms } => Delay::Constant { ms: scaled(*ms) },
            Delay::Uniform { min_ms, max_ms } => Delay::Uniform { min_ms: scaled(*min_ms), max_ms: scaled(*max_ms) },
            Delay::LogNormal { median_ms, p95_ms } => {
                Delay::LogNormal { median_ms: scaled(*median_ms), p95_ms: scaled(*p95_ms) }
            }
            // Below 1 ms there is no logarithm to be uniform in.
            Delay::LogUniform { min_ms, max_ms } => {
                Delay::LogUniform { min_ms: scaled(*min_ms).max(1), max_ms: scaled(*max_ms).max(1) }
            }
            Delay::Empirical { samples_ms } => {
                Delay::Empirical { samples_ms: samples_ms.iter().map(|ms| scaled(*ms)).collect() }
            }
        }
    }

    /// Why the distribution makes no sense, if it does not.
    pub fn problem(&self) -> Option<String> {
        match self {
            Delay::Constant { ms } if *ms < 0 => Some(format!("ms is {ms}; a delay cannot be negative")),
            Delay::Uniform { min_ms, max_ms } if *min_ms < 0 || max_ms < min_ms => {
                Some(format!("uniform from {min_ms} to {max_ms}; expected 0 <= min_ms <= max_ms"))
            }
            Delay::LogNormal { median_ms, p95_ms } if *median_ms < 0 || p95_ms < median_ms => Some(format!(
                "log_normal with median_ms {median_ms} and p95_ms {p95_ms}; expected 0 <= median_ms <= p95_ms"
            )),
            Delay::LogUniform { min_ms, max_ms } if *min_ms < 1 || max_ms < min_ms => {
                Some(format!("log_uniform from {min_ms} to {max_ms}; expected 1 <= min_ms <= max_ms"))
            }
            Delay::Empirical { samples_ms } if samples_ms.is_empty() => Some("empirical without samples".into()),
            Delay::Empirical { samples_ms } if samples_ms.iter().any(|s| *s < 0) => {
                Some("empirical with a negative sample in samples_ms".into())
            }
            _ => self.longest().and_then(|(name, ms)| Some(format!("{name} is {ms}; {}", time_problem(ms)?))),
        }
    }

    /// The largest time in it, and its name.
    fn longest(&self) -> Option<(&'static str, i64)> {
        match self {
            Delay::Constant { ms } => Some(("ms", *ms)),
            Delay::Uniform { max_ms, .. } | Delay::LogUniform { max_ms, .. } => Some(("max_ms", *max_ms)),
            Delay::LogNormal { p95_ms, .. } => Some(("p95_ms", *p95_ms)),
            Delay::Empirical { samples_ms } => samples_ms.iter().max().map(|ms| ("samples_ms", *ms)),
        }
    }
}

/// Inverse of the standard normal distribution function: Acklam's rational approximation (relative error below 1.2e-9).
fn inverse_normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.38357751867269e+02,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 4] = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00];
    let horner = |c: &[f64], x: f64| c.iter().fold(0.0, |acc, k| acc * x + k);
    if p < 0.02425 {
        let q = libm::sqrt(-2.0 * libm::log(p));
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    } else if p <= 0.97575 {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    } else {
        let q = libm::sqrt(-2.0 * libm::log(1.0 - p));
        -horner(&C, q) / (horner(&D, q) * q + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_normal_has_the_given_median_and_p95() {
        let d = Delay::LogNormal { median_ms: 10_000, p95_ms: 30_000 };
        assert_eq!(d.sample(1 << 63), 10_000);
        let p95 = d.sample((0.95 * u64::MAX as f64) as u64);
        assert!((29_999..=30_001).contains(&p95), "{p95}");
    }

    #[test]
    fn a_multiple_has_every_time_multiplied() {
        let half = Delay::LogNormal { median_ms: 5_000, p95_ms: 30_000 }.times(1, 2);
        assert_eq!(half, Delay::LogNormal { median_ms: 2_500, p95_ms: 15_000 });
        assert_eq!(Delay::Uniform { min_ms: 3, max_ms: 7 }.times(2, 1), Delay::Uniform { min_ms: 6, max_ms: 14 });
        assert_eq!(
            Delay::Empirical { samples_ms: vec![5, 9] }.times(1, 2),
            Delay::Empirical { samples_ms: vec![2, 4] }
        );
        assert_eq!(Delay::Constant { ms: i64::MAX }.times(2, 1), Delay::Constant { ms: i64::MAX });
    }

    #[test]
    fn log_uniform_has_the_geometric_mean_as_median_and_both_ends() {
        let d = Delay::LogUniform { min_ms: 1_000, max_ms: 100_000 };
        assert_eq!((d.sample(0), d.sample(1 << 63), d.sample(u64::MAX)), (1_000, 10_000, 100_000));
        assert_eq!(Delay::LogUniform { min_ms: 5, max_ms: 5 }.sample(77), 5);
        assert!(Delay::LogUniform { min_ms: 0, max_ms: 5 }.problem().is_some());
    }

    #[test]
    fn uniform_reaches_both_ends_and_nothing_else() {
        let d = Delay::Uniform { min_ms: 5, max_ms: 7 };
        assert_eq!((d.sample(0), d.sample(u64::MAX)), (5, 7));
    }
}
