//! Which names of labels and resources, and which times, the API takes (`k8s.io/apimachinery/pkg/util/validation`, Go's
//! `time.ParseDuration`).

/// Starts and ends with a letter or digit, `-`, `_` and `.` between them.
fn is_name_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(|b| inner(*b))
        }
        _ => false,
    }
}

/// `IsDNS1123Subdomain`.
fn is_subdomain(text: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |part: &str| {
        let bytes = part.as_bytes();
        match (bytes.first(), bytes.last()) {
            (Some(first), Some(last)) => lower(*first) && lower(*last) && bytes.iter().all(|b| lower(*b) || *b == b'-'),
            _ => false,
        }
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// `IsQualifiedName`: a name of at most 63 characters, with a domain before it or not.
pub(super) fn is_qualified(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    name.len() <= 63 && is_name_part(name) && domain.is_none_or(is_subdomain)
}

/// `IsValidLabelValue`.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && is_name_part(text))
}

/// `IsExtendedResourceName`: neither of Kubernetes' own nor a quota's.
pub(super) fn is_extended_resource(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native && !name.starts_with("requests.") && is_qualified(&format!("requests.{name}"))
}

/// Seconds in a time such as `10s`, `1h30m` or `-1.5ms`; None if it is none.
pub(super) fn duration_s(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut sum = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        sum += amount * seconds;
        any = true;
        rest = &rest[unit..];
    }
    any.then_some(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_go_reads_them() {
        for (text, seconds) in [("10s", 10.0), ("1h30m", 5400.0), ("-1.5s", -1.5), ("0", 0.0), ("500ms", 0.5)] {
            assert_eq!(duration_s(text), Some(seconds), "{text}");
        }
        assert!(["", "5", "x", "s", "-", "1d", "1s2", "1..2s"].into_iter().all(|t| duration_s(t).is_none()));
    }

    #[test]
    fn names_as_the_api_takes_them() {
        let long = "x".repeat(64);
        for good in ["a", "A-b_c.9", "example.com/gpu", "a.b/c"] {
            assert!(is_qualified(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "/a", "a/", "a/b/c", "Ex.com/a", long.as_str()] {
            assert!(!is_qualified(bad), "{bad}");
        }
        assert!(is_label_value("") && is_label_value("v1.2") && !is_label_value("a/b"));
        assert!(is_extended_resource("nvidia.com/gpu"));
        for native in ["cpu", "hugepages-2Mi", "kubernetes.io/x", "x.kubernetes.io/y", "requests.nvidia.com/gpu"] {
            assert!(!is_extended_resource(native), "{native}");
        }
    }
}
