//! Names, uids and times of generated objects: all derived from the seed, none from the clock.

use crate::cluster::draw::Draws;

/// When the cluster came to be: 2026-01-01T00:00:00Z, in seconds since 1970.
pub(super) const CLUSTER_CREATED: u64 = 1_767_225_600;
/// When the dump was taken: 30 days later.
pub(super) const NOW: u64 = CLUSTER_CREATED + 30 * DAY;
/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// The alphabet of Kubernetes' generated suffixes: no vowels, none of 0, 1, 3 (k8s.io/apimachinery, `pkg/util/rand`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A uid with the shape of a random UUID (version 4), fixed by the object's kind and name.
pub(super) fn uid(draws: &Draws, kind: &str, name: &str) -> String {
    let (high, low) = (draws.u64(name, kind, 0), draws.u64(name, kind, 1));
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0xc0 << 56)) | (0x80 << 56);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// `length` characters of the alphabet, at most 13.
pub(super) fn suffix(draws: &Draws, name: &str, purpose: &str, nth: u64, length: usize) -> String {
    let mut left = draws.u64(name, purpose, nth);
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        text.push(char::from(ALPHABET[(left % 27) as usize]));
        left /= 27;
    }
    text
}

/// RFC 3339, as the API prints it, for seconds since 1970 (proleptic Gregorian calendar, counted in eras of 400 years).
pub(super) fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / DAY, seconds % DAY);
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Is it a DNS label (RFC 1123: at most 63 of a-z, 0-9 and '-', a letter or digit at both ends)?
pub(super) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_label_shaped(text)
}

fn is_label_shaped(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

/// Is it a DNS subdomain as Kubernetes judges it (dotted parts, at most 253 in all, no limit of 63 for a part; apimachinery `IsDNS1123Subdomain`)?
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label_shaped)
}

/// Is it a label value (empty, or at most 63 of letters, digits, '-', '_' and '.', a letter or digit at both ends)?
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name_part(text)
}

/// Is it a qualified name (`name` or `domain/name`)?
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_dns_subdomain(domain) && is_name_part(name),
        None => is_name_part(text),
    }
}

fn is_name_part(text: &str) -> bool {
    let end = |byte: u8| byte.is_ascii_alphanumeric();
    text.len() <= 63
        && text.bytes().all(|b| end(b) || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().next().is_some_and(end)
        && text.bytes().last().is_some_and(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(timestamp(CLUSTER_CREATED), "2026-01-01T00:00:00Z");
        assert_eq!(timestamp(NOW), "2026-01-31T00:00:00Z");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn uids_are_version_4() {
        let uid = uid(&Draws::new(1), "pod", "a/b");
        let parts: Vec<&str> = uid.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{uid}");
    }

    #[test]
    fn names_are_judged_as_the_api_does() {
        assert!(
            is_dns_label("a-1")
                && !is_dns_label("A")
                && !is_dns_label("-a")
                && !is_dns_label("")
                && !is_dns_label(&"a".repeat(64))
        );
        assert!(
            is_label_key("oracle/start-seconds")
                && is_label_key("agentpool")
                && !is_label_key("a/b/c")
                && !is_label_key("/x")
        );
        assert!(is_label_value("") && is_label_value("Standard_D4s_v5") && !is_label_value("x "));
    }
}
