//! What went wrong in a backup or a restore, item by item: Velero keeps it in its store and hands out an address where it can be read.

use super::super::secrets;
use super::site::{Site, velero, velero_object};
use flate2::read::GzDecoder;
use http::header::HOST;
use kube::client::Body;
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

/// Errors shown at most.
const SHOWN: usize = 5;
/// Most bytes that are read, packed and unpacked.
const MOST: usize = 16 << 20;
/// Velero hands the address out within so long, and the store answers.
const WITHIN: Duration = Duration::from_secs(15);
/// From one look for the address to the next.
const LOOK: Duration = Duration::from_millis(500);

/// The errors of a Backup or a Restore; why they cannot be read, if so.
pub(super) async fn errors(
    site: &Site,
    namespace: &str,
    execution: &str,
    kind: &str,
    name: &str,
) -> Result<Vec<String>, String> {
    let request = format!("nodeferry-{}-{name}", kind.to_lowercase());
    let read = async {
        let address = address(site, namespace, execution, &request, kind, name).await?;
        fetch(&address).await
    };
    let bytes = match tokio::time::timeout(WITHIN, read).await {
        Ok(read) => read?,
        Err(_) => return Err(format!("Velero has not handed its results out within {} s", WITHIN.as_secs())),
    };
    // It has a life of ten minutes; ours is over.
    let id = velero(namespace, "DownloadRequest", &request);
    if let Ok(Some(object)) = site.get(&id).await {
        let _ = site.delete(&id, object["metadata"]["uid"].as_str().unwrap_or_default()).await;
    }
    let mut text = Vec::new();
    let unpacked = GzDecoder::new(&bytes[..]).take(MOST as u64).read_to_end(&mut text);
    unpacked.map_err(|e| format!("its results cannot be unpacked: {e}"))?;
    let results: Value = serde_json::from_slice(&text).map_err(|e| format!("its results are not JSON: {e}"))?;
    Ok(lines(&results["errors"]))
}

/// The errors as lines; those of Velero itself first, for they are the cause of many others.
fn lines(errors: &Value) -> Vec<String> {
    let texts = |v: &Value| {
        let list = v.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = texts(&errors["velero"]);
    all.extend(texts(&errors["cluster"]));
    let namespaces = errors["namespaces"].as_object();
    for (namespace, list) in namespaces.into_iter().flatten() {
        all.extend(texts(list).into_iter().map(|text| format!("namespace {namespace}: {text}")));
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

/// The address at which the results can be read.
async fn address(
    site: &Site,
    namespace: &str,
    execution: &str,
    request: &str,
    kind: &str,
    name: &str,
) -> Result<String, String> {
    let spec = json!({"target": {"kind": format!("{kind}Results"), "name": name}});
    let object = velero_object(namespace, "DownloadRequest", request, execution, spec);
    site.create(&object).await.map_err(|e| e.text())?;
    let id = velero(namespace, "DownloadRequest", request);
    loop {
        let found = site.get(&id).await.map_err(|e| e.text())?.unwrap_or_default();
        if let Some(address) = found.pointer("/status/downloadURL").and_then(Value::as_str).filter(|a| !a.is_empty()) {
            return Ok(address.to_owned());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads a file over HTTP. The address is signed, so it is a credential: no error shows it.
async fn fetch(address: &str) -> Result<Vec<u8>, String> {
    let uri: http::Uri = address.parse().map_err(|_| "the address of its results is none".to_owned())?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let (path, base) = (
        uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        format!("{}://{host}", uri.scheme_str().unwrap_or("https")),
    );
    let base = base.parse().map_err(|_| "the address of its results is none".to_owned())?;
    let client = kube::Client::try_from(kube::Config::new(base)).map_err(|e| secrets::of_client(&e))?;
    let request = http::Request::builder().uri(path).header(HOST, host).body(Body::empty());
    let request = request.map_err(|_| "the address of its results is none".to_owned())?;
    let answer = client.send(request).await.map_err(|_| "its store cannot be reached from here".to_owned())?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(format!("its store answers {status}"));
    }
    match super::super::client::bounded(answer.into_body(), MOST).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err("its results are too long".to_owned()),
        Err(_) => Err("its store broke the answer off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_velero_itself_come_first_and_many_are_counted() {
        let errors =
            json!({"velero": ["no node agent"], "cluster": ["a"], "namespaces": {"shop": ["b", "c", "d", "e"]}});
        let lines = lines(&errors);
        assert_eq!(lines[0], "no node agent");
        assert_eq!(lines[2], "namespace shop: b");
        assert_eq!(lines.last().map(String::as_str), Some("and 1 more"));
        assert!(super::lines(&Value::Null).is_empty());
    }
}
