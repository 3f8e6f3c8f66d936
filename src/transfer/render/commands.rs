//! Commands for what no manifest can do: images are imported, identities made and federated, access given.

use crate::transfer::analysis::ImageImport;
use crate::transfer::mapping::Mapping;
use crate::transfer::rules::{self, Ground};
use std::collections::{BTreeMap, BTreeSet};

/// A word of a shell, quoted where it must be.
pub fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '=' | ',' | '+'));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A value of the mapping, or what has to be filled in.
pub(in crate::transfer) fn or_blank(value: Option<&String>, name: &str) -> String {
    value.map_or_else(|| format!("<{name}>"), |v| quoted(v))
}

/// The region in a host of ECR.
fn region(image: &str) -> Option<&str> {
    let host = image.split('/').next()?;
    host.split('.').nth(3).filter(|_| host.contains(".dkr.ecr"))
}

/// The command that imports an image into an Azure container registry; what is no such registry is copied by skopeo.
pub fn import(image: &ImageImport) -> String {
    let (host, path) = image.to.split_once('/').unwrap_or((&image.to, ""));
    let Some(registry) = host.strip_suffix(".azurecr.io") else {
        return format!("skopeo copy --all docker://{} docker://{}", quoted(&image.from), quoted(&image.to));
    };
    let (name, digest) = path.split_once('@').map_or((path, None), |(n, d)| (n, Some(d)));
    let last = name.rsplit('/').next().unwrap_or_default();
    let tagged = last.contains(':');
    // A tag beside a digest says nothing more: the digest is imported.
    let source = match digest {
        Some(digest) => {
            let base = image.from.split('@').next().unwrap_or_default();
            let bare = match base.rsplit_once(':') {
                Some((head, tag)) if !tag.contains('/') => head,
                _ => base,
            };
            format!("{bare}@{digest}")
        }
        None if tagged => image.from.clone(),
        None => format!("{}:latest", image.from),
    };
    let target = match (tagged, digest) {
        (true, _) => format!("--image {}", quoted(name)),
        (false, Some(_)) => format!("--repository {}", quoted(name)),
        (false, None) => format!("--image {}", quoted(&format!("{name}:latest"))),
    };
    // Images of Docker Hub are named with their host.
    let first = source.split('/').next().unwrap_or_default();
    let source = match first.contains(['.', ':']) && source.contains('/') {
        true => source,
        false if source.contains('/') => format!("docker.io/{source}"),
        false => format!("docker.io/library/{source}"),
    };
    let mut command = format!("az acr import --name {} --source {} {target}", quoted(registry), quoted(&source));
    if let Some(region) = region(&image.from) {
        command.push_str(&format!(" --username AWS --password \"$(aws ecr get-login-password --region {region})\""));
    }
    command
}

/// A command as it runs where no shell reads it: one that takes what another prints brings a shell along.
pub fn without_shell(command: String) -> String {
    if command.contains("$(") { format!("sh -c {}", quoted(&command)) } else { command }
}

/// Service accounts by the role that they have.
fn accounts(ground: &Ground<'_>) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut all: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for item in ground.inventory.of_kind("", "ServiceAccount") {
        let namespace = item.id.namespace().unwrap_or_default();
        if let Some(role) = rules::role_of(ground, namespace, item.id.name()) {
            all.entry(role).or_default().insert((namespace.to_owned(), item.id.name().to_owned()));
        }
    }
    all
}

/// Makes the identities, gives them their roles, and federates the service accounts; gives people access.
pub fn identities(ground: &Ground<'_>) -> String {
    let mapping: &Mapping = ground.mapping;
    let target = &mapping.target;
    let group = or_blank(target.resource_group.as_ref(), "RESOURCE_GROUP");
    let mut out = "#!/bin/sh\n# Identities, their roles, their federated credentials, and who may use the cluster. Words in angle brackets are filled in by hand.\nset -eu\n".to_owned();
    let scaled =
        ground.inventory.items().any(|i| i.id.group() == "keda.sh" && i.id.kind().ends_with("TriggerAuthentication"));
    for (role, accounts) in accounts(ground) {
        let Some(identity) = mapping.identities.get(&role) else { continue };
        let name = or_blank(identity.name.as_ref(), "IDENTITY_NAME");
        out.push_str(&format!("\n# {role}\naz identity create -g {group} -n {name}\n"));
        for assignment in identity.roles.iter().flatten() {
            out.push_str(&format!(
                "az role assignment create --assignee-object-id \"$(az identity show -g {group} -n {name} --query principalId -o tsv)\" --assignee-principal-type ServicePrincipal --role {} --scope {}\n",
                quoted(&assignment.role),
                quoted(&assignment.scope)
            ));
        }
        let issuer = match &target.oidc_issuer {
            Some(issuer) => quoted(issuer),
            None => format!(
                "\"$(az aks show -g {group} -n {} --query oidcIssuerProfile.issuerUrl -o tsv)\"",
                or_blank(target.cluster.as_ref(), "CLUSTER")
            ),
        };
        let mut subjects: Vec<(String, String)> = accounts.into_iter().collect();
        if scaled {
            // KEDA's operator asks for tokens in the name of the identity; as AKS' add-on it runs in kube-system.
            subjects.push(("kube-system".to_owned(), "keda-operator".to_owned()));
        }
        for (namespace, account) in subjects {
            out.push_str(&format!(
                "az identity federated-credential create -g {group} --identity-name {name} --name {} --issuer {issuer} --subject {} --audiences api://AzureADTokenExchange\n",
                quoted(&format!("{namespace}-{account}")),
                quoted(&format!("system:serviceaccount:{namespace}:{account}"))
            ));
        }
    }
    let scope =
        format!("\"$(az aks show -g {group} -n {} --query id -o tsv)\"", or_blank(target.cluster.as_ref(), "CLUSTER"));
    for (arn, access) in &mapping.access {
        if let (Some(object), Some(role)) = (&access.object_id, &access.role)
            && object != "none"
        {
            out.push_str(&format!(
                "\n# {arn}\naz role assignment create --assignee {} --role {} --scope {scope}\n",
                quoted(object),
                quoted(role)
            ));
        }
    }
    out
}

/// Imports all images.
pub fn images(imports: &[ImageImport]) -> String {
    let mut out = "#!/bin/sh\n# Imports images into the target's registry.\nset -eu\n".to_owned();
    imports.iter().for_each(|i| out.push_str(&format!("{}\n", import(i))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_imported_by_tag_and_by_digest() {
        let of = |from: &str, to: &str| import(&ImageImport { from: from.into(), to: to.into() });
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(
            of(&format!("{ecr}/a/b:1"), "acr.azurecr.io/a/b:1"),
            format!(
                "az acr import --name acr --source {ecr}/a/b:1 --image a/b:1 --username AWS --password \"$(aws ecr get-login-password --region eu-west-1)\""
            )
        );
        assert_eq!(
            of("redis", "acr.azurecr.io/redis"),
            "az acr import --name acr --source docker.io/library/redis:latest --image redis:latest"
        );
        assert_eq!(
            of("a/b:1@sha256:c", "acr.azurecr.io/b@sha256:c"),
            "az acr import --name acr --source docker.io/a/b@sha256:c --repository b"
        );
        assert_eq!(
            of("x.io:5000/b:1@sha256:c", "acr.azurecr.io/b:1@sha256:c"),
            "az acr import --name acr --source x.io:5000/b@sha256:c --image b:1"
        );
        assert_eq!(of("a/b:1", "ghcr.io/b:1"), "skopeo copy --all docker://a/b:1 docker://ghcr.io/b:1");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
