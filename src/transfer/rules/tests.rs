//! What the rules find in small inputs, and what is rewritten.

use super::*;
use crate::snapshot::Source;
use crate::transfer::analysis::{Judged, analyse};
use crate::transfer::render::render;

pub(crate) fn inventory(text: &str) -> Inventory {
    let source = Source::of_text("in.yaml", text);
    Inventory::from_sources(&[source], "default").unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn mapping(text: &str) -> Mapping {
    let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}"));
    crate::typed::from_value(&value).unwrap_or_else(|e| panic!("{} {}", e.path, e.what))
}

fn judged(objects: &str, answers: &str) -> Judged {
    let answers = format!("target: {{kubernetes_version: '1.34'}}\n{answers}");
    analyse(&inventory(objects), &mapping(&answers))
}

/// Codes with the fields they are about, without those that say that a definition or a namespace is not in the input.
fn codes(judged: &Judged) -> Vec<String> {
    judged
        .found
        .iter()
        .filter(|f| !["transfer-definition-missing", "transfer-namespace-made"].contains(&f.finding.code.as_str()))
        .map(|f| format!("{} {}", f.finding.code, f.finding.field).trim_end().to_owned())
        .collect()
}

fn rendered(objects: &str, answers: &str, id: &str) -> Value {
    let answers = mapping(&format!("target: {{kubernetes_version: '1.34'}}\n{answers}"));
    let inventory = inventory(objects);
    let judged = analyse(&inventory, &answers);
    let rendered = render(&inventory, &judged.found);
    let found = rendered.objects.iter().find(|o| o.id.as_str() == id);
    found
        .unwrap_or_else(|| {
            panic!("no {id} among {:?}", rendered.objects.iter().map(|o| o.id.as_str()).collect::<Vec<_>>())
        })
        .object
        .clone()
}

fn deployment(pod: &str) -> String {
    let pod: String = pod.lines().map(|l| format!("      {l}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n{pod}"
    )
}

#[test]
fn every_code_is_listed_once_and_has_the_prefix() {
    let mut seen = std::collections::BTreeSet::new();
    for code in RULES.iter().flat_map(|r| r.codes) {
        assert!(seen.insert(code.code), "{} is listed twice", code.code);
        assert!(code.code.starts_with("transfer-"), "{}", code.code);
    }
}

#[test]
fn images_identities_and_endpoints_wait_for_answers_and_are_rewritten() {
    let objects = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: api\n  namespace: shop\n  annotations: {{eks.amazonaws.com/role-arn: 'arn:aws:iam::123456789012:role/api'}}\n---\n{}",
        deployment(
            "serviceAccountName: api\ncontainers:\n- name: c\n  image: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:1\n  env:\n  - {name: DB, value: 'postgres://db.x.eu-west-1.rds.amazonaws.com:5432/a'}"
        )
    );
    let open = judged(&objects, "");
    assert_eq!(
        codes(&open),
        [
            "transfer-endpoint-unmapped spec.template.spec.containers[0].env[0].value",
            "transfer-iam-role-unmapped metadata.annotations[\"eks.amazonaws.com/role-arn\"]",
            "transfer-image-unmapped spec.template.spec.containers[0].image",
            "transfer-workload-identity-label spec.template.metadata.labels[\"azure.workload.identity/use\"]",
        ]
    );
    assert_eq!(open.analysis.exit_status, 3);
    let paths: Vec<&str> = open.analysis.questions.iter().map(|q| q.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "endpoints[\"db.x.eu-west-1.rds.amazonaws.com\"]",
            "identities[\"arn:aws:iam::123456789012:role/api\"].client_id",
            "registries[\"123456789012.dkr.ecr.eu-west-1.amazonaws.com\"]",
        ]
    );
    let answers = "registries: {123456789012.dkr.ecr.eu-west-1.amazonaws.com: acr.azurecr.io}\nidentities: {'arn:aws:iam::123456789012:role/api': {name: api, client_id: c-1, roles: []}}\nendpoints: {db.x.eu-west-1.rds.amazonaws.com: db.postgres.database.azure.com}";
    assert_eq!(judged(&objects, answers).analysis.exit_status, 0);
    let web = rendered(&objects, answers, "Deployment.apps/shop/web");
    let container = &web["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "acr.azurecr.io/shop/api:1");
    assert_eq!(container["env"][0]["value"], "postgres://db.postgres.database.azure.com:5432/a");
    assert_eq!(web["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"], "true");
    let account = rendered(&objects, answers, "ServiceAccount/shop/api");
    assert_eq!(account["metadata"]["annotations"], serde_json::json!({"azure.workload.identity/client-id": "c-1"}));
}

