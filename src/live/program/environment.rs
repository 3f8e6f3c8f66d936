//! What of our own environment a program is given: little, so that no secret of the machine reaches a program by accident.

use std::ffi::{OsStr, OsString};

/// Variables that every program gets, where we have them: who and where it is, its language and time zone, the way to the cluster and to the
/// network. One that ends in `*` stands for all that begin so.
pub const HANDED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_*",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Without these nothing starts on Windows.
    "SystemRoot",
    "SYSTEMROOT",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "TEMP",
    "TMP",
];

/// Whether a variable matches a name, or a beginning that ends in `*`.
fn is_named(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// The part of an environment that programs get; `more` names what they get besides.
pub fn handed_on(
    environment: impl Iterator<Item = (OsString, OsString)>,
    more: &[String],
) -> Vec<(OsString, OsString)> {
    let wanted = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            HANDED_ON.iter().copied().chain(more.iter().map(String::as_str)).any(|p| is_named(name, p))
        })
    };
    let mut kept: Vec<_> = environment.filter(|(name, _)| wanted(name)).collect();
    kept.sort();
    kept
}

/// Says what is wrong with a name of a variable to hand on.
///
/// # Errors
/// It is empty, holds `=`, or has a `*` elsewhere than at its end; `*` alone would hand on everything.
pub fn parse_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(format!(
            "{text:?} is no name of a variable; expected one such as AWS_PROFILE, or the beginning of some: AWS_*"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_handed_on() {
        let all = ["HOME", "GITHUB_TOKEN", "LC_ALL", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "PATH", "PATHOLOGY"];
        let of = |more: &[&str]| -> Vec<String> {
            let more: Vec<String> = more.iter().map(|m| (*m).to_owned()).collect();
            let kept = handed_on(all.iter().map(|n| ((*n).into(), "x".into())), &more);
            kept.into_iter().map(|(name, _)| name.into_string().expect("text")).collect()
        };
        assert_eq!(of(&[]), ["HOME", "LC_ALL", "PATH"]);
        assert_eq!(of(&["AWS_PROFILE"]), ["AWS_PROFILE", "HOME", "LC_ALL", "PATH"]);
        assert_eq!(of(&["AWS_*"]), ["AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "HOME", "LC_ALL", "PATH"]);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        assert_eq!(parse_name("AWS_*").as_deref(), Ok("AWS_*"));
        for bad in ["", "*", "A=b", "A*B", "a b"] {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
    }
}
