//! Everything about Sallyport configuration that is pure: what people write (resources), the rules for it
//! (validate), what it means for one proxy (translate) and what a proxy runs (snapshot). No I/O, no async, no
//! clock, no Kubernetes client, no Pingora.
#![forbid(unsafe_code)]

pub mod snapshot;