#[test]
fn a_finding_is_accepted_by_its_code_and_object_and_a_misspelt_one_is_said() {
    let objects = deployment("containers:\n- {name: c, image: x, resources: {limits: {aws.amazon.com/neuron: '1'}}}");
    let open = judged(&objects, "");
    assert_eq!(open.analysis.counts.blocks, 1);
    let accepted = judged(
        &objects,
        "accepted: {transfer-accelerator Deployment.apps/shop/web: the model runs on GPUs, transfer-accelerator x: nothing}",
    );
    assert_eq!(
        (accepted.analysis.counts.blocks, accepted.analysis.counts.accepted, accepted.analysis.exit_status),
        (0, 1, 0)
    );
    assert_eq!(accepted.analysis.unused_acceptances, ["transfer-accelerator x"]);
}

#[test]
fn endpoints_that_were_written_by_hand_move_with_their_addresses() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: {ports: [{port: 5432}]}\n";
    assert_eq!(codes(&judged(service, "")), ["transfer-service-without-selector spec.selector"]);
    let objects = format!(
        "{service}---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: db, namespace: shop}}\nsubsets: [{{addresses: [{{ip: 10.1.2.3}}], ports: [{{port: 5432}}]}}]\n"
    );
    assert_eq!(codes(&judged(&objects, "")), ["transfer-endpoint-unmapped subsets[0].addresses[0].ip"]);
    let endpoints = rendered(&objects, "endpoints: {10.1.2.3: 10.9.9.9}", "Endpoints/shop/db");
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["ip"], "10.9.9.9");
    let of_pods = objects.replace("{ip: 10.1.2.3}", "{ip: 10.1.2.3, targetRef: {kind: Pod, name: db-0}}");
    assert_eq!(codes(&judged(&of_pods, "")), Vec::<String>::new(), "a controller makes them");
}

#[test]
fn a_variable_that_is_named_after_a_service_of_aws_is_noted() {
    let objects = deployment(
        "containers:\n- name: c\n  image: x\n  env:\n  - {name: DYNAMODB_TABLE, value: votes}\n  - {name: AWS_REGION, value: eu-west-1}\n  - {name: PORT, value: '80'}",
    );
    assert_eq!(
        codes(&judged(&objects, "")),
        [
            "transfer-aws-setting spec.template.spec.containers[0].env[1]",
            "transfer-aws-variable spec.template.spec.containers[0].env[0]",
        ]
    );
}

#[test]
fn classes_and_shared_claims() {
    let objects = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: gp3}\nprovisioner: ebs.csi.aws.com\nparameters: {type: gp3, iops: '5000'}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a, namespace: shop}\nspec: {storageClassName: gp3, accessModes: [ReadWriteMany]}\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  template: {spec: {containers: [{name: c, image: x}]}}\n  volumeClaimTemplates:\n  - {metadata: {name: data}, spec: {storageClassName: lustre}}\n  - {metadata: {name: tmp}, spec: {}}\n---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: lustre}\nprovisioner: fsx.csi.aws.com\n";
    let open = judged(objects, "");
    assert_eq!(
        codes(&open),
        [
            "transfer-fsx spec.volumeClaimTemplates[0].spec.storageClassName",
            "transfer-storage-class-unmapped spec.storageClassName",
            "transfer-claim-unused",
            "transfer-default-class spec.volumeClaimTemplates[1].spec.storageClassName",
            "transfer-storage-class-left provisioner",
            "transfer-storage-class-left provisioner",
            "transfer-storage-parameters parameters.iops",
        ]
    );
    let question = open.analysis.questions.iter().find(|q| q.path == "storage_classes.gp3").expect("asked");
    assert_eq!(question.suggestion.as_deref(), Some("managed-csi"));
    let mapped = judged(objects, "storage_classes: {gp3: managed-csi, lustre: anf}");
    let blocking: Vec<&str> = mapped
        .found
        .iter()
        .filter(|f| f.finding.severity == Severity::Blocks)
        .map(|f| f.finding.code.as_str())
        .collect();
    assert_eq!(blocking, ["transfer-access-mode"], "a disk is mounted by one node");
    let db = rendered(objects, "storage_classes: {gp3: azurefile-csi, lustre: anf}", "StatefulSet.apps/shop/db");
    assert_eq!(db["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "anf");
}

const INGRESS: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  namespace: shop\n  annotations:\n    alb.ingress.kubernetes.io/scheme: internet-facing\n    alb.ingress.kubernetes.io/listen-ports: '[{\"HTTP\": 80}, {\"HTTPS\": 443}]'\n    alb.ingress.kubernetes.io/ssl-redirect: '443'\n    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:eu-west-1:1:certificate/a\nspec:\n  ingressClassName: alb\n  rules:\n  - host: shop.example.com\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{name: http, port: 8080}]}\n";

