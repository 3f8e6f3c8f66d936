//! Which names of labels and resources the API takes (`k8s.io/apimachinery/pkg/util/validation`).

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
pub(in crate::scheduler) fn is_extended_resource(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native && !name.starts_with("requests.") && is_qualified(&format!("requests.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
