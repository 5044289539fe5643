//! TLS on both sides: certificates and trust out of secrets, and the configurations made of them.

pub mod accept;
mod boring;
mod certificate;
pub mod client;
mod client_auth;
pub mod endpoint;
mod names;
mod server;
mod suites;
mod trust;
mod validity;

use std::fmt;

use rustls::pki_types::pem;

pub use certificate::{KeyPair, describe, escape_pem};
pub use server::ServerTls;
pub use trust::Trust;
pub use validity::Validity;

/// A certificate, key, or trust bundle that cannot be used. It breaks only what asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    text: String,
    blame: Blame,
}

/// What is to blame for a [`TlsError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// Something else.
    Other,
    /// A part of what was parsed, wherever that came from.
    Part(PemField),
    /// A part of a secret.
    Secret(String, PemField),
    /// A PEM file, by path.
    File(String),
    /// There is no such secret; translating has said so where it is named.
    Absent,
    /// The proxy was started without a mesh certificate of its own.
    NoIdentity,
}

impl TlsError {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        TlsError { text: text.to_string(), blame: Blame::Other }
    }

    /// What is wrong with one part of a secret.
    pub(crate) fn of(field: PemField, text: impl fmt::Display) -> Self {
        TlsError { text: text.to_string(), blame: Blame::Part(field) }
    }

    /// The snapshot has no such secret.
    pub(crate) fn absent(secret: &str) -> Self {
        TlsError { text: format!("secret {secret} does not exist"), blame: Blame::Absent }
    }

    /// The proxy has no identity.
    pub(crate) fn no_identity(text: &str) -> Self {
        TlsError { text: text.to_owned(), blame: Blame::NoIdentity }
    }

    /// What is wrong with a PEM file.
    pub(crate) fn file(path: &str, text: impl fmt::Display) -> Self {
        TlsError { text: format!("file {path}: {text}"), blame: Blame::File(path.to_owned()) }
    }

    /// The same, told of where it was found.
    pub(crate) fn found_in(self, place: &PemPlace<'_>) -> Self {
        match (self.blame, place) {
            (Blame::Part(field), PemPlace::Secret(secret)) => TlsError {
                text: format!("secret {secret}: {}", self.text),
                blame: Blame::Secret((*secret).to_owned(), field),
            },
            (Blame::Part(field), PemPlace::Files(files)) => match files.iter().find(|(holds, _)| *holds == field) {
                Some((_, path)) => TlsError::file(path, self.text),
                None => TlsError { text: self.text, blame: Blame::Other },
            },
            (blame, _) => TlsError { text: self.text, blame },
        }
    }

    /// The same, with more to say.
    pub(crate) fn and(self, text: &str) -> Self {
        TlsError { text: format!("{}{text}", self.text), ..self }
    }

    /// What is to blame.
    pub fn blame(&self) -> &Blame {
        &self.blame
    }
}

/// What is wrong with a PEM file, in words.
fn pem_fault(error: &pem::Error) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("the line -----END {}----- is missing", text(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => format!("{:?} does not begin a section of PEM", text(line)),
        pem::Error::Base64Decode(reason) => {
            format!("what stands between its lines BEGIN and END is not base64: {reason}")
        }
        pem::Error::NoItemsFound => "nothing of the kind is in it (PEM)".to_owned(),
        other => other.to_string(),
    }
}

/// Where PEM comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemPlace<'a> {
    /// A secret of the snapshot, by name.
    Secret(&'a str),
    /// Files: what each holds, and its path.
    Files(Vec<(PemField, &'a str)>),
}

/// What a Secret or a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemField {
    /// A certificate chain.
    Certificate,
    /// Its key.
    Key,
    /// Certificate authorities.
    Authorities,
    /// What they revoked.
    Revoked,
}

impl PemField {
    /// Keys under which it stands in a Secret.
    pub fn keys(self) -> [&'static str; 2] {
        match self {
            PemField::Certificate => ["cert", "tls.crt"],
            PemField::Key => ["key", "tls.key"],
            PemField::Authorities => ["cacert", "ca.crt"],
            PemField::Revoked => ["crl", "ca.crl"],
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TlsError {}