#[test]
fn an_ingress_becomes_a_gateway_with_its_routes() {
    let open = judged(INGRESS, "");
    assert!(codes(&open).iter().any(|c| c.starts_with("transfer-ingress-certificate ")), "{:?}", codes(&open));
    let answers = "ingress: {certificates: {shop.example.com: shop-tls}}";
    let gateway = rendered(INGRESS, answers, "Gateway.gateway.networking.k8s.io/shop/web");
    assert_eq!(gateway["spec"]["gatewayClassName"], "approuting-istio");
    assert_eq!(gateway["spec"].get("infrastructure"), None, "it is internet-facing");
    let names: Vec<&str> =
        gateway["spec"]["listeners"].as_array().expect("listeners").iter().filter_map(|l| l["name"].as_str()).collect();
    assert_eq!(names, ["http", "https-shop-example-com"]);
    let route = rendered(INGRESS, answers, "HTTPRoute.gateway.networking.k8s.io/shop/web");
    assert_eq!(
        route["spec"]["parentRefs"],
        serde_json::json!([{"name": "web", "sectionName": "https-shop-example-com"}])
    );
    assert_eq!(route["spec"]["rules"][0]["backendRefs"], serde_json::json!([{"name": "web", "port": 8080}]));
    let redirect = rendered(INGRESS, answers, "HTTPRoute.gateway.networking.k8s.io/shop/web-redirect");
    assert_eq!(redirect["spec"]["rules"][0]["filters"][0]["requestRedirect"]["scheme"], "https");
    // Internal is what the controller makes unless asked otherwise.
    let internal = INGRESS.replace("    alb.ingress.kubernetes.io/scheme: internet-facing\n", "");
    let gateway = rendered(&internal, answers, "Gateway.gateway.networking.k8s.io/shop/web");
    assert_eq!(
        gateway["spec"]["infrastructure"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"],
        "true"
    );
    let nginx = rendered(
        INGRESS,
        &format!("{answers}\n").replace("{certificates", "{target: nginx, certificates"),
        "Ingress.networking.k8s.io/shop/web",
    );
    assert_eq!(nginx["spec"]["ingressClassName"], "webapprouting.kubernetes.azure.com");
    assert_eq!(nginx["spec"]["tls"], serde_json::json!([{"hosts": ["shop.example.com"], "secretName": "shop-tls"}]));
}

#[test]
fn data_that_would_stay_behind_in_silence_is_found() {
    let with = |kind: &str, spec: &str| {
        format!(
            "apiVersion: {kind}\nmetadata: {{name: w, namespace: shop}}\nspec: {spec}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: shop}}\nspec: {{storageClassName: managed, resources: {{requests: {{storage: 1Gi}}}}}}\n---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: managed}}\nprovisioner: disk.csi.azure.com\n"
        )
    };
    let pod = "{volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, image: x}]}";
    let stopped = with("apps/v1\nkind: Deployment", &format!("{{replicas: 0, template: {{spec: {pod}}}}}"));
    assert_eq!(codes(&judged(&stopped, "")), ["transfer-claim-not-running spec.replicas"]);
    let nightly = with("batch/v1\nkind: CronJob", &format!("{{jobTemplate: {{spec: {{template: {{spec: {pod}}}}}}}}}"));
    assert_eq!(codes(&judged(&nightly, "")), ["transfer-claim-not-running spec.replicas"]);
    assert_eq!(judged(&nightly, "data: {leave: {shop/data: made again each night}}").analysis.exit_status, 0);
    let running = with("apps/v1\nkind: Deployment", &format!("{{replicas: 1, template: {{spec: {pod}}}}}"));
    assert_eq!(codes(&judged(&running, "")), Vec::<String>::new());
}

#[test]
fn what_keeps_people_out_is_not_lost_in_silence() {
    let with = |key: &str, value: &str| {
        INGRESS.replace(
            "    alb.ingress.kubernetes.io/ssl-redirect: '443'\n",
            &format!("    alb.ingress.kubernetes.io/{key}: '{value}'\n"),
        )
    };
    for (key, value) in [
        ("wafv2-acl-arn", "arn:aws:wafv2:x"),
        ("auth-type", "cognito"),
        ("security-groups", "sg-1"),
        ("conditions.web", "[]"),
    ] {
        let judged = judged(&with(key, value), "ingress: {certificates: {shop.example.com: shop-tls}}");
        let found = judged.found.iter().find(|f| f.finding.code == "transfer-ingress-protection");
        assert!(found.is_some_and(|f| f.finding.severity == Severity::Blocks), "{key}: {:?}", codes(&judged));
    }
    let answers = "ingress: {certificates: {shop.example.com: shop-tls}}";
    let gateway = rendered(
        &with("inbound-cidrs", "1.2.3.0/24, 4.5.6.7/32"),
        answers,
        "Gateway.gateway.networking.k8s.io/shop/web",
    );
    assert_eq!(
        gateway["spec"]["infrastructure"]["annotations"]["service.beta.kubernetes.io/azure-allowed-ip-ranges"],
        "1.2.3.0/24,4.5.6.7/32"
    );
    let policy = "apiVersion: vpcresources.k8s.aws/v1beta1\nkind: SecurityGroupPolicy\nmetadata: {name: p, namespace: shop}\nspec: {securityGroups: {groupIds: [sg-1]}}\n";
    assert_eq!(judged(policy, "").analysis.counts.blocks, 1);
}

#[test]
fn load_balancers_are_internal_where_their_maker_makes_them_so() {
    let service = |more: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\n  annotations: {{x: y{more}}}\nspec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n"
        )
    };
    let internal = |text: &str, answers: &str| {
        let service = rendered(text, answers, "Service/shop/web");
        service["metadata"]["annotations"].get("service.beta.kubernetes.io/azure-load-balancer-internal").is_some()
    };
    let (kind, scheme) = (
        ", service.beta.kubernetes.io/aws-load-balancer-type: external",
        ", service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing",
    );
    assert!(!internal(&service(""), ""), "in-tree ones face the internet");
    assert!(internal(&service(kind), ""));
    assert!(!internal(&service(&format!("{kind}{scheme}")), ""));
    assert!(!internal(&service(kind), "source: {load_balancer_controller: v2.1.3}"), "before 2.2 they were public");
    assert!(internal(&service(", service.beta.kubernetes.io/aws-load-balancer-internal: 'true'"), ""));
    let auto =
        service("").replace("type: LoadBalancer", "loadBalancerClass: eks.amazonaws.com/nlb, type: LoadBalancer");
    assert!(internal(&auto, ""), "Auto Mode");
    assert_eq!(rendered(&auto, "", "Service/shop/web")["spec"].get("loadBalancerClass"), None);
    let probed = rendered(
        &service(
            ", service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /ok, service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout: '350'",
        ),
        "",
        "Service/shop/web",
    );
    let annotations = &probed["metadata"]["annotations"];
    assert_eq!(annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path"], "/ok");
    assert_eq!(annotations["service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout"], "6");
    assert!(!annotations.to_string().contains("aws-"), "{annotations}");
}

