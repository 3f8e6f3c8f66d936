//! What the differential tests stand on: a real control plane, a client of it, and a stand-in for the kubelets.

pub mod client;
pub mod controlplane;
pub mod dump;
pub mod handover;
pub mod kubelets;
pub mod nodes;
pub mod recording;
pub mod rest;
