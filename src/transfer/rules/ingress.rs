//! Ingresses of the AWS load balancer: Gateway API, or the managed NGINX.

use super::{Ask, Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use crate::transfer::mapping::IngressTarget;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const GATEWAY: Code = code(
    "transfer-ingress",
    Severity::Rewritten,
    "an Ingress of an application load balancer becomes a Gateway and an HTTPRoute",
);
const CLASS: Code =
    code("transfer-ingress-class", Severity::Rewritten, "an Ingress gets the class of the managed NGINX");
const NGINX: Code =
    code("transfer-ingress-nginx-ends", Severity::Note, "support for the managed NGINX ends in November 2026");
const SCHEME: Code =
    code("transfer-ingress-scheme", Severity::Rewritten, "who reaches it: internal unless it says internet-facing");
const CERTIFICATE: Code = code(
    "transfer-ingress-certificate",
    Severity::Blocks,
    "a certificate of AWS Certificate Manager, which cannot be exported",
);
const DROPPED: Code = code(
    "transfer-ingress-annotation",
    Severity::Rewritten,
    "an annotation of the load balancer controller goes or becomes something else",
);
const BY_HAND: Code = code(
    "transfer-ingress-annotation-by-hand",
    Severity::ByHand,
    "an annotation whose effect has to be brought about otherwise",
);
const PROTECTION: Code = code(
    "transfer-ingress-protection",
    Severity::Blocks,
    "an annotation that restricts access and would be lost without notice",
);
const BACKEND: Code = code("transfer-ingress-backend", Severity::Blocks, "a backend that cannot be resolved");
const OWN_CLASS: Code =
    code("transfer-ingress-class-left", Severity::Note, "an IngressClass or its parameters of AWS are not rendered");
const LATTICE: Code = code("transfer-gateway-class", Severity::Rewritten, "a Gateway of a class of AWS");
const HOSTS: Code =
    code("transfer-ingress-host", Severity::ByHand, "names that have to point to the target at the cut-over");

/// The rule.
pub(super) const RULE: Rule = Rule {
    subject: "Ingress and Gateway",
    codes: &[
        GATEWAY,
        CLASS,
        NGINX,
        SCHEME,
        CERTIFICATE,
        DROPPED,
        BY_HAND,
        PROTECTION,
        BACKEND,
        OWN_CLASS,
        LATTICE,
        HOSTS,
    ],
    judge,
};

const ALB: &str = "alb.ingress.kubernetes.io/";
const CONTROLLERS: [&str; 2] = ["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"];

/// The class an Ingress names.
fn class_name(item: &Item) -> Option<&str> {
    item.text("/spec/ingressClassName").or_else(|| item.annotation("kubernetes.io/ingress.class"))
}

/// Whether an application load balancer serves it.
fn is_alb(g: &Ground<'_>, item: &Item) -> bool {
    let of_class = |class: &Item| class.text("/spec/controller").is_some_and(|c| CONTROLLERS.contains(&c));
    match class_name(item) {
        Some("alb") => true,
        Some(name) => super::named(g, "networking.k8s.io", "IngressClass", None, name).is_some_and(of_class),
        None => {
            let default = |c: &Item| c.annotation("ingressclass.kubernetes.io/is-default-class") == Some("true");
            let by_default =
                g.inventory.of_kind("networking.k8s.io", "IngressClass").any(|c| default(c) && of_class(c));
            by_default || item.annotations().any(|(k, _)| k.starts_with(ALB))
        }
    }
}

/// Name of the Gateway of an Ingress: Ingresses of one group share one.
pub(in crate::transfer) fn gateway_name(item: &Item) -> &str {
    item.annotation("alb.ingress.kubernetes.io/group.name").unwrap_or_else(|| item.id.name())
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let ingresses: Vec<&Item> = g
        .moving()
        .filter(|i| {
            i.id.kind() == "Ingress" && i.id.group() == "networking.k8s.io" && i.api_version() == "networking.k8s.io/v1"
        })
        .collect();
    let mut gateways: BTreeMap<(&str, &str), Vec<&Item>> = BTreeMap::new();
    for item in &ingresses {
        let hosts = hosts(item);
        if !hosts.is_empty() {
            let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
            sink.add(
                Found::new(item, &HOSTS, "its names point to the source until the cut-over")
                    .at("/spec/rules")
                    .was(names.join(", "))
                    .remedy("lower the TTL of the records to 60 s or less at least one old TTL before the cut-over"),
            );
        }
        if is_alb(g, item) {
            let namespace = item.id.namespace().unwrap_or_default();
            match g.mapping.ingress.target.unwrap_or_default() {
                IngressTarget::Gateway => gateways.entry((namespace, gateway_name(item))).or_default().push(item),
                IngressTarget::Nginx => nginx(g, item, sink),
            }
        }
    }
    for ((namespace, name), items) in gateways {
        gateway(g, namespace, name, &items, sink);
    }
    for item in g.moving() {
        match (item.id.group(), item.id.kind()) {
            ("networking.k8s.io", "IngressClass")
                if item.text("/spec/controller").is_some_and(|c| CONTROLLERS.contains(&c)) =>
            {
                sink.add(
                    Found::new(item, &OWN_CLASS, "its controller does not run on the target").edit(Edit::LeaveOut),
                );
            }
            ("elbv2.k8s.aws" | "eks.amazonaws.com", "IngressClassParams") => {
                sink.add(
                    Found::new(item, &OWN_CLASS, "defaults of Ingresses of its class: see that none of them is missed")
                        .edit(Edit::LeaveOut),
                );
            }
            ("gateway.networking.k8s.io", "Gateway" | "GatewayClass") => {
                let at = if item.id.kind() == "Gateway" { "/spec/gatewayClassName" } else { "/spec/controllerName" };
                let class = item.text(at).unwrap_or_default();
                let aws = class.contains("vpc-lattice") || class.contains("k8s.aws") || class.contains("aws-");
                if aws && item.id.kind() == "Gateway" {
                    let message = "served by the Gateway API of the target";
                    sink.add(Found::new(item, &LATTICE, message).set(at, class, gateway_class(g)));
                } else if aws {
                    sink.add(
                        Found::new(item, &OWN_CLASS, "its controller does not run on the target").edit(Edit::LeaveOut),
                    );
                }
            }
            _ => {}
        }
    }
}

fn gateway_class<'a>(g: &Ground<'a>) -> &'a str {
    g.mapping.ingress.class.as_deref().unwrap_or("approuting-istio")
}