#[test]
fn selectors_tolerations_and_spot() {
    let pod = "nodeSelector: {eks.amazonaws.com/nodegroup: web, karpenter.sh/capacity-type: spot, team: a}\ntolerations:\n- {key: karpenter.sh/disrupted, operator: Exists}\n- {key: team, value: a}\ncontainers: [{name: c, image: x}]";
    let open = judged(&deployment(pod), "");
    let asked: Vec<&str> = open.analysis.questions.iter().map(|q| q.path.as_str()).collect();
    assert_eq!(asked, ["node_labels[\"eks.amazonaws.com/nodegroup=web\"]"]);
    assert_eq!(open.analysis.questions[0].suggestion.as_deref(), Some("kubernetes.azure.com/agentpool=web"));
    let web = rendered(
        &deployment(pod),
        "node_labels: {eks.amazonaws.com/nodegroup=web: kubernetes.azure.com/agentpool=web}",
        "Deployment.apps/shop/web",
    );
    let spec = &web["spec"]["template"]["spec"];
    assert_eq!(
        spec["nodeSelector"],
        serde_json::json!({"team": "a", "kubernetes.azure.com/agentpool": "web", "kubernetes.azure.com/scalesetpriority": "spot"})
    );
    assert_eq!(
        spec["tolerations"],
        serde_json::json!([{"key": "team", "value": "a"}, {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"}])
    );
    let affinity = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]}]}}}\ncontainers: [{name: c, image: x}]";
    let web = rendered(&deployment(affinity), "", "Deployment.apps/shop/web");
    assert_eq!(web["spec"]["template"]["spec"].get("affinity"), None, "{web}");
    let zones = affinity
        .replace("karpenter.sh/capacity-type", "topology.kubernetes.io/zone")
        .replace("on-demand", "eu-west-1a, eu-west-1b");
    assert_eq!(judged(&deployment(&zones), "").analysis.counts.blocks, 1);
    let answers = "node_labels: {topology.kubernetes.io/zone=eu-west-1a: topology.kubernetes.io/zone=westeurope-1, topology.kubernetes.io/zone=eu-west-1b: topology.kubernetes.io/zone=westeurope-2}";
    let web = rendered(&deployment(&zones), answers, "Deployment.apps/shop/web");
    assert!(web.to_string().contains(r#""values":["westeurope-1","westeurope-2"]"#), "{web}");
}

const KEDA: &str = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: s, namespace: shop}\nspec:\n  scaleTargetRef: {name: web}\n  triggers:\n  - type: aws-sqs-queue\n    authenticationRef: {name: t}\n    metadata: {queueURLFromEnv: Q, queueLength: '2', awsRegion: eu-west-1, identityOwner: operator}\n---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: t, namespace: shop}\nspec: {podIdentity: {provider: aws-eks}}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: reader\n  namespace: shop\n  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::123456789012:role/r'}\n---\n";

