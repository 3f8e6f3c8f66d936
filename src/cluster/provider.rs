//! What a node's `spec.providerID` says of the instance behind it.
//!
//! The form of a provider ID is its cloud controller manager's: `aws:///<zone>/<instance>` (also with the zone as host, and without
//! a zone), `azure:///subscriptions/…/virtualMachineScaleSets/<set>/virtualMachines/<n>` (or without a scale set),
//! `gce://<project>/<zone>/<name>`, and ACK's `<region>.<instance>`, which has no scheme.

/// The cloud's own identifier of the instance: of EC2 and ECS the id (`i-…`), of Google the name, of Azure the name of
/// the virtual machine, or its number within its scale set, which is unique only there. Of other providers it is the
/// last part of the path. None where the provider ID names no instance (EKS Fargate) or is not one.
pub fn instance_id(provider_id: &str) -> Option<&str> {
    let Some((scheme, path)) = provider_id.split_once("://") else {
        // ACK: `cn-hangzhou.i-bp1…`.
        return provider_id.split_once('.').map(|(_, id)| id).filter(|id| is_ec2_like(id));
    };
    let last = path.rsplit('/').next().filter(|id| !id.is_empty())?;
    let is_instance = match scheme {
        "" => false,
        // Fargate: `aws:///<zone>/<hash>/fargate-ip-…`.
        "aws" => is_ec2_like(last),
        // The segment before the last names what it is; Azure's resource types are not case-sensitive.
        "azure" => path.rsplit('/').nth(1).is_some_and(|kind| kind.eq_ignore_ascii_case("virtualMachines")),
        "gce" => path.split('/').count() == 3,
        _ => true,
    };
    is_instance.then_some(last)
}

/// Whether a provider ID is of EC2 and names an instance there.
pub fn is_ec2(provider_id: &str) -> bool {
    provider_id.starts_with("aws://") && instance_id(provider_id).is_some()
}

fn is_ec2_like(id: &str) -> bool {
    id.strip_prefix("i-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "azure:///subscriptions/0000/resourceGroups/mc_shop/providers/Microsoft.Compute";

    #[test]
    fn each_cloud_has_its_form() {
        let of = |id: &str| instance_id(id).map(str::to_owned);
        for (provider_id, id) in [
            ("aws:///eu-central-1a/i-0f3a91be5cdd21d42", "i-0f3a91be5cdd21d42"),
            ("aws://eu-central-1a/i-0f3a91be5cdd21d42", "i-0f3a91be5cdd21d42"),
            ("aws:///i-0f3a91be5cdd21d42", "i-0f3a91be5cdd21d42"),
            ("gce://shop-prod/europe-west3-a/gke-shop-pool-1-6b7c", "gke-shop-pool-1-6b7c"),
            ("cn-hangzhou.i-bp1dz2l6o2", "i-bp1dz2l6o2"),
            ("digitalocean://1234567", "1234567"),
            ("openstack:///5d1c6d0e-0000-4000-8000-000000000001", "5d1c6d0e-0000-4000-8000-000000000001"),
            ("kind://docker/kind/kind-worker", "kind-worker"),
        ] {
            assert_eq!(of(provider_id).as_deref(), Some(id), "{provider_id}");
        }
        let in_set = format!("{SUBSCRIPTION}/virtualMachineScaleSets/aks-old-1234-vmss/virtualMachines/3");
        assert_eq!(of(&in_set).as_deref(), Some("3"));
        let alone = format!("{SUBSCRIPTION}/virtualMachines/aks-old-1234-0");
        assert_eq!(of(&alone).as_deref(), Some("aks-old-1234-0"));
        let other_case = format!("{SUBSCRIPTION}/virtualmachinescalesets/aks-old-1234-vmss/virtualmachines/3");
        assert_eq!(of(&other_case).as_deref(), Some("3"));
    }

    #[test]
    fn what_names_no_instance_has_none() {
        for provider_id in [
            "",
            "i-0f3a91be5cdd21d42",
            "node-1.example.com",
            "aws:///eu-central-1a/",
            "aws:///eu-central-1a/i-",
            "aws:///us-west-2a/7d3a0a9c1e-52b1/fargate-ip-192-168-101-34.us-west-2.compute.internal",
            "gce://shop-prod/europe-west3-a",
            "://a/b",
            "azure://",
        ] {
            assert_eq!(instance_id(provider_id), None, "{provider_id}");
        }
        assert_eq!(instance_id(&format!("{SUBSCRIPTION}/virtualMachineScaleSets/aks-old-1234-vmss")), None);
    }

    #[test]
    fn ec2_is_told_from_other_clouds() {
        assert!(is_ec2("aws:///eu-central-1a/i-0f3a91be5cdd21d42"));
        assert!(!is_ec2("cn-hangzhou.i-bp1dz2l6o2"));
        assert!(!is_ec2("aws:///us-west-2a/7d3a0a9c1e-52b1/fargate-ip-192-168-101-34.us-west-2.compute.internal"));
    }
}
