//! What a route asks for on the way: cross-origin rules, faults, header changes, gRPC-Web.

pub mod cors;
pub mod fault;
pub mod grpc_web;
pub mod header_ops;