#[test]
fn triggers_of_keda_follow_their_queue_and_identity() {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs";
    let objects = format!(
        "{KEDA}{}",
        deployment(&format!(
            "serviceAccountName: reader\ncontainers:\n- name: c\n  image: x\n  env: [{{name: Q, value: '{url}'}}]"
        ))
    );
    let open = judged(&objects, "");
    let asked: Vec<String> = open.analysis.questions.iter().map(|q| q.path.clone()).collect();
    assert!(asked.contains(&format!("queues[{url:?}].account")), "{asked:?}");
    let answers = format!(
        "identities: {{'arn:aws:iam::123456789012:role/r': {{name: r, client_id: c-9, roles: []}}}}\nqueues: {{'{url}': {{account: ns, queue: jobs}}}}\nendpoints: {{'{url}': ns.servicebus.windows.net}}"
    );
    assert_eq!(judged(&objects, &answers).analysis.counts.blocks, 0, "{:?}", codes(&judged(&objects, &answers)));
    let scaled = rendered(&objects, &answers, "ScaledObject.keda.sh/shop/s");
    assert_eq!(scaled["spec"]["triggers"][0]["type"], "azure-servicebus");
    assert_eq!(
        scaled["spec"]["triggers"][0]["metadata"],
        serde_json::json!({"queueName": "jobs", "namespace": "ns", "messageCount": "2"})
    );
    let authentication = rendered(&objects, &answers, "TriggerAuthentication.keda.sh/shop/t");
    assert_eq!(
        authentication["spec"]["podIdentity"],
        serde_json::json!({"provider": "azure-workload", "identityId": "c-9"})
    );
}