/// The names that an Ingress serves, in order.
pub(in crate::transfer) fn hosts(item: &Item) -> BTreeSet<String> {
    let rules = item.object.pointer("/spec/rules").and_then(Value::as_array);
    let tls = item.object.pointer("/spec/tls").and_then(Value::as_array);
    let of_rules = rules.into_iter().flatten().filter_map(|r| r.get("host")?.as_str());
    let of_tls =
        tls.into_iter().flatten().filter_map(|t| t.get("hosts")?.as_array()).flatten().filter_map(Value::as_str);
    of_rules.chain(of_tls).filter(|h| !h.is_empty()).map(str::to_owned).collect()
}

/// How an Ingress of an application load balancer listens.
struct Listens {
    http: Vec<u64>,
    https: Vec<u64>,
    redirect: bool,
}

fn listens(item: &Item) -> Listens {
    let certificate = item.annotation("alb.ingress.kubernetes.io/certificate-arn").is_some();
    let tls = item.object.pointer("/spec/tls").and_then(Value::as_array).is_some_and(|t| !t.is_empty());
    let redirect = item.annotation("alb.ingress.kubernetes.io/ssl-redirect").is_some();
    let (mut http, mut https) = (Vec::new(), Vec::new());
    let ports = item.annotation("alb.ingress.kubernetes.io/listen-ports");
    let ports: Option<Vec<BTreeMap<String, u64>>> = ports.and_then(|p| serde_json::from_str(p).ok());
    match ports {
        Some(ports) => {
            for (protocol, port) in ports.into_iter().flatten() {
                if protocol == "HTTPS" { https.push(port) } else { http.push(port) }
            }
        }
        // The controller's own default: 443 where there is a certificate, else 80.
        None if certificate || tls => https.push(443),
        None => http.push(80),
    }
    if redirect && http.is_empty() {
        http.push(80);
    }
    Listens { http, https, redirect }
}

