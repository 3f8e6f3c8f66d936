//! Metrics, logs and traces that go to AWS.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use serde_json::Value;

const CUSTOM: Code = code(
    "transfer-cloudwatch-object",
    Severity::ByHand,
    "an object of the CloudWatch or ADOT operator is not rendered",
);
const EXPORTER: Code = code(
    "transfer-monitoring-exporter",
    Severity::ByHand,
    "a collector exports to CloudWatch, X-Ray or managed Prometheus of AWS",
);
const MONITOR: Code = code(
    "transfer-service-monitor",
    Severity::ByHand,
    "monitors and rules of the Prometheus operator, which does not move along",
);
const INJECT: Code = code("transfer-instrumentation", Severity::ByHand, "pods are instrumented by an operator of AWS");

/// The rule.
pub(super) const RULE: Rule = Rule { subject: "Monitoring", codes: &[CUSTOM, EXPORTER, MONITOR, INJECT], judge };

/// Words of collectors' configurations, and what each sends to.
const EXPORTERS: &[(&str, &str)] = &[
    ("awscloudwatchlogs", "CloudWatch Logs"),
    ("awsemf", "CloudWatch metrics"),
    ("awsxray", "X-Ray"),
    ("aps-workspaces", "Amazon Managed Prometheus"),
    ("cloudwatch_logs", "CloudWatch Logs"),
    ("sigv4", "something that is signed for AWS"),
    ("kinesis_firehose", "Firehose"),
];

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let operator = g.moving().any(|i| {
        super::template(i).is_some()
            && (i.id.name().contains("prometheus-operator") || i.id.name().contains("kube-prometheus-stack-operator"))
    });
    for item in g.moving() {
        match (item.id.group(), item.id.kind()) {
            ("cloudwatch.aws.amazon.com", kind) => sink.add(
                Found::new(item, &CUSTOM, format!("{kind}: its operator does not run on the target")).edit(Edit::LeaveOut).remedy(
                    "Azure Monitor: az aks enable-addons --addons monitoring; managed Prometheus: az aks update --enable-azure-monitor-metrics",
                ),
            ),
            ("monitoring.coreos.com", kind @ ("ServiceMonitor" | "PodMonitor" | "PrometheusRule")) if !operator => sink.add(
                Found::new(item, &MONITOR, format!("{kind}: the definition must be on the target, and something that reads it")).remedy(
                    "managed Prometheus reads ServiceMonitor and PodMonitor of azmonitoring.coreos.com/v1; rules become Prometheus rule groups of Azure; or let the operator move along",
                ),
            ),
            _ => {}
        }
        let data = item.object.get("data").and_then(Value::as_object).filter(|_| item.id.kind() == "ConfigMap");
        let config = item.text("/spec/config").filter(|_| item.id.kind() == "OpenTelemetryCollector");
        let texts = data.into_iter().flatten().filter_map(|(k, v)| Some((format!("/data{}", step(k)), v.as_str()?)));
        for (at, text) in texts.chain(config.map(|c| ("/spec/config".to_owned(), c))) {
            for (word, what) in EXPORTERS {
                if text.contains(word) {
                    sink.add(Found::new(item, &EXPORTER, format!("it sends to {what}")).at(&at).was(*word).remedy(
                        "send to Azure Monitor (azuremonitor exporter), or to managed Prometheus (prometheusremotewrite with Workload Identity)",
                    ));
                }
            }
        }
    }
    for (item, template) in g.workloads() {
        let annotations = item.object.pointer(&format!("{template}/metadata/annotations")).and_then(Value::as_object);
        for (key, value) in annotations.into_iter().flatten() {
            if key.starts_with("instrumentation.opentelemetry.io/inject-")
                || key.starts_with("cloudwatch.aws.amazon.com/")
            {
                let at = format!("{template}/metadata/annotations{}", step(key));
                sink.add(
                    Found::new(item, &INJECT, "the operator that reads it must be on the target")
                        .at(&at)
                        .was(value.as_str().unwrap_or_default())
                        .remedy("turn on autoinstrumentation of Azure Monitor, or install the OpenTelemetry operator"),
                );
            }
        }
    }
}