#[test]
fn secrets_come_from_a_vault_or_by_hand() {
    let objects = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {password: hunter2}\n---\napiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: p, namespace: shop}\nspec:\n  provider: aws\n  parameters:\n    objects: |\n      - objectName: shop/db\n        objectType: secretsmanager\n        objectAlias: db\n";
    let answers = "vault_objects: {shop/db: shop-db}\naccepted: {transfer-secret-provider-unmapped SecretProviderClass.secrets-store.csi.x-k8s.io/shop/p: read by the operator}";
    let judged = judged(objects, "");
    assert!(!format!("{:?}", judged.analysis).contains("hunter2"));
    let answers = answers.replace("vault_objects", "pod_identities: {}\nvault_objects");
    let inventory = inventory(objects);
    let mapping = mapping(&format!("target: {{kubernetes_version: '1.34', key_vault: kv, tenant_id: t}}\n{answers}"));
    let rendered = render(&inventory, &analyse(&inventory, &mapping).found);
    let names: Vec<&str> = rendered.objects.iter().map(|o| o.id.as_str()).collect();
    let provider = "SecretProviderClass.secrets-store.csi.x-k8s.io/shop/p";
    assert_eq!(names, ["Namespace/shop", provider], "the Secret is not rendered");
    let spec = &rendered.objects[1].object["spec"];
    assert_eq!(spec["provider"], "azure");
    let array: Value = serde_saphyr::from_str(spec["parameters"]["objects"].as_str().expect("text")).expect("YAML");
    let entry: Value = serde_saphyr::from_str(array["array"][0].as_str().expect("text")).expect("YAML");
    assert_eq!(entry, serde_json::json!({"objectName": "shop-db", "objectType": "secret", "objectAlias": "db"}));
}

#[test]
fn access_nodes_versions_and_owners() {
    let auth = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\ndata:\n  mapRoles: |\n    - rolearn: arn:aws:iam::1:role/nodes\n      groups: [system:bootstrappers, system:nodes]\n    - rolearn: arn:aws:iam::1:role/dev\n      groups: [devs]\n";
    assert_eq!(
        codes(&judged(auth, "")),
        ["transfer-aws-auth-unmapped data.mapRoles[1]", "transfer-node-role data.mapRoles[0]"]
    );
    assert_eq!(judged(auth, "access: {'arn:aws:iam::1:role/dev': {object_id: none}}").analysis.counts.blocks, 0);
    let class = "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: default}\nspec: {amiFamily: Custom, amiSelectorTerms: [{id: ami-1}], userData: 'sysctl -w x=1'}\n";
    assert_eq!(codes(&judged(class, "")), ["transfer-node-image-open spec", "transfer-node-class"]);
    assert_eq!(
        codes(&judged(class, "node_customization: daemonset sysctl in repo infra")),
        ["transfer-node-image spec", "transfer-node-class"]
    );
    let old = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: b, namespace: shop}\nspec: {minAvailable: 1}\n---\napiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\nmetadata: {name: h, namespace: shop}\nspec: {}\n";
    assert_eq!(codes(&judged(old, "")), ["transfer-api-version-removed apiVersion", "transfer-api-version apiVersion"]);
    assert_eq!(rendered(old, "", "PodDisruptionBudget.policy/shop/b")["apiVersion"], "policy/v1");
    let owned = deployment("containers: [{name: c, image: x}]").replace(
        "{name: web, namespace: shop}",
        "{name: web, namespace: shop, labels: {argocd.argoproj.io/instance: store}}",
    );
    let found = judged(&owned, "");
    assert!(
        codes(&found).contains(&"transfer-git-ops".to_owned())
            && found.found[0].finding.remedy.contains("kubectl patch application store -n argocd"),
        "{:?}",
        codes(&found)
    );
    let newer = analyse(
        &inventory(
            "apiVersion: v1\nkind: Node\nmetadata: {name: node-1}\nstatus: {nodeInfo: {kubeletVersion: v1.34.1-eks-1}}\n",
        ),
        &mapping("target: {kubernetes_version: '1.33'}"),
    );
    assert!(newer.found.iter().any(|f| f.finding.code == "transfer-target-older"));
}