/// What is said of annotations, however the Ingress is rendered; those of the Gateway's Service.
fn annotations(item: &Item, sink: &mut Sink) -> Map<String, Value> {
    let mut service = Map::new();
    if item.annotation("alb.ingress.kubernetes.io/scheme") != Some("internet-facing") {
        service.insert("service.beta.kubernetes.io/azure-load-balancer-internal".into(), "true".into());
        let was = item.annotation("alb.ingress.kubernetes.io/scheme").unwrap_or("internal (the controller's default)");
        sink.add(
            Found::new(item, &SCHEME, "load balancers of Azure are public unless asked otherwise")
                .at(&format!("/metadata/annotations{}", step("alb.ingress.kubernetes.io/scheme")))
                .was(was)
                .becomes("service.beta.kubernetes.io/azure-load-balancer-internal: \"true\""),
        );
    }
    for (key, value) in item.annotations() {
        let Some(short) = key.strip_prefix(ALB) else { continue };
        let at = format!("/metadata/annotations{}", step(key));
        let by_hand = |why: &str| Found::new(item, &BY_HAND, why).at(&at).was(value);
        let dropped = |why: &str| Found::new(item, &DROPPED, why).at(&at).was(value);
        let protection = |why: &str, remedy: &str| Found::new(item, &PROTECTION, why).at(&at).was(value).remedy(remedy);
        match short {
            "scheme" | "certificate-arn" => {}
            "target-type" | "subnets" | "tags" | "load-balancer-name" | "ip-address-type" | "group.order" | "ssl-policy"
            | "customer-owned-ipv4-pool" | "manage-backend-security-group-rules" => {
                sink.add(dropped("it says how AWS builds the load balancer; the target needs no such setting"));
            }
            "group.name" => sink.add(dropped("Ingresses of a group share a Gateway of its name").becomes(format!("Gateway {value}"))),
            "listen-ports" => sink.add(dropped("listeners of the Gateway").becomes("listeners")),
            "ssl-redirect" => sink.add(dropped("an HTTPRoute that redirects").becomes("RequestRedirect to https")),
            "inbound-cidrs" => {
                service.insert("service.beta.kubernetes.io/azure-allowed-ip-ranges".into(), value.replace(' ', "").into());
                sink.add(dropped("who may connect").becomes("service.beta.kubernetes.io/azure-allowed-ip-ranges"));
            }
            "wafv2-acl-arn" | "waf-acl-id" | "web-acl-id" | "shield-advanced-protection" => sink.add(
                protection(
                    "a web application firewall stands before it",
                    "put one before the target (Application Gateway for Containers, Front Door), and accept the finding in the mapping with what was done",
                ),
            ),
            s if s.starts_with("auth-") => sink.add(protection(
                "people log in at the load balancer",
                "let something on the target ask for the login (an oauth2 proxy, Istio's RequestAuthentication), and accept the finding in the mapping with what was done",
            )),
            "security-groups" | "mutual-authentication" | "security-group-prefix-lists" => sink.add(protection(
                "who may connect is said in AWS",
                "say it with inbound-cidrs, a network security group or a NetworkPolicy, and accept the finding in the mapping with what was done",
            )),
            s if s.starts_with("healthcheck-") || s == "success-codes" || s.ends_with("-threshold-count") => sink.add(
                by_hand("the Gateway has no health check of its own").remedy("let readiness probes of the pods say the same"),
            ),
            "load-balancer-attributes" | "target-group-attributes" => sink.add(by_hand("timeouts, logs, stickiness and delays of the load balancer").remedy(
                "set what is needed on the HTTPRoute (timeouts) or by Istio's DestinationRule",
            )),
            "backend-protocol" | "backend-protocol-version" if value == "HTTP" || value == "HTTP1" => {
                sink.add(dropped("the protocol of an HTTPRoute's backends"));
            }
            "backend-protocol" | "backend-protocol-version" => sink.add(
                by_hand("the protocol to the pods").remedy("set appProtocol of the Service's port, and use a GRPCRoute or BackendTLSPolicy where it is meant"),
            ),
            s if s.starts_with("actions.") => sink.add(by_hand("an action of the load balancer").remedy(
                "a redirect is rendered; see what else of it (weights, fixed responses) the HTTPRoute needs",
            )),
            s if s.starts_with("conditions.") => sink.add(protection(
                "a condition under which alone a path is served",
                "write it into the HTTPRoute (headers, query parameters), and accept the finding in the mapping with what was done",
            )),
            _ => sink.add(by_hand("not known here").remedy("see the controller's documentation for what it does, and bring it about on the target")),
        }
    }
    service
}

