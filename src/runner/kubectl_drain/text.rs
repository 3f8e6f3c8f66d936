//! kubectl's lines, to the letter (kubectl v0.36.3 `pkg/drain/drain.go`, `pkg/cmd/drain/drain.go`).

/// A Go duration as `%v` prints it (`time.Duration.String`), from milliseconds: `1m30s`, `1.5s`, `500ms`, `0s`.
pub(crate) fn go_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    if ms < 0 {
        return format!("-{}", go_duration(-ms));
    }
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (h, m, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let mut seconds = format!("{}", rest / 1000);
    if rest % 1000 != 0 {
        seconds += format!(".{:03}", rest % 1000).trim_end_matches('0');
    }
    match (h, m) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// An aggregate of errors as it prints (apimachinery `util/errors`): one as it is, several without repeats in brackets.
pub(crate) fn aggregate(errors: &[String]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for e in errors {
        if !seen.contains(&e.as_str()) {
            seen.push(e);
        }
    }
    match seen.len() {
        1 => seen[0].to_owned(),
        _ => format!("[{}]", seen.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (90_000, "1m30s"),
            (5000, "5s"),
            (1500, "1.5s"),
            (600_000, "10m0s"),
            (3_600_000, "1h0m0s"),
            (250, "250ms"),
        ];
        for (ms, text) in cases {
            assert_eq!(go_duration(ms), text);
        }
    }

    #[test]
    fn an_aggregate_of_one_has_no_brackets_and_repeats_are_dropped() {
        assert_eq!(aggregate(&["a".into()]), "a");
        assert_eq!(aggregate(&["a".into(), "a".into()]), "a");
        assert_eq!(aggregate(&["a".into(), "b".into(), "a".into()]), "[a, b]");
    }
}
