//! Images and their registries.

use super::{Ask, Code, Found, Ground, Rule, Sink, code, containers};
use crate::transfer::finding::Severity;
use crate::transfer::mapping::Mapping;
use serde_json::Value;

const IMAGE: Code = code(
    "transfer-image",
    Severity::Rewritten,
    "an image of a registry that the target does not use: it is imported and renamed",
);
const UNMAPPED: Code =
    code("transfer-image-unmapped", Severity::Blocks, "an image of ECR whose registry has no place on the target yet");
const PUBLIC: Code = code(
    "transfer-image-public-ecr",
    Severity::Note,
    "an image of public.ecr.aws: it stays, and must be reached from the target",
);
const LATEST: Code = code(
    "transfer-image-tag",
    Severity::Note,
    "an image without a fixed tag or digest: what is imported may not be what runs",
);
const PULL_SECRET: Code =
    code("transfer-image-pull-secret", Severity::ByHand, "pull secrets of ECR expire and are of no use on the target");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Images and registries", codes: &[IMAGE, UNMAPPED, PUBLIC, LATEST, PULL_SECRET], judge };

/// Whether an image is in a private registry of ECR.
pub(in crate::transfer) fn is_ecr(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or_default();
    let parts: Vec<&str> = host.split('.').collect();
    matches!(parts.as_slice(), [account, "dkr", "ecr" | "ecr-fips", _, "amazonaws", "com"] | [account, "dkr", "ecr", _, "amazonaws", "com", "cn"]
        if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        || matches!(parts.as_slice(), [account, "dkr-ecr", _, "on", "aws"] if account.len() == 12)
}

/// What an image is called on the target. None where nothing is said of it; Some(None) where the question is open.
pub(in crate::transfer) fn target_image(mapping: &Mapping, image: &str) -> Option<Option<String>> {
    if let Some(to) = mapping.images.get(image) {
        return Some(to.clone());
    }
    // The longest prefix: a path below a registry stands before the registry.
    let within = |from: &str| image.strip_prefix(from).filter(|rest| rest.starts_with('/'));
    let found = mapping
        .registries
        .iter()
        .map(|(from, to)| (from.trim_end_matches('/'), to))
        .filter(|(from, _)| within(from).is_some())
        .max_by_key(|(from, _)| from.len());
    match found {
        Some((from, Some(to))) => {
            let rest = within(from).unwrap_or_default();
            Some(Some(format!("{}{rest}", to.trim_end_matches('/'))))
        }
        Some((_, None)) => Some(None),
        None => is_ecr(image).then_some(None),
    }
}

/// Whether an image is fixed by a tag that is not `latest`, or by a digest.
fn is_fixed(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    image.contains('@') || last.split_once(':').is_some_and(|(_, tag)| tag != "latest")
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for (item, template) in g.workloads() {
        for (at, container) in containers(item, template) {
            let Some(image) = container.get("image").and_then(Value::as_str) else { continue };
            let at = format!("{at}/image");
            match target_image(g.mapping, image) {
                Some(Some(to)) if to == image => {}
                Some(Some(to)) => {
                    let message =
                        "imported into the target's registry; its path and tag stay unless the mapping says otherwise";
                    sink.add(Found::new(item, &IMAGE, message).set(&at, image, &to));
                    if !is_fixed(image) {
                        let message =
                            "it has no fixed tag: what is imported now may not be what the pods of the source run";
                        sink.add(
                            Found::new(item, &LATEST, message).at(&at).was(image).remedy("name a tag or a digest"),
                        );
                    }
                }
                Some(None) => {
                    let host = image.split('/').next().unwrap_or_default();
                    let ask = match g.mapping.images.contains_key(image) {
                        true => Ask::at(&["images", image], "name of the image on the target"),
                        false => Ask::at(&["registries", host], "login server of the Azure container registry that its images are imported into: az acr list --query '[].loginServer'")
                            .suggest("<registry>.azurecr.io"),
                    };
                    sink.add(
                        Found::new(
                            item,
                            &UNMAPPED,
                            "the target has no permission at ECR, whose tokens end after 12 hours",
                        )
                        .at(&at)
                        .was(image)
                        .ask(ask),
                    );
                }
                None if image.starts_with("public.ecr.aws/") => {
                    let message = "it stays where it is; anonymous pulls from outside of AWS have a limit, and an import avoids it";
                    sink.add(
                        Found::new(item, &PUBLIC, message).at(&at).was(image).remedy(
                            "name public.ecr.aws under registries in the mapping to import its images; nothing needs to be done otherwise",
                        ),
                    );
                }
                None => {}
            }
        }
        let at = format!("{template}/spec/imagePullSecrets");
        for secret in item.object.pointer(&at).and_then(Value::as_array).into_iter().flatten() {
            let name = secret.get("name").and_then(Value::as_str).unwrap_or_default();
            if name.contains("ecr") || name.contains("aws") {
                let message = "a pull secret by whose name it is for ECR";
                sink.add(Found::new(item, &PULL_SECRET, message).at(&at).was(name).remedy(
                    "attach the registry to the cluster (az aks update --attach-acr NAME), and take the secret out of the manifest",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_registries_of_ecr_are_known_by_their_hosts() {
        for (image, is) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:1", true),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/api", true),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/api", true),
            ("public.ecr.aws/nginx/nginx:1", false),
            ("nginx", false),
            ("evil.example.com/123456789012.dkr.ecr.eu-west-1.amazonaws.com/x", false),
        ] {
            assert_eq!(is_ecr(image), is, "{image}");
        }
    }

    #[test]
    fn the_longest_prefix_names_an_image() {
        let mut mapping = Mapping::default();
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        mapping.registries.insert(host.into(), Some("acr.azurecr.io".into()));
        mapping.registries.insert(format!("{host}/team"), Some("acr.azurecr.io/blue/".into()));
        mapping.images.insert("nginx:1".into(), Some("acr.azurecr.io/nginx:1".into()));
        let of = |image: &str| target_image(&mapping, image);
        assert_eq!(
            of(&format!("{host}/shop/api:1@sha256:ab")),
            Some(Some("acr.azurecr.io/shop/api:1@sha256:ab".into()))
        );
        assert_eq!(of(&format!("{host}/team/api:1")), Some(Some("acr.azurecr.io/blue/api:1".into())));
        assert_eq!(of(&format!("{host}/teams/api:1")), Some(Some("acr.azurecr.io/teams/api:1".into())));
        assert_eq!(of("nginx:1"), Some(Some("acr.azurecr.io/nginx:1".into())));
        assert_eq!(of("nginx:2"), None);
        assert_eq!(
            of("210987654321.dkr.ecr.eu-west-1.amazonaws.com/x"),
            Some(None),
            "nothing is said of that registry"
        );
    }
}