/// Secrets with certificates of hosts: of spec.tls, else of the mapping. None where one is open.
fn certificates(g: &Ground<'_>, item: &Item, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for entry in item.object.pointer("/spec/tls").and_then(Value::as_array).into_iter().flatten() {
        let Some(secret) = entry.get("secretName").and_then(Value::as_str) else { continue };
        let hosts = entry.get("hosts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        known.extend(hosts.map(|h| (h.to_owned(), secret.to_owned())));
    }
    let mut wanted = hosts(item);
    if wanted.is_empty() {
        wanted.insert("*".to_owned());
    }
    let mut complete = true;
    for host in wanted {
        if known.contains_key(&host) {
            continue;
        }
        if let Some(Some(secret)) = g.mapping.ingress.certificates.get(&host) {
            known.insert(host, secret.clone());
            continue;
        }
        complete = false;
        let arn = item
            .annotation("alb.ingress.kubernetes.io/certificate-arn")
            .unwrap_or("found by its host name in AWS Certificate Manager");
        let ask = Ask::at(
            &["ingress", "certificates", &host],
            "Secret of type kubernetes.io/tls in the namespace of the Ingress, made on the target (cert-manager, Key Vault)",
        );
        sink.add(
            Found::new(
                item,
                &CERTIFICATE,
                format!("its private key for {host} does not leave AWS: the target needs a certificate of its own"),
            )
            .at(&format!("/metadata/annotations{}", step("alb.ingress.kubernetes.io/certificate-arn")))
            .was(arn)
            .ask(ask),
        );
    }
    complete.then_some(known)
}

/// The name of a listener: a host as a label of DNS.
fn listener_name(scheme: &str, host: &str, port: u64) -> String {
    let host = host.trim_start_matches("*.");
    let bare: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let bare = bare.trim_matches('-');
    let port = match (scheme, port) {
        ("http", 80) | ("https", 443) => String::new(),
        (_, port) => format!("-{port}"),
    };
    match bare {
        "" => format!("{scheme}{port}"),
        host => format!("{scheme}-{host}{port}").chars().take(63).collect(),
    }
}

fn gateway(g: &Ground<'_>, namespace: &str, name: &str, items: &[&Item], sink: &mut Sink) {
    let mut listeners: BTreeMap<String, Value> = BTreeMap::new();
    let mut service = Map::new();
    let mut routes: Vec<(&Item, Vec<Value>)> = Vec::new();
    let mut open = false;
    for item in items {
        service.extend(annotations(item, sink));
        let listens = listens(item);
        let hosts = hosts(item);
        let mut secure: Vec<Section> = Vec::new();
        let mut plain: Vec<Section> = Vec::new();
        for port in &listens.http {
            let listener = listener_name("http", "", *port);
            listeners.insert(listener.clone(), json!({"name": listener, "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}));
            plain.push(Section { name: listener, host: None });
        }
        if !listens.https.is_empty() {
            let Some(certificates) = certificates(g, item, sink) else {
                open = true;
                continue;
            };
            for port in &listens.https {
                for (host, secret) in certificates.iter().filter(|(h, _)| hosts.is_empty() || hosts.contains(*h)) {
                    let listener = listener_name("https", host.trim_matches('*'), *port);
                    let mut value = json!({"name": listener, "port": port, "protocol": "HTTPS", "allowedRoutes": {"namespaces": {"from": "Same"}},
                        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret}]}});
                    if host != "*" {
                        value["hostname"] = host.as_str().into();
                    }
                    listeners.insert(listener.clone(), value);
                    secure.push(Section { name: listener, host: (host != "*").then(|| host.clone()) });
                }
            }
        }
        let mut served = secure.clone();
        if !listens.redirect || secure.is_empty() {
            served.extend(plain.iter().cloned());
        }
        match routes_of(g, item, name, &served, sink) {
            Some(mut all) => {
                if listens.redirect && !secure.is_empty() {
                    all.push(redirect(item, &hosts, &parents(name, &plain, None)));
                }
                routes.push((item, all));
            }
            None => open = true,
        }
    }
    if open {
        return;
    }
    let mut gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"gatewayClassName": gateway_class(g), "listeners": listeners.into_values().collect::<Vec<_>>()}});
    if !service.is_empty() {
        gateway["spec"]["infrastructure"] = json!({"annotations": service});
    }
    for (i, (item, all)) in routes.iter().enumerate() {
        let mut found = Found::new(item, &GATEWAY, "needs the Gateway API and its Istio on the cluster (az aks update --enable-gateway-api --enable-app-routing-istio)")
            .at("/spec")
            .was(format!("Ingress of class {}", class_name(item).unwrap_or("alb")))
            .becomes(format!("Gateway {name} of class {} and HTTPRoute {}", gateway_class(g), item.id.name()))
            .edit(Edit::LeaveOut);
        if i == 0 {
            found = found.edit(Edit::Create(gateway.clone()));
        }
        for route in all {
            found = found.edit(Edit::Create(route.clone()));
        }
        sink.add(found);
    }
}

