//! How Kubernetes PLACES pods: queue, filter plugins, score plugins, sampling, preemption (kube-scheduler 1.36).

pub mod names;
