//! Services of type LoadBalancer: in-tree ones, those of the AWS Load Balancer Controller, those of EKS Auto Mode.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use serde_json::Value;

const INTERNAL: Code = code(
    "transfer-load-balancer-internal",
    Severity::Rewritten,
    "a load balancer that is internal on AWS is made so on Azure, whose default is public",
);
const PUBLIC: Code =
    code("transfer-load-balancer-public", Severity::Note, "a load balancer that is reached from the internet stays so");
const CLASS: Code = code("transfer-load-balancer-class", Severity::Rewritten, "a loadBalancerClass of AWS goes");
const ANNOTATION: Code =
    code("transfer-load-balancer-annotation", Severity::Rewritten, "an annotation becomes that of Azure, or goes");
const BY_HAND: Code = code(
    "transfer-load-balancer-by-hand",
    Severity::ByHand,
    "an annotation whose effect has to be brought about otherwise",
);
const PORTS: Code = code(
    "transfer-load-balancer-node-port",
    Severity::Note,
    "node ports that the source's API server chose are not rendered",
);
const ADDRESS: Code = code(
    "transfer-load-balancer-address",
    Severity::ByHand,
    "something points to the address of the load balancer on AWS",
);

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Load balancers", codes: &[INTERNAL, PUBLIC, CLASS, ANNOTATION, BY_HAND, PORTS, ADDRESS], judge };

const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";
const AZURE_INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";

/// Who makes a Service's load balancer on AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// The cloud provider within Kubernetes: internet-facing unless asked otherwise.
    InTree,
    /// The AWS Load Balancer Controller, or EKS Auto Mode: internal unless asked otherwise (from version 2.2 on).
    Controller,
}

fn maker(g: &Ground<'_>, item: &Item) -> Maker {
    match item.text("/spec/loadBalancerClass") {
        Some("service.k8s.aws/nlb" | "eks.amazonaws.com/nlb") => return Maker::Controller,
        Some(_) => return Maker::InTree,
        None => {}
    }
    match item.annotation("service.beta.kubernetes.io/aws-load-balancer-type") {
        Some("external" | "nlb-ip") => Maker::Controller,
        // Its webhook gives every new Service its class, where it runs from 2.5 on.
        _ if g.inventory.of_kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration").any(|w| {
            let hooks = w.object.get("webhooks").and_then(Value::as_array);
            hooks.is_some_and(|h| {
                h.iter().any(|h| h.get("name").and_then(Value::as_str) == Some("mservice.elbv2.k8s.aws"))
            })
        }) && !item.live =>
        {
            Maker::Controller
        }
        _ => Maker::InTree,
    }
}

/// Version of the controller: what the mapping says, else its image.
fn controller_is_old(g: &Ground<'_>) -> Option<bool> {
    let by_mapping = g.mapping.source.load_balancer_controller.as_deref();
    let image = g
        .inventory
        .of_kind("apps", "Deployment")
        .filter(|d| d.id.name().contains("aws-load-balancer-controller"))
        .find_map(|d| {
            d.text("/spec/template/spec/containers/0/image")
                .and_then(|i| i.rsplit_once(':'))
                .map(|(_, tag)| tag.to_owned())
        });
    let version = by_mapping.map(str::to_owned).or(image)?;
    let mut parts = version.trim_start_matches('v').split('.').map(|p| p.parse::<u32>().ok());
    let (major, minor) = (parts.next()??, parts.next().flatten().unwrap_or(0));
    Some((major, minor) < (2, 2))
}

/// Whether the load balancer is internal, and why.
fn is_internal(g: &Ground<'_>, item: &Item) -> (bool, &'static str) {
    match item.annotation("service.beta.kubernetes.io/aws-load-balancer-scheme") {
        Some("internet-facing") => return (false, "it says internet-facing"),
        Some("internal") => return (true, "it says so"),
        _ => {}
    }
    match item.annotation("service.beta.kubernetes.io/aws-load-balancer-internal") {
        Some("true" | "0.0.0.0/0") => return (true, "it says so"),
        Some("false") => return (false, "it says that it is not internal"),
        _ => {}
    }
    match maker(g, item) {
        Maker::InTree => (false, "made by Kubernetes' own provider, internet-facing unless asked otherwise"),
        Maker::Controller if controller_is_old(g) == Some(true) => {
            (false, "the AWS Load Balancer Controller makes public ones before 2.2 unless asked otherwise")
        }
        Maker::Controller => {
            (true, "the AWS Load Balancer Controller makes internal ones from 2.2 on unless asked otherwise")
        }
    }
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.moving().filter(|i| i.id.kind() == "Service" && i.id.group().is_empty()) {
        let kind = item.text("/spec/type").unwrap_or("ClusterIP");
        if kind == "LoadBalancer" {
            service(g, item, sink);
        } else {
            for (key, value) in item.annotations().filter(|(k, _)| k.starts_with(AWS)) {
                let at = format!("/metadata/annotations{}", step(key));
                sink.add(
                    Found::new(item, &ANNOTATION, format!("it says nothing on a Service of type {kind}"))
                        .remove(&at, value),
                );
            }
        }
        let aws = |h: &str| h.ends_with(".elb.amazonaws.com") || h.contains(".elb.");
        if let Some(name) = item.text("/spec/externalName").filter(|n| aws(n)) {
            sink.add(
                Found::new(item, &ADDRESS, "it points to a load balancer of AWS")
                    .at("/spec/externalName")
                    .was(name)
                    .remedy("name what takes its place"),
            );
        }
    }
}