fn metadata(item: &Item, name: &str) -> Value {
    let mut metadata = json!({"name": name, "namespace": item.id.namespace().unwrap_or_default()});
    if let Some(labels) = item.labels().filter(|l| !l.is_empty()) {
        metadata["labels"] = Value::Object(labels.clone());
    }
    let kept: Map<String, Value> = item
        .annotations()
        .filter(|(k, _)| k.starts_with("external-dns.alpha.kubernetes.io/"))
        .map(|(k, v)| (k.to_owned(), v.into()))
        .collect();
    if !kept.is_empty() {
        metadata["annotations"] = Value::Object(kept);
    }
    metadata
}

fn redirect(item: &Item, hosts: &BTreeSet<String>, parents: &[Value]) -> Value {
    let mut route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": metadata(item, &format!("{}-redirect", item.id.name())),
        "spec": {"parentRefs": parents, "rules": [{"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}]}});
    if !hosts.is_empty() {
        route["spec"]["hostnames"] = hosts.iter().map(String::as_str).collect();
    }
    route
}

/// A listener that a route can be served by.
#[derive(Clone, Debug)]
struct Section {
    name: String,
    /// The one name that it serves; None if it serves all.
    host: Option<String>,
}

/// References to the listeners that serve a host.
fn parents(gateway: &str, sections: &[Section], host: Option<&str>) -> Vec<Value> {
    let serves = |s: &&Section| s.host.is_none() || host.is_none() || s.host.as_deref() == host;
    sections.iter().filter(serves).map(|s| json!({"name": gateway, "sectionName": s.name})).collect()
}

/// The HTTPRoutes of an Ingress, one for each of its hosts; None where a backend cannot be resolved.
fn routes_of(g: &Ground<'_>, item: &Item, gateway: &str, sections: &[Section], sink: &mut Sink) -> Option<Vec<Value>> {
    let mut by_host: BTreeMap<Option<&str>, Vec<Value>> = BTreeMap::new();
    let mut complete = true;
    let ingress_rules = item.object.pointer("/spec/rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, rule) in ingress_rules.iter().enumerate() {
        let host = rule.get("host").and_then(Value::as_str).filter(|h| !h.is_empty());
        for (j, path) in rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let at = format!("/spec/rules/{i}/http/paths/{j}/backend");
            let Some(mut entry) = backend(g, item, path.get("backend"), &at, sink) else {
                complete = false;
                continue;
            };
            entry["matches"] = json!([{"path": path_match(path)}]);
            by_host.entry(host).or_default().push(entry);
        }
    }
    // A default backend serves every name that no rule serves.
    if let Some(default) = item.object.pointer("/spec/defaultBackend") {
        match backend(g, item, Some(default), "/spec/defaultBackend", sink) {
            Some(entry) => by_host.entry(None).or_default().push(entry),
            None => complete = false,
        }
    }
    if !complete {
        return None;
    }
    let single = by_host.len() == 1;
    let make = |(host, rules): (Option<&str>, Vec<Value>)| {
        let name = match host {
            Some(host) if !single => listener_name(item.id.name(), host, 0).trim_end_matches("-0").to_owned(),
            _ => item.id.name().to_owned(),
        };
        let mut route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": metadata(item, &name), "spec": {"parentRefs": parents(gateway, sections, host)}});
        if let Some(host) = host {
            route["spec"]["hostnames"] = json!([host]);
        }
        route["spec"]["rules"] = rules.into();
        route
    };
    Some(by_host.into_iter().map(make).collect())
}

fn path_match(path: &Value) -> Value {
    let text = path.get("path").and_then(Value::as_str).filter(|p| !p.is_empty()).unwrap_or("/");
    match path.get("pathType").and_then(Value::as_str) {
        Some("Exact") => json!({"type": "Exact", "value": text}),
        Some("ImplementationSpecific") => match text.strip_suffix('*') {
            // A pattern of the load balancer: /* is everything below.
            Some(prefix) => {
                json!({"type": "PathPrefix", "value": if prefix.len() > 1 { prefix.trim_end_matches('/') } else { "/" }})
            }
            None if text == "/" => json!({"type": "PathPrefix", "value": "/"}),
            None => json!({"type": "Exact", "value": text}),
        },
        _ => json!({"type": "PathPrefix", "value": text}),
    }
}

/// A rule's backend, or the redirect that an annotation says.
fn backend(g: &Ground<'_>, item: &Item, backend: Option<&Value>, at: &str, sink: &mut Sink) -> Option<Value> {
    let unresolved = |why: String| Found::new(item, &BACKEND, why).at(at);
    let service = backend.and_then(|b| b.get("service"));
    let Some(name) = service.and_then(|s| s.get("name")).and_then(Value::as_str) else {
        sink.add(unresolved("its backend is a resource, not a Service".to_owned()).remedy("name a Service"));
        return None;
    };
    let port = service.and_then(|s| s.get("port"));
    let port_name = port.and_then(|p| p.get("name")).and_then(Value::as_str);
    if port_name == Some("use-annotation") {
        let action =
            item.annotation(&format!("{ALB}actions.{name}")).and_then(|a| serde_json::from_str::<Value>(a).ok());
        let kind = |a: &Value| a.get("type").or_else(|| a.get("Type")).and_then(Value::as_str).map(str::to_lowercase);
        return match action.as_ref().map(|a| (kind(a), a)) {
            Some((Some(kind), action)) if kind == "redirect" => {
                let config = action.get("redirectConfig").or_else(|| action.get("RedirectConfig"))?;
                let text = |key: &str| {
                    config.as_object()?.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).and_then(|(_, v)| v.as_str())
                };
                let mut redirect = Map::new();
                if let Some(scheme) = text("protocol").filter(|p| !p.starts_with('#')) {
                    redirect.insert("scheme".into(), scheme.to_lowercase().into());
                }
                if let Some(host) = text("host").filter(|h| !h.contains("#{")) {
                    redirect.insert("hostname".into(), host.into());
                }
                let status = if text("statusCode") == Some("HTTP_302") { 302 } else { 301 };
                redirect.insert("statusCode".into(), status.into());
                Some(json!({"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}))
            }
            Some((Some(kind), action)) if kind == "forward" => {
                let groups = action
                    .pointer("/forwardConfig/targetGroups")
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                let refs: Option<Vec<Value>> = groups
                    .iter()
                    .map(|t| {
                        let port = t.get("servicePort").and_then(|p| p.as_u64().or_else(|| p.as_str()?.parse().ok()))?;
                        Some(json!({"name": t.get("serviceName")?.as_str()?, "port": port, "weight": t.get("weight").and_then(Value::as_u64).unwrap_or(1)}))
                    })
                    .collect();
                match refs.filter(|r| !r.is_empty()) {
                    Some(refs) => Some(json!({"backendRefs": refs})),
                    None => {
                        sink.add(
                            unresolved(format!("action {name} forwards to a target group that is known to AWS alone"))
                                .remedy("name Services in the action"),
                        );
                        None
                    }
                }
            }
            _ => {
                sink.add(
                    unresolved(format!("action {name} is no redirect and no forward, or has no annotation"))
                        .remedy("write what it does as an HTTPRoute, and leave the path out of the Ingress"),
                );
                None
            }
        };
    }
    let number = match (port.and_then(|p| p.get("number")).and_then(Value::as_u64), port_name) {
        (Some(number), _) => Some(number),
        (None, Some(port)) => {
            let service = super::named(g, "", "Service", item.id.namespace(), name);
            let ports = service.and_then(|s| s.object.pointer("/spec/ports")).and_then(Value::as_array);
            ports
                .into_iter()
                .flatten()
                .find(|p| p.get("name").and_then(Value::as_str) == Some(port))
                .and_then(|p| p.get("port")?.as_u64())
        }
        (None, None) => None,
    };
    match number {
        Some(port) => Some(json!({"backendRefs": [{"name": name, "port": port}]})),
        None => {
            let port = port_name.unwrap_or("none");
            sink.add(
                unresolved(format!("port {port:?} of Service {name} is not known: an HTTPRoute needs its number"))
                    .remedy("give the manifest of the Service too, or name the port by its number"),
            );
            None
        }
    }
}

fn nginx(g: &Ground<'_>, item: &Item, sink: &mut Sink) {
    let class = g.mapping.ingress.class.as_deref().unwrap_or("webapprouting.kubernetes.azure.com");
    let service = annotations(item, sink);
    if !service.is_empty() {
        sink.add(Found::new(item, &BY_HAND, "the managed NGINX is one load balancer for all Ingresses of its class").at("/metadata/annotations").was(
            service.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        ).remedy("make an NginxIngressController of its own with these annotations (loadBalancerAnnotations), and its class"));
    }
    let listens = listens(item);
    let mut found = Found::new(item, &CLASS, "served by the managed NGINX")
        .at("/spec/ingressClassName")
        .was(class_name(item).unwrap_or("none"))
        .becomes(class)
        .edit(Edit::Set("/spec/ingressClassName".into(), class.into()));
    for (key, _) in item.annotations() {
        if key.starts_with(ALB) || key == "kubernetes.io/ingress.class" {
            found = found.edit(Edit::Remove(format!("/metadata/annotations{}", step(key))));
        }
    }
    if !listens.https.is_empty() {
        let Some(certificates) = certificates(g, item, sink) else { return };
        let tls: Vec<Value> = certificates
            .iter()
            .map(|(host, secret)| {
                if host == "*" { json!({"secretName": secret}) } else { json!({"hosts": [host], "secretName": secret}) }
            })
            .collect();
        found = found.edit(Edit::Set("/spec/tls".into(), tls.into()));
        let redirect = if listens.redirect { "true" } else { "false" };
        found = found.edit(Edit::Set(
            format!("/metadata/annotations{}", step("nginx.ingress.kubernetes.io/ssl-redirect")),
            redirect.into(),
        ));
    }
    for (i, rule) in item.object.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten().enumerate() {
        for (j, path) in rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let at = format!("/spec/rules/{i}/http/paths/{j}");
            let matched = path_match(path);
            let kind = if matched["type"] == "PathPrefix" { "Prefix" } else { "Exact" };
            if path.get("pathType").and_then(Value::as_str) == Some("ImplementationSpecific") {
                found = found
                    .edit(Edit::Set(format!("{at}/pathType"), kind.into()))
                    .edit(Edit::Set(format!("{at}/path"), matched["value"].clone()));
            }
            if path.pointer("/backend/service/port/name").and_then(Value::as_str) == Some("use-annotation") {
                sink.add(
                    Found::new(
                        item,
                        &BACKEND,
                        "its backend is an action of the load balancer, which NGINX does not know",
                    )
                    .at(&format!("{at}/backend"))
                    .remedy(
                        "render for the Gateway API (ingress.target: gateway), or take the path out of the Ingress",
                    ),
                );
                return;
            }
        }
    }
    sink.add(
        Found::new(item, &NGINX, "use the Gateway API instead where you can")
            .at("/spec/ingressClassName")
            .becomes(class),
    );
    sink.add(found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_load_balancer_are_patterns() {
        let of = |kind: &str, path: &str| path_match(&json!({"pathType": kind, "path": path}));
        assert_eq!(of("Prefix", "/api"), json!({"type": "PathPrefix", "value": "/api"}));
        assert_eq!(of("Exact", "/api"), json!({"type": "Exact", "value": "/api"}));
        assert_eq!(of("ImplementationSpecific", "/*"), json!({"type": "PathPrefix", "value": "/"}));
        assert_eq!(of("ImplementationSpecific", "/api/*"), json!({"type": "PathPrefix", "value": "/api"}));
        assert_eq!(of("ImplementationSpecific", "/api"), json!({"type": "Exact", "value": "/api"}));
        assert_eq!(of("ImplementationSpecific", "/"), json!({"type": "PathPrefix", "value": "/"}));
    }

    #[test]
    fn listeners_are_named_by_host_and_port() {
        assert_eq!(listener_name("https", "shop.example.com", 443), "https-shop-example-com");
        assert_eq!(listener_name("https", "*.example.com", 8443), "https-example-com-8443");
        assert_eq!(listener_name("http", "", 80), "http");
        assert!(listener_name("https", &"a".repeat(100), 443).len() <= 63);
    }
}
