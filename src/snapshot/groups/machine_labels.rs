//! What is known of a machine type for a requirement on it: what the dump or a file states, else what its name and size tell, else nothing.

use super::machines::Known;
use super::make::DraftRequirement;
use crate::cluster::Operator;

/// The label with a machine type's name.
pub(super) const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";

/// Whether a requirement holds of a machine type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    Excluded,
    /// Nothing tells.
    Unknown,
}

/// Whether a label says what a machine is, so that a requirement on it chooses machine types: those of Kubernetes, and those that
/// Karpenter's providers make of a machine type (`karpenter.k8s.aws/instance-cpu`, `karpenter.azure.com/sku-family`,
/// `eks.amazonaws.com/instance-gpu-count`, `karpenter.kwok.sh/instance-size`).
pub(super) fn is_of_machine(key: &str) -> bool {
    let name = key.split_once('/').map_or("", |(_, name)| name);
    matches!(key, "kubernetes.io/arch" | "kubernetes.io/os" | INSTANCE_TYPE | "node.kubernetes.io/windows-build")
        || ["instance-", "sku-", "machine-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a machine type fulfils a requirement.
pub(super) fn verdict(name: &str, known: &Known, r: &DraftRequirement) -> Verdict {
    let possible = match known.label(&r.key) {
        Some(stated) => vec![Some(stated.to_owned())],
        None => possible(name, known, r),
    };
    let fits = possible.iter().filter(|v| r.holds(v.as_deref())).count();
    match fits {
        _ if possible.is_empty() => Verdict::Unknown,
        0 => Verdict::Excluded,
        n if n == possible.len() => Verdict::Fits,
        _ => Verdict::Unknown,
    }
}

/// The values that a label may have on a machine type, of which nothing states it; None within for "no such label". Empty where
/// nothing tells.
fn possible(name: &str, known: &Known, r: &DraftRequirement) -> Vec<Option<String>> {
    let is = |v: &str| vec![Some(v.to_owned())];
    match r.key.as_str() {
        INSTANCE_TYPE => return is(name),
        // What new nodes get where their machine type says nothing else.
        "kubernetes.io/arch" => return is("amd64"),
        "kubernetes.io/os" => return is("linux"),
        _ => {}
    }
    let Some((domain, label)) = r.key.split_once('/') else { return Vec::new() };
    match (domain, Aws::of(name), Azure::of(name)) {
        ("karpenter.k8s.aws" | "eks.amazonaws.com", Some(aws), _) => aws.possible(label, known, r),
        ("karpenter.azure.com", _, Some(azure)) => azure.possible(name, label, known, r),
        ("karpenter.kwok.sh", ..) => {
            kwok(name, known).into_iter().filter(|(k, _)| *k == label).map(|(_, v)| Some(v)).collect()
        }
        _ => Vec::new(),
    }
}

/// The labels that Karpenter puts on a node of a machine type, as far as they are certain: for pods that ask for them.
pub(super) fn of_karpenter(name: &str, known: &Known) -> Vec<(String, String)> {
    let (domain, labels) = if let Some(aws) = Aws::of(name) {
        ("karpenter.k8s.aws", aws.labels(known))
    } else if let Some(azure) = Azure::of(name) {
        ("karpenter.azure.com", azure.labels(name, known))
    } else {
        ("karpenter.kwok.sh", kwok(name, known))
    };
    let labels = labels.into_iter().map(|(k, v)| (format!("{domain}/{k}"), v));
    known.stated.iter().cloned().chain(labels.filter(|(k, _)| known.label(k).is_none())).collect()
}

/// CPUs of a machine: allocatable is a little less.
fn cpus(known: &Known) -> i64 {
    known.cpu().saturating_add(999) / 1000
}

/// MiB that a machine may have: what a catalogue says, or from what is allocatable to what kubelets keep of it at most.
fn memory(known: &Known, r: &DraftRequirement) -> Vec<Option<String>> {
    let low = known.memory() >> 20;
    let high = if known.assumed_reservation { low + 10 } else { low + low / 4 + 1024 };
    let low = if known.assumed_reservation { high } else { low };
    let mut values: Vec<i64> = vec![low, high];
    if matches!(r.operator, Operator::In | Operator::NotIn) {
        values.extend(r.values.iter().filter_map(|v| v.parse().ok()).filter(|v| (low..=high).contains(v)));
    }
    values.dedup();
    values.into_iter().map(|v| Some(v.to_string())).collect()
}

fn gpus(known: &Known) -> i64 {
    ["nvidia.com/gpu", "amd.com/gpu"].iter().filter_map(|r| known.allocatable.get(*r)).sum()
}

/// An instance type of AWS by its name: `m5d.2xlarge` is category m, generation 5, with d for local disks.
struct Aws<'n> {
    family: &'n str,
    size: &'n str,
    category: &'n str,
    generation: &'n str,
    suffix: &'n str,
}

impl<'n> Aws<'n> {
    fn of(name: &'n str) -> Option<Aws<'n>> {
        let (family, size) = name.split_once('.')?;
        let digits = family.find(|c: char| c.is_ascii_digit())?;
        let rest = &family[digits..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Aws { family, size, category: &family[..digits], generation: &rest[..end], suffix: &rest[end..] })
    }

    /// General purpose, compute and memory: no accelerators, and local disks only with d.
    fn is_plain(&self) -> bool {
        matches!(self.category, "a" | "c" | "m" | "r" | "t")
    }

    fn labels(&self, known: &Known) -> Vec<(&'static str, String)> {
        let mut labels = vec![
            ("instance-family", self.family.to_owned()),
            ("instance-size", self.size.to_owned()),
            ("instance-category", self.category.to_owned()),
            ("instance-generation", self.generation.to_owned()),
            ("instance-cpu", cpus(known).to_string()),
        ];
        if known.assumed_reservation {
            labels.push(("instance-memory", ((known.memory() >> 20) + 10).to_string()));
        }
        labels
    }

    fn possible(&self, label: &str, known: &Known, r: &DraftRequirement) -> Vec<Option<String>> {
        if let Some((_, value)) = self.labels(known).into_iter().find(|(k, _)| *k == label) {
            return vec![Some(value)];
        }
        let absent = |certain: bool| if certain { vec![None] } else { Vec::new() };
        match label {
            "instance-memory" => memory(known, r),
            "instance-gpu-count" if gpus(known) > 0 => vec![Some(gpus(known).to_string())],
            _ if label.starts_with("instance-gpu-") || label.starts_with("instance-accelerator-") => {
                absent(self.is_plain())
            }
            "instance-local-nvme" => absent(self.is_plain() && !self.suffix.contains('d')),
            "instance-cpu-manufacturer" if self.is_plain() => {
                let by_suffix = if self.suffix.starts_with('g') || self.category == "a" { "aws" } else { "intel" };
                vec![Some(if self.suffix.starts_with('a') { "amd" } else { by_suffix }.to_owned())]
            }
            "instance-hypervisor" if self.generation.parse::<u32>().is_ok_and(|g| g >= 5) => vec![Some("nitro".into())],
            _ => Vec::new(),
        }
    }
}

/// A virtual machine size of Azure by its name: `Standard_D4s_v5` is family D with 4 CPUs, version 5, s for premium disks.
struct Azure<'n> {
    letters: &'n str,
    features: &'n str,
    version: Option<&'n str>,
}

impl<'n> Azure<'n> {
    fn of(name: &'n str) -> Option<Azure<'n>> {
        let size = name.strip_prefix("Standard_")?;
        let digits = size.find(|c: char| c.is_ascii_digit()).filter(|d| *d > 0)?;
        let (letters, rest) = size.split_at(digits);
        let first = rest.split('_').next().unwrap_or(rest);
        let features = first.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        let version = rest.rsplit_once("_v").map(|(_, v)| v).filter(|v| v.parse::<u32>().is_ok());
        Some(Azure { letters, features, version })
    }

    fn labels(&self, name: &str, known: &Known) -> Vec<(&'static str, String)> {
        let mut labels = vec![("sku-name", name.to_owned()), ("sku-cpu", cpus(known).to_string())];
        if self.letters.len() == 1 {
            labels.push(("sku-family", self.letters.to_owned()));
        }
        labels.extend(self.version.map(|v| ("sku-version", v.to_owned())));
        labels
    }

    fn possible(&self, name: &str, label: &str, known: &Known, r: &DraftRequirement) -> Vec<Option<String>> {
        if let Some((_, value)) = self.labels(name, known).into_iter().find(|(k, _)| *k == label) {
            return vec![Some(value)];
        }
        match label {
            // Of families with a second letter (NC, DS) the first is the family and the rest is a part of it.
            "sku-family" => vec![self.letters.chars().next().map(String::from), Some(self.letters.to_owned())],
            "sku-version" => vec![None, Some("1".into())],
            "sku-memory" => memory(known, r),
            "sku-gpu-count" if gpus(known) > 0 => vec![Some(gpus(known).to_string())],
            _ if label.starts_with("sku-gpu-") && !self.letters.starts_with('N') => vec![None],
            "sku-storage-premium-capable" if self.features.contains('s') => vec![Some("true".into())],
            _ => Vec::new(),
        }
    }
}

/// What Karpenter's kwok provider makes of `m-2x-amd64-linux`.
fn kwok(name: &str, known: &Known) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = name.split('-').collect();
    let [family, size, _, _] = parts[..] else { return Vec::new() };
    let Some(size) = size.strip_suffix('x').filter(|n| n.parse::<u32>().is_ok()) else { return Vec::new() };
    let gib = known.memory().saturating_add((1 << 30) - 1) >> 30;
    vec![
        ("instance-family", family.to_owned()),
        ("instance-size", size.to_owned()),
        ("instance-cpu", cpus(known).to_string()),
        ("instance-memory", format!("{gib}Gi")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Excluded, Fits, Unknown};

    fn known(cpu: i64, gib: i64) -> Known {
        let allocatable = [("cpu".to_owned(), cpu), ("memory".to_owned(), gib << 30)].into();
        Known { allocatable, ..Known::default() }
    }

    fn r(key: &str, operator: Operator, value: &str) -> DraftRequirement {
        DraftRequirement { key: key.into(), operator, values: vec![value.into()], said: String::new() }
    }

    #[test]
    fn names_and_sizes_tell_what_they_tell_and_no_more() {
        use Operator::{DoesNotExist, Gt, In, Lt, NotIn};
        let aws = |label: &str| format!("karpenter.k8s.aws/instance-{label}");
        let azure = |label: &str| format!("karpenter.azure.com/sku-{label}");
        for (name, size, requirement, wanted) in [
            ("m5.large", known(1930, 7), r(&aws("generation"), Gt, "4"), Fits),
            ("m5.large", known(1930, 7), r(&aws("family"), In, "c5"), Excluded),
            ("m5.large", known(1930, 7), r(&aws("local-nvme"), Gt, "300"), Excluded),
            ("m5.large", known(1930, 7), r(&aws("gpu-count"), DoesNotExist, ""), Fits),
            ("m5d.large", known(1930, 7), r(&aws("local-nvme"), Gt, "300"), Unknown),
            ("g4dn.xlarge", known(3900, 15), r(&aws("gpu-count"), Gt, "0"), Unknown),
            ("m5.large", known(1930, 7), r(&aws("memory"), Gt, "8000"), Unknown),
            ("m5.large", known(1930, 7), r(&aws("memory"), Gt, "4095"), Fits),
            ("m5.large", known(1930, 7), r(&aws("memory"), In, "8192"), Unknown),
            ("m5.large", known(1930, 7), r(&aws("memory"), In, "32768"), Excluded),
            ("m6g.large", known(1930, 7), r(&aws("cpu-manufacturer"), In, "aws"), Fits),
            ("m5.large", known(1930, 7), r(&aws("network-bandwidth"), Gt, "100"), Unknown),
            ("m5.large", known(1930, 7), r("eks.amazonaws.com/instance-cpu", Lt, "2"), Excluded),
            ("Standard_D4s_v5", known(3860, 13), r(&azure("family"), In, "F"), Excluded),
            ("Standard_D4s_v5", known(3860, 13), r(&azure("cpu"), Lt, "3"), Excluded),
            ("Standard_D4s_v5", known(3860, 13), r(&azure("version"), In, "5"), Fits),
            ("Standard_NC24ads_A100_v4", known(23000, 200), r(&azure("family"), In, "N"), Unknown),
            ("Standard_NC24ads_A100_v4", known(23000, 200), r(&azure("family"), In, "D"), Excluded),
            ("Standard_D4s_v5", known(3860, 13), r(&azure("gpu-count"), Gt, "0"), Excluded),
            ("n2-standard-4", known(3920, 13), r("karpenter.k8s.gcp/instance-family", NotIn, "n2"), Unknown),
            ("anything", known(1000, 1), r("kubernetes.io/arch", In, "arm64"), Excluded),
            ("anything", known(1000, 1), r(INSTANCE_TYPE, NotIn, "anything"), Excluded),
        ] {
            assert_eq!(verdict(name, &size, &requirement), wanted, "{name} {requirement:?}");
        }
    }

    #[test]
    fn what_is_stated_is_not_derived() {
        let mut size = known(1930, 7);
        size.stated.push(("karpenter.k8s.aws/instance-memory".into(), "8192".into()));
        size.stated.push(("karpenter.k8s.aws/instance-local-nvme".into(), "400".into()));
        assert_eq!(verdict("m5.large", &size, &r("karpenter.k8s.aws/instance-memory", Operator::Gt, "8000")), Fits);
        assert_eq!(verdict("m5.large", &size, &r("karpenter.k8s.aws/instance-local-nvme", Operator::Gt, "300")), Fits);
        size.assumed_reservation = true; // what a catalogue says of the memory does not stand beside it
        let labels = of_karpenter("m5.large", &size);
        let memory: Vec<&str> = labels.iter().filter(|(k, _)| k.ends_with("memory")).map(|(_, v)| v.as_str()).collect();
        assert_eq!(memory, ["8192"]);
    }
}
