//! Error texts that hold no credentials.
//!
//! What the client library says of a failed credential plugin quotes the plugin's output, and what it says of a kubeconfig that does
//! not parse quotes the file; both hold tokens. Only texts that are known to hold none are passed on.

use kube::config::KubeconfigError;

/// What is wrong with a kubeconfig.
pub(super) fn of_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => {
            "it is not the YAML of a kubeconfig (its text is not shown, for it may hold credentials)".into()
        }
        KubeconfigError::ParseProxyUrl(_) => "the proxy's address (proxy-url, HTTPS_PROXY) is no URL".into(),
        KubeconfigError::ParseClusterUrl(_) => "the cluster's address (server) is no URL".into(),
        KubeconfigError::LoadClientKey(_) => "the client's key cannot be read".into(),
        KubeconfigError::ParseCertificates(_) => "the certificates are no PEM".into(),
        KubeconfigError::ReadConfig(e, path) => format!("{} cannot be read: {e}", path.display()),
        other => other.to_string(),
    }
}

/// Why a request got no answer.
pub(super) fn of_client(error: &kube::Error) -> String {
    match error {
        kube::Error::Auth(e) => of_auth(e),
        kube::Error::InferKubeconfig(e) => of_kubeconfig(e),
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "the proxy's protocol is not supported; expected http, https or socks5".into()
        }
        kube::Error::Api(status) => format!("{} {}", status.code, status.message),
        // A credential that is fetched anew fails in the middle of a request.
        kube::Error::Service(e) => auth(e.as_ref()).map_or_else(|| causes(e.as_ref()), of_auth),
        kube::Error::HyperError(e) => causes(e),
        kube::Error::RustlsTls(e) => format!("TLS: {e}"),
        kube::Error::HttpError(_) => "the request cannot be made: its path is no URL".into(),
        _ => "the request failed in the client".into(),
    }
}

/// The trouble with credentials behind an error, if that is what it is.
fn auth<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e kube::client::AuthError> {
    std::iter::successors(Some(error), |e| e.source()).find_map(|e| e.downcast_ref())
}

fn of_auth(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError as E;
    match error {
        E::AuthExecStart(e) => format!("the credential plugin of the kubeconfig could not be started: {e}"),
        // Its command line may hold credentials as well.
        E::AuthExecRun { out, .. } => {
            format!("the credential plugin of the kubeconfig failed ({}); run it by hand to see why", out.status)
        }
        E::AuthExecParse(_) | E::ExecPluginFailed | E::AuthExec(_) => {
            "the credential plugin of the kubeconfig printed no credential".into()
        }
        E::ReadTokenFile(e, path) => format!("the token file {} cannot be read: {e}", path.display()),
        E::InvalidBasicAuth(_) | E::InvalidBearerToken(_) => {
            "the credential holds characters that no header may hold".into()
        }
        _ => "the credentials of the kubeconfig could not be used".into(),
    }
}

/// An error and its causes. They name hosts, ports and what the system said; requests and their headers are not in them.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        let said = c.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = c.source();
    }
    without_userinfo(&text)
}

/// `https://user:password@host` without `user:password@`.
fn without_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(|c: char| c == '/' || c.is_whitespace() || c == '"').unwrap_or(tail.len());
        let start = tail[..end].rfind('@').map_or(0, |i| i + 1);
        rest = &tail[start..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_passwords() {
        for (given, shown) in [
            ("cannot reach https://me:secret@proxy:3128/x: refused", "cannot reach https://proxy:3128/x: refused"),
            ("https://a@b and http://c:d@e", "https://b and http://e"),
            ("user@example.com https://host/p@th", "user@example.com https://host/p@th"),
        ] {
            assert_eq!(without_userinfo(given), shown);
        }
    }
}