fn service(g: &Ground<'_>, item: &Item, sink: &mut Sink) {
    if let Some(class) =
        item.text("/spec/loadBalancerClass").filter(|c| c.contains("k8s.aws") || c.contains("amazonaws.com"))
    {
        sink.add(
            Found::new(item, &CLASS, "Azure's own controller serves Services without a class")
                .remove("/spec/loadBalancerClass", class),
        );
    }
    let own = item.annotation(AZURE_INTERNAL);
    let (internal, why) = is_internal(g, item);
    if internal && own != Some("true") {
        let at = format!("/metadata/annotations{}", step(AZURE_INTERNAL));
        sink.add(Found::new(item, &INTERNAL, why).at(&at).becomes("true").edit(Edit::Set(at.clone(), "true".into())));
    } else if !internal {
        sink.add(
            Found::new(item, &PUBLIC, format!("{why}: the target gives it a public address"))
                .at("/spec/type")
                .was("LoadBalancer"),
        );
    }
    for (key, value) in item.annotations() {
        let Some(short) = key.strip_prefix(AWS) else { continue };
        annotation(item, key, short, value, sink);
    }
    let ports = item.object.pointer("/spec/ports").and_then(Value::as_array);
    if item.live && ports.is_some_and(|p| p.iter().any(|p| p.get("nodePort").is_some())) {
        sink.add(Found::new(item, &PORTS, "the target chooses its own").at("/spec/ports"));
    }
}

fn annotation(item: &Item, key: &str, short: &str, value: &str, sink: &mut Sink) {
    let at = format!("/metadata/annotations{}", step(key));
    let azure = |name: &str| format!("service.beta.kubernetes.io/azure-{name}");
    let becomes = |name: &str, to: &str, why: &str| {
        let set = format!("/metadata/annotations{}", step(&azure(name)));
        Found::new(item, &ANNOTATION, why)
            .remove(&at, value)
            .becomes(format!("{}: {to}", azure(name)))
            .edit(Edit::Set(set, to.into()))
    };
    let goes = |why: &str| Found::new(item, &ANNOTATION, why).remove(&at, value);
    let by_hand = |why: &str, remedy: &str| Found::new(item, &BY_HAND, why).remove(&at, value).remedy(remedy);
    sink.add(match short {
        "scheme" | "internal" => goes("said by Azure's own annotation, or public by default"),
        "type"
        | "nlb-target-type"
        | "name"
        | "subnets"
        | "ip-address-type"
        | "cross-zone-load-balancing-enabled"
        | "backend-protocol"
        | "additional-resource-tags"
        | "target-node-labels"
        | "manage-backend-security-group-rules"
        =>
        {
            goes("it says how AWS builds the load balancer; Azure has a standard load balancer over all zones")
        }
        "eip-allocations" | "private-ipv4-addresses" => by_hand(
            "it has addresses that others may know",
            "give it one that is made beforehand (service.beta.kubernetes.io/azure-pip-name, azure-load-balancer-ipv4), and let those know it",
        ),
        "healthcheck-path" => becomes("load-balancer-health-probe-request-path", value, "path of the health probe"),
        "healthcheck-interval" => becomes("load-balancer-health-probe-interval", value, "interval of the health probe, seconds (at least 5)"),
        "healthcheck-protocol" => becomes("load-balancer-health-probe-protocol", value, "protocol of the health probe"),
        "healthcheck-unhealthy-threshold" => becomes("load-balancer-health-probe-num-of-probe", value, "failed probes until a node is left out"),
        "healthcheck-port" if value == "traffic-port" => goes("the probe's port is that of the Service on Azure, too"),
        "healthcheck-port" => becomes("load-balancer-health-probe-port", value, "port of the health probe"),
        "healthcheck-healthy-threshold" | "healthcheck-timeout" | "healthcheck-success-codes" => goes("Azure's probe has no such setting"),
        "connection-idle-timeout" => {
            // Minutes from 4 to 30; AWS has seconds.
            let minutes = value.parse::<u64>().map_or(4, |s| s.div_ceil(60).clamp(4, 30)).to_string();
            becomes("load-balancer-tcp-idle-timeout", &minutes, "idle timeout, minutes instead of seconds, 4 to 30")
        }
        "source-ranges" => becomes("allowed-ip-ranges", &value.replace(' ', ""), "who may connect"),
        "ssl-cert" | "ssl-ports" | "ssl-negotiation-policy" | "alpn-policy" => by_hand(
            "TLS ends at the load balancer on AWS; that of Azure passes it through",
            "let TLS end at a Gateway, an ingress controller or the pods, with a certificate of the target",
        ),
        "proxy-protocol" => by_hand("the load balancer of Azure speaks no PROXY protocol", "set externalTrafficPolicy: Local to see clients' addresses, and turn the protocol off in the program"),
        "security-groups" | "extra-security-groups" => by_hand(
            "who may connect is said in AWS",
            "say it with spec.loadBalancerSourceRanges or service.beta.kubernetes.io/azure-allowed-ip-ranges",
        ),
        s if s.starts_with("access-log") => by_hand("access logs to S3", "turn on diagnostic settings of the load balancer, or log in the program"),
        s if s.starts_with("connection-draining") => goes("Azure's load balancer has no setting for it; pods drain by their grace periods"),
        _ => by_hand("not known here", "see the controller's documentation for what it does, and bring it about on the target"),
    });
}
